//! Regions whose content is stored: every page comes once, from its store, and nothing is reclaimed for it.

use scenarios::{Comparison, RunOptions, Scenario, run_comparison};

use crate::kit::outcome;

const HOST: &str = r#""host": { "cpu": "skylake-sp", "cpus": 2, "memory_limit": "LIMIT", "kernel": "linux-6.12",
    "swap": { "device": { "kind": "channels", "channels": 1, "read": "30us", "write": "30us" }, "read_ahead": 1 } STORES }"#;

/// A guest of two vCPUs and 16 MiB of stored memory.
fn text(limit: &str, stores: &str, region: &str, access: &str) -> String {
    let host = HOST.replace("LIMIT", limit).replace("STORES", stores);
    format!(
        r#"{{ "format": 1, "name": "stored", "title": "When is a page read?", {host},
  "guest": {{ "kernel": "linux-6.12", "vcpus": 2, "memory": "64MiB" }},
  "workload": {{ "regions": [{{ "name": "heap", "size": "16MiB", "content": "stored" {region} }}],
    "tasks": [{{ "name": "app", "role": "faulter", "count": 2,
      "program": [{{ "op": "access", "region": "heap", {access}, "cost": "100ns" }}] }}] }},
  "policies": ["sync", "apf-v6.12"], "duration": "400ms", "replications": 1,
  "expect": ["invariants clean"] }}"#
    )
}

/// A metric under both policies.
fn metric(comparison: &Comparison, name: &str) -> [f64; 2] {
    let of = |at: usize| {
        let metrics = &comparison.policies[at].metrics;
        metrics.iter().find(|metric| metric.name == name).unwrap().mean
    };
    [of(0), of(1)]
}

/// Asynchronous faults on files, as up to 5.0.
const STARTS_READ: &str =
    r#"{ "name": "apf", "base": "v6.12", "set": { "stored_lookup": "starts-read" } }"#;
const SEQUENTIAL: &str = r#""pattern": "sequential", "write": true"#;
const SHARED: &str = r#""pattern": "shared", "write": false"#;

#[test]
fn every_page_of_a_restored_guest_is_a_major_fault_once() {
    // One channel of 30 us: 4096 pages take 123 ms, and then there are no faults.
    let result = outcome(&text("64MiB", "", "", SEQUENTIAL));
    assert_eq!(metric(&result, "major_faults"), [4096.0; 2]);
    assert_eq!(metric(&result, "swap_reads_pages"), [4096.0; 2]);
    assert_eq!(metric(&result, "reclaim_scanned"), [0.0; 2]);
}

#[test]
fn a_fault_that_joins_a_read_under_way_is_not_a_major_one() {
    // Both tasks touch the same pages in the same order, at the same time.
    let result = outcome(&text("64MiB", "", "", SHARED).replace("400ms", "60ms"));
    let reads = metric(&result, "swap_reads_pages");
    assert_eq!(metric(&result, "major_faults"), reads);
    assert!(reads[0] > 1000.0, "{reads:?}");
}

