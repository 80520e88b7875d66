//! Regions whose content is stored: every page comes once, from its store, and nothing is reclaimed for it.

use scenarios::experiments::judge::judge;
use scenarios::{Comparison, RunOptions, Scenario, run_comparison};

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

/// The same ahead and stepped, with all that is expected.
#[track_caller]
fn outcome(text: &str) -> Comparison {
    let scenario = Scenario::from_str("stored", text).unwrap();
    let run = |skip| {
        let options = RunOptions { skip, ..RunOptions::default() };
        run_comparison(&scenario, &options, &|_| {}).unwrap()
    };
    let (ahead, stepped) = (run(true), run(false));
    assert_eq!(ahead, stepped);
    let unmet: Vec<_> =
        judge(&scenario.expect, &ahead).into_iter().filter(|line| !line.met).collect();
    assert!(unmet.is_empty(), "{unmet:?}");
    ahead
}

/// A metric under both policies.
fn metric(comparison: &Comparison, name: &str) -> [f64; 2] {
    let of = |at: usize| {
        let metrics = &comparison.policies[at].metrics;
        metrics.iter().find(|metric| metric.name == name).unwrap().mean
    };
    [of(0), of(1)]
}

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
fn what_was_only_read_goes_without_a_write_and_comes_from_its_store_again() {
    let stores = r#", "stores": [{ "name": "image", "device": { "kind": "constant", "read_latency": "20us", "write_latency": "20us" } }]"#;
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