#[test]
fn who_starts_to_read_a_file_waits_for_it_since_5_1() {
    // `filemap_fault` waits for the read of a page that it has made itself, and comes back from a locked one.
    let alone = text("64MiB", "", "", SEQUENTIAL).replace("\"count\": 2", "\"count\": 1");
    assert_eq!(metric(&outcome(&alone), "async_faults"), [0.0; 2]);
    let before = alone.replace(r#""apf-v6.12""#, STARTS_READ);
    assert_eq!(metric(&outcome(&before), "async_faults"), [0.0, 4096.0]);
    // Both tasks want the same pages: the second one finds each under way.
    let joined = outcome(&text("64MiB", "", "", SHARED).replace("400ms", "60ms"));
    let [majors, waits] =
        [metric(&joined, "major_faults")[1], metric(&joined, "not_present_injected")[1]];
    assert!(waits > majors / 2.0, "{waits} of {majors}");
}

#[test]
fn what_was_only_read_goes_without_a_write_and_comes_from_its_store_again() {
    let stores = r#", "stores": [{ "name": "image", "advice": "random", "device": { "kind": "constant", "read_latency": "20us", "write_latency": "20us" } }]"#;
    let access = SEQUENTIAL.replace("true", "false");

    let text = text("8MiB", stores, r#", "store": "image""#, &access)
        .replace(r#""apf-v6.12"]"#, r#""halt-v6.12"]"#);
    let result = outcome(&text);
    assert!(metric(&result, "major_faults")[0] > 6000.0);
    // A worker asks for writing, so that its pages are copies of the VMM's own.
    assert_eq!(metric(&result, "swap_writes_pages")[0], 0.0);
    let written = outcome(&text.replace("\"write\": false", "\"write\": true"));
    assert!(metric(&written, "swap_writes_pages")[0] > 1000.0);
}

#[test]
fn what_is_wrong_with_a_store_is_said_at_its_place() {
    let good = text("64MiB", "", "", SEQUENTIAL);
    let error = |text: &str| Scenario::from_str("f", text).unwrap_err().to_string();
    let with = |from: &str, to: &str| error(&good.replace(from, to));
    let content = r#""content": "stored""#;
    for (message, found) in [
        ("there is no store `disk`", with(content, r#""content": "stored", "store": "disk""#)),
        ("`prefill` writes the region", with(content, r#""content": "stored", "prefill": true"#)),
        ("is in no store", with(content, r#""content": "empty", "store": "disk""#)),
        ("no guest_memfd", with(content, r#""content": "stored", "backing": "guest_memfd""#)),
        (
            "compressed memory",
            with(
                r#""kind": "channels", "channels": 1, "read": "30us", "write": "30us""#,
                r#""preset": "zram-lz4""#,
            ),
        ),
    ] {
        assert!(found.contains(message), "{message}: {found}");
    }
}

/// Stored memory that threads of the VMM bring, with what else their description says.
fn served(extra: &str) -> String {
    let device = r#"{ "kind": "constant", "read_latency": "50us", "write_latency": "50us" }"#;
    let stores = format!(
        r#", "stores": [{{ "name": "image", "device": {device}, "handler": {{ "readers": 1, "installers": 1 {extra} }} }}]"#
    );
    let text = text("64MiB", &stores, r#", "store": "image""#, SEQUENTIAL);
    // Two tasks that catch up with each other miss the same pages at the same time.
    text.replace("\"count\": 2", "\"count\": 1").replace("400ms", "500ms")
}

#[test]
fn a_message_brings_the_block_around_its_page() {
    let result = outcome(&served(r#", "around": "64KiB""#));
    // Of 4096 pages; frames and pages need not begin a block together.
    for majors in metric(&result, "major_faults") {
        assert!((256.0..=264.0).contains(&majors), "{majors}");
    }
    assert_eq!(metric(&result, "reclaim_scanned"), [0.0; 2]);
}

#[test]
fn what_is_brought_before_the_start_is_no_fault() {
    let all = outcome(&served(r#", "prefetch": { "before_start": true }"#));
    assert_eq!(metric(&all, "major_faults"), [0.0; 2]);
    assert!(metric(&all, "minor_faults")[0] >= 4096.0);
    let part = r#", "prefetch": { "before_start": true, "threads": 2, "pages": [{ "region": "heap", "first": 4000,
        "pages": 96 }, { "region": "heap", "first": 7 }] }"#;
    assert_eq!(metric(&outcome(&served(part)), "major_faults"), [3999.0; 2]);
}

#[test]
fn pages_come_no_faster_than_the_rate() {
    // 8 MiB in 500 ms. The tasks never start, as all of it takes a second.
    let text =
        served(r#", "prefetch": { "before_start": true, "rate": "16MiB", "batch": "64KiB" }"#);
    let result = outcome(&text);
    assert_eq!(metric(&result, "major_faults"), [0.0; 2]);
    let slow = outcome(&served(r#", "prefetch": { "rate": "1MiB" }"#));
    let fast = outcome(&served(r#", "prefetch": { "rate": "64MiB" }"#));
    let (slow, fast) = (metric(&slow, "major_faults"), metric(&fast, "major_faults"));
    assert!(fast[0] < 0.8 * slow[0], "{fast:?} {slow:?}");
}

#[test]
fn a_file_lists_pages_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("restore.json");
    let load = |list: &str| {
        std::fs::write(folder.path().join("set.pages"), list).unwrap();
        let extra = r#", "prefetch": { "file": "set.pages", "before_start": true }"#;
        std::fs::write(&path, served(extra)).unwrap();
        Scenario::load(path.to_str().unwrap()).map_err(|error| error.to_string())
    };
    let scenario = load("# recorded\nheap 100 28\n\nheap 12 # hot\n").unwrap();
    let result = run_comparison(&scenario, &RunOptions::default(), &|_| {}).unwrap();
    assert_eq!(metric(&result, "major_faults"), [4096.0 - 29.0; 2]);
    for (list, message) in [
        ("heap 4090 7\n", "line 1: the region has 4096 pages"),
        ("heap 0\nstack 1\n", "line 2: no region of this store"),
        ("heap one\n", "line 1: this is no run of pages"),
        ("heap 1 2 3\n", "line 1: this is no run of pages"),
        ("heap 18446744073709551615 2\n", "line 1: the region has"),
        ("# nothing\n", "it lists no page"),
    ] {
        let error = load(list).unwrap_err();
        assert!(error.contains(message) && error.contains("prefetch.file"), "{list}: {error}");
    }
    std::fs::remove_file(folder.path().join("set.pages")).unwrap();
    let error = Scenario::load(path.to_str().unwrap()).unwrap_err().to_string();
    assert!(error.contains("set.pages"), "{error}");
}

#[test]
fn what_is_wrong_with_a_prefetch_is_said_at_its_place() {
    for (extra, message) in [
        (r#", "around": "12KiB""#, "12KiB is no block of pages"),
        (r#", "around": "4MiB""#, "4MiB is no block of pages"),
        (r#", "prefetch": { "batch": "4MiB" }"#, "1024 is out of range"),
        (r#", "prefetch": { "rate": "1KiB" }"#, "1KiB is out of range"),
        (r#", "prefetch": { "threads": 0 }"#, "0 is out of range"),
        (r#", "prefetch": { "regions": ["stack"] }"#, "`stack`"),
        (
            r#", "prefetch": { "pages": [{ "region": "heap", "first": 4095, "pages": 2 }] }"#,
            "has 4096 pages",
        ),
    ] {
        let error = Scenario::from_str("f", &served(extra)).unwrap_err().to_string();
        assert!(error.contains(message), "{extra}: {error}");
    }
}

#[test]
fn a_store_beside_compressed_memory_is_read_from_its_own_device() {
    let device = r#"{ "kind": "constant", "read_latency": "200us", "write_latency": "200us" }"#;
    let stores =
        format!(r#", "stores": [{{ "name": "image", "advice": "random", "device": {device} }}]"#);
    let text = text("64MiB", &stores, r#", "store": "image""#, SEQUENTIAL).replace(
        r#""kind": "channels", "channels": 1, "read": "30us", "write": "30us""#,
        r#""preset": "zram-lz4""#,
    );
    let result = outcome(&text.replace(r#""apf-v6.12""#, STARTS_READ));
    for latency in metric(&result, "fault_latency_p50") {
        assert!((200e-6..250e-6).contains(&latency), "{latency}");
    }
    assert_eq!(metric(&result, "cpu_share_decompression"), [0.0; 2]);
    assert!(metric(&result, "async_faults")[1] > 1000.0);
}

/// Stored memory in a file that the VMM maps, and what its description says of the mapping.
fn mapped(extra: &str, access: &str) -> String {
    let device = r#"{ "kind": "constant", "read_latency": "100us", "write_latency": "100us" }"#;
    let stores = format!(r#", "stores": [{{ "name": "image", "device": {device} {extra} }}]"#);
    let text = text("64MiB", &stores, r#", "store": "image""#, access);
    text.replace("\"count\": 2", "\"count\": 1")
}

fn result_of_advice(advice: &str) -> Comparison {
    outcome(&mapped(&format!(r#", "advice": "{advice}""#), SEQUENTIAL))
}

#[test]
fn a_file_that_is_mapped_without_advice_is_read_by_windows() {
    let result = outcome(&mapped("", SEQUENTIAL));
    // All but the first fault find their pages read, or under way: asynchronous faults have nothing to do but wait.
    assert_eq!(metric(&result, "major_faults"), [1.0; 2]);
    assert_eq!(metric(&result, "swap_reads_pages"), [4096.0; 2]);
    assert_eq!(metric(&result, "async_faults"), [0.0, 1.0]);
    let alone = outcome(&mapped(r#", "advice": "random""#, SEQUENTIAL).replace("400ms", "600ms"));
    assert_eq!(metric(&alone, "major_faults"), [4096.0; 2]);
    assert_eq!(metric(&alone, "async_faults"), [0.0; 2]);
    let (windows, alone) = (metric(&result, "sync_stall_time"), metric(&alone, "sync_stall_time"));
    assert!(20.0 * windows[0] < alone[0], "{windows:?} {alone:?}");
    let why =
        |result: &Comparison| result.notes.iter().any(|note| note.text.contains("read alone"));
    assert!(why(&result_of_advice("random")) && !why(&result));
    // Twice the window, half the misses.
    let large = outcome(&mapped(r#", "advice": "sequential", "read_ahead": "256KiB""#, SEQUENTIAL));
    assert_eq!(metric(&large, "major_faults"), [64.0; 2]);
}

#[test]
fn clones_find_what_one_of_them_has_read_around_its_page() {
    let one = mapped("", SEQUENTIAL)
        .replace("\"memory_limit\": \"64MiB\"", "\"memory_limit\": \"128MiB\"");
    let two = one
        .replace("\"policies\"", "\"vms\": [{ \"name\": \"clone\", \"count\": 2 }], \"policies\"");
    let result = outcome(&two);
    // Each page is read once, whoever comes first.
    assert_eq!(metric(&result, "swap_reads_pages"), [4096.0; 2]);
    let majors =
        ["major_faults[clone-1]", "major_faults[clone-2]"].map(|it| metric(&result, it)[0]);
    assert!((1.0..=2.0).contains(&(majors[0] + majors[1])), "{majors:?}");
}

#[test]
fn a_mapping_is_said_of_files_that_the_kernel_reads() {
    for (extra, message) in [
        (r#", "advice": "random", "handler": {}"#, "the store has a `handler`"),
        (r#", "read_ahead": "64KiB", "handler": {}"#, "the store has a `handler`"),
        (r#", "read_ahead": "64MiB""#, "is out of range"),
        (r#", "read_ahead": "1KiB""#, "not a whole number of pages"),
        (r#", "advice": "willneed""#, "`normal`"),
    ] {
        let error = Scenario::from_str("f", &mapped(extra, SEQUENTIAL)).unwrap_err().to_string();
        assert!(error.contains(message), "{extra}: {error}");
    }
    // What is said to be the default is the default, and what makes no difference is none.
    let hash = |extra: &str| Scenario::from_str("f", &mapped(extra, SEQUENTIAL)).unwrap().hash();
    assert_eq!(hash(""), hash(r#", "advice": "normal", "read_ahead": "128KiB""#));
    assert_eq!(hash(r#", "advice": "random""#), hash(r#", "read_ahead": "0B""#));
    let all = [
        hash(""),
        hash(r#", "advice": "random""#),
        hash(r#", "advice": "sequential""#),
        hash(r#", "read_ahead": "64KiB""#),
    ];
    assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
}
