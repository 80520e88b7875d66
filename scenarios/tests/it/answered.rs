//! Faults that the VMM answers: by exits and by rings, with their halts, their cap and what is for nothing.

use scenarios::{Comparison, Scenario};

use crate::kit::outcome;

/// A guest of two vCPUs and 16 MiB of memory that a handler brings.
fn text(handler: &str, policies: &str, program: &str) -> String {
    format!(
        r#"{{ "format": 1, "name": "answered", "title": "Who answers?",
  "host": {{ "cpu": "skylake-sp", "cpus": 4, "memory_limit": "64MiB", "kernel": "linux-6.12",
    "swap": {{ "device": {{ "kind": "constant", "read_latency": "40us", "write_latency": "40us" }} }},
    "stores": [{{ "name": "image", "handler": {{ {handler} }} }}] }},
  "guest": {{ "kernel": "linux-6.12", "vcpus": 2, "memory": "64MiB" }},
  "workload": {{ "regions": [{{ "name": "heap", "size": "16MiB", "content": "stored", "store": "image" }}],
    "tasks": [{{ "name": "app", "role": "faulter", "count": 4, "passes": 1024,
      "program": [{program}] }}] }},
  "policies": [{policies}], "duration": "900ms", "replications": 1,
  "expect": ["invariants clean"] }}"#
    )
}

const ALL: &str = r#""sync-user-exit", "apf-user-exit", "apf-user-exitless""#;
const TOUCH: &str = r#"{ "op": "access", "region": "heap", "pattern": "sequential", "write": true, "cost": "100ns" }"#;
/// All tasks on the same pages.
const SHARED: &str =
    r#"{ "op": "access", "region": "heap", "pattern": "shared", "write": true, "cost": "100ns" }"#;
/// A touch that the host does not tell of: in the guest's kernel.
const HALTS: &str = r#"{ "op": "syscall", "cost": "1us", "body": [
  { "op": "access", "region": "heap", "pattern": "sequential", "write": true, "cost": "100ns" }] }"#;

fn metric(comparison: &Comparison, policy: usize, name: &str) -> Option<f64> {
    let metrics = &comparison.policies[policy].metrics;
    metrics.iter().find(|metric| metric.name == name).map(|metric| metric.mean)
}

/// A metric under all policies of [`ALL`].
#[track_caller]
fn all(comparison: &Comparison, name: &str) -> [f64; 3] {
    [0, 1, 2].map(|policy| metric(comparison, policy, name).unwrap())
}

/// No table of the guest's lies between the pages of a block: 16 MiB are eight blocks of 2 MiB, or nine that are not
/// aligned.
#[test]
fn blocks_of_pages_are_whole() {
    let one = text(r#""latency": "50us", "around": "2MiB""#, r#""sync""#, TOUCH);
    let one = one.replace(r#""count": 4, "passes": 1024"#, r#""count": 1, "passes": 4096"#);
    let faults = metric(&outcome(&one), 0, "major_faults").unwrap();
    assert!((8.0..=9.0).contains(&faults), "{faults}");
}

#[test]
fn every_page_is_answered_once_whoever_asks_and_however() {
    for handler in [
        r#""latency": "50us""#,
        r#""latency": "0s", "installers": 0"#,
        r#""latency": "20us", "installers": 0, "readers": 3, "process": "other""#,
        r#""latency": "50us", "installers": 4, "readers": 2, "batch": 1"#,
    ] {
        let result = outcome(&text(handler, ALL, TOUCH));
        assert_eq!(all(&result, "major_faults"), [4096.0; 3], "{handler}");
        assert_eq!(all(&result, "user_exits")[..2], [4096.0; 2], "{handler}");
        assert_eq!(all(&result, "user_waits"), [4096.0, 0.0, 0.0], "{handler}");
        assert_eq!(all(&result, "ring_requests"), [0.0, 0.0, 4096.0], "{handler}");
        assert_eq!(all(&result, "user_exits")[2], 0.0, "{handler}");
        let signals = all(&result, "ring_signals")[2];
        assert!((1.0..=4096.0).contains(&signals), "{handler}: {signals}");
        assert_eq!(metric(&result, 1, "not_present_injected"), Some(4096.0), "{handler}");
    }
}

#[test]
fn a_reader_that_is_busy_needs_no_signal() {
    let quick = outcome(&text(r#""latency": "0s", "installers": 0"#, ALL, TOUCH));
    let signals = all(&quick, "ring_signals")[2];
    assert!(signals < 4000.0, "some entries come while the reader serves others: {signals}");
    assert!(all(&quick, "handler_wakeups")[2] <= signals, "{signals}");
}

#[test]
fn one_page_is_brought_for_all_who_ask_for_it() {
    let result = outcome(&text(r#""latency": "50us", "readers": 2"#, ALL, SHARED));
    // Who comes second finds it there, or waits with the first one.
    let faults = all(&result, "major_faults");
    assert!(faults[0] < 1024.0 && faults == [faults[0]; 3], "some pages come twice: {faults:?}");
    assert!(all(&result, "user_exits")[1] > faults[1], "the other vCPU asks as well");
}

#[test]
fn what_is_not_told_halts_the_vcpu_or_waits_outside() {
    let result = outcome(&text(r#""latency": "50us""#, ALL, HALTS));
    assert_eq!(all(&result, "not_present_injected"), [0.0; 3]);
    let halted = all(&result, "halted_time");
    assert!(halted[0] == 0.0 && halted[1] > 0.1 && halted[2] > 0.1, "{halted:?}");
    assert_eq!(all(&result, "user_waits"), [4096.0, 0.0, 0.0]);
}

#[test]
fn faults_above_the_cap_wait_outside() {
    let policies = r#"{ "name": "few", "base": "apf-user-exitless", "set": { "cap": 1 } },
        { "name": "small-ring", "base": "user-exitless", "set": { "ring": 1, "cap": 4 } }, "apf-user-exit""#;
    let result = outcome(&text(r#""latency": "200us""#, policies, TOUCH));
    assert!(metric(&result, 0, "user_waits").unwrap() > 100.0);
    assert_eq!(metric(&result, 1, "user_waits"), Some(0.0));
    let [exits, in_ring] =
        ["user_exits", "ring_requests"].map(|name| metric(&result, 1, name).unwrap());
    assert!(exits > 100.0 && in_ring > 100.0 && exits + in_ring == 4096.0, "{exits} {in_ring}");
}

#[test]
fn a_page_that_is_there_before_the_guest_runs_is_told_for_nothing() {
    // On one processor a reader that is woken by a request runs before the vCPU does.
    let shares = |handler: &str| text(handler, ALL, TOUCH).replace(r#""cpus": 4"#, r#""cpus": 1"#);
    let quick = outcome(&shares(r#""latency": "0s", "installers": 0"#));
    let slow = outcome(&shares(r#""latency": "500us""#).replace("900ms", "300ms"));
    assert!(metric(&quick, 0, "needless_share").is_none());
    let [quick, slow] = [&quick, &slow].map(|it| metric(it, 1, "needless_share").unwrap());
    assert!(quick > 0.1 && slow == 0.0, "{quick} {slow}");
}

#[test]
fn pages_that_are_brought_ahead_are_not_asked_for_and_swapped_ones_are_the_kernels() {
    let ahead = r#""latency": "50us", "prefetch": { "before_start": true }"#;
    let result = outcome(&text(ahead, ALL, TOUCH));
    assert_eq!(all(&result, "major_faults"), [0.0; 3]);
    // Half of the pages are swapped out again, and come back by the kernel's own items.
    let little = text(r#""latency": "5us""#, ALL, TOUCH)
        .replace(r#""memory_limit": "64MiB""#, r#""memory_limit": "8MiB""#)
        .replace(r#""passes": 1024"#, r#""passes": 2048"#);
    let result = outcome(&little);
    assert!(all(&result, "major_faults")[1] > 4500.0);
    assert_eq!(all(&result, "user_exits")[1], 4096.0);
    assert!(metric(&result, 1, "worker_threads_peak").unwrap() > 0.0);
}

#[test]
fn without_a_handler_the_policies_are_those_of_their_base() {
    let plain = text("", r#""apf-v6.15", "apf-user-exit", "apf-user-exitless""#, TOUCH)
        .replace(r#""stores": [{ "name": "image", "handler": {  } }]"#, r#""stores": []"#)
        .replace(r#", "store": "image""#, "");
    let result = outcome(&plain);
    let [base, exit, ring] = [0, 1, 2].map(|at| metric(&result, at, "completion_time"));
    assert!(base.is_some() && (base, base) == (exit, ring), "{base:?} {exit:?} {ring:?}");
}

#[test]
fn two_handlers_cannot_read_one_ring() {
    let two = text(r#""latency": "5us""#, r#""apf-user-exitless""#, TOUCH)
        .replace(r#""stores": ["#, r#""stores": [{ "name": "other", "handler": { "latency": "5us" } }, "#)
        .replace(r#""regions": ["#, r#""regions": [{ "name": "rest", "size": "4MiB", "content": "stored", "store": "other" }, "#);
    let error = Scenario::from_str("f", &two).unwrap_err().to_string();
    assert!(error.contains("one handler reads the ring of a vCPU"), "{error}");
    Scenario::from_str("f", &two.replace("exitless", "exit")).unwrap();
}

/// The handler's description for vCPU threads that bring pages themselves.
const OWN: &str = r#""plain_exits": "vcpu-thread""#;

#[test]
fn a_vcpu_thread_that_brings_its_page_itself_asks_nobody() {
    let by = |own: &str| format!(r#""latency": "50us"{own}"#);
    let asks = outcome(&text(&by(""), ALL, TOUCH));
    let own = outcome(&text(&by(&format!(", {OWN}")), ALL, TOUCH));
    assert_eq!(all(&own, "major_faults"), [4096.0; 3]);
    assert_eq!(all(&own, "user_waits"), [4096.0, 0.0, 0.0]);
    // No thread of the handler runs, and the ways to it and back are gone: one request, one wake-up, one reply.
    assert_eq!(metric(&own, 0, "handler_wakeups"), Some(0.0));
    let [asks, own] = [&asks, &own].map(|it| metric(it, 0, "fault_latency_p50").unwrap());
    assert!(own > 50e-6 && own + 5e-6 < asks, "{own} {asks}");
    // What goes asynchronous is the handler's as before.
    let [asks, own] = ["", ", \"plain_exits\": \"vcpu-thread\""].map(|own| {
        let result = outcome(&text(&by(own), r#""apf-user-exit", "apf-user-exitless""#, TOUCH));
        [0, 1].map(|policy| metric(&result, policy, "completion_time"))
    });
    assert_eq!(asks, own);
}

#[test]
fn who_brings_a_page_itself_reads_it_from_the_device_of_its_store() {
    let device = r#""device": { "kind": "constant", "read_latency": "80us", "write_latency": "80us" }, "handler": {"#;
    let text = text(OWN, r#""sync-user-exit""#, TOUCH).replace(r#""handler": {"#, device);
    let result = outcome(&text);
    assert_eq!(metric(&result, 0, "major_faults"), Some(4096.0));
    assert_eq!(metric(&result, 0, "swap_reads_pages"), Some(4096.0));
    let latency = metric(&result, 0, "fault_latency_p50").unwrap();
    assert!((80e-6..95e-6).contains(&latency), "{latency}");
    let around = text.replace(OWN, &format!(r#"{OWN}, "around": "64KiB""#));
    let majors = metric(&outcome(&around), 0, "major_faults").unwrap();
    assert!((256.0..=512.0).contains(&majors), "{majors}");
}

#[test]
fn several_vcpus_that_miss_one_page_each_bring_it() {
    let handler = format!(r#""latency": "50us", {OWN}"#);
    let result = outcome(&text(&handler, r#""sync-user-exit""#, SHARED));
    let [exits, majors] = ["user_exits", "major_faults"].map(|it| metric(&result, 0, it).unwrap());
    assert!(exits > majors + 100.0 && majors <= 1024.0, "{exits} {majors}");
}

#[test]
fn a_handler_on_a_processor_of_its_own_makes_no_difference_to_who_brings_pages_himself() {
    let alone = format!(r#""latency": "5us", {OWN}"#);
    let pinned =
        format!(r#""latency": "5us", {OWN}, "cpus": [3], "process": "other", "readers": 3"#);
    let [alone, pinned] = [alone, pinned]
        .map(|it| metric(&outcome(&text(&it, r#""sync-user-exit""#, TOUCH)), 0, "completion_time"));
    assert!(alone.is_some() && alone == pinned, "{alone:?} {pinned:?}");
}

#[test]
fn ways_to_install_a_page_differ_in_what_they_cost_and_in_whose_frame_it_is() {
    let policies = r#""sync", "apf-v6.12", "sync-user-exit""#;
    // One task, one fault after the other.
    let each = |install: &str| {
        let handler = format!(r#""latency": "50us", "installers": 0, "install": "{install}""#);
        let text = text(&handler, policies, TOUCH)
            .replace(r#""count": 4, "passes": 1024"#, r#""passes": 4096"#);
        let result = outcome(&text);
        assert_eq!(all(&result, "major_faults"), [4096.0; 3], "{install}");
        all(&result, "completion_time").map(|time| time / 4096.0)
    };
    let [copy, cont, stores, zeros] = ["copy", "continue", "stores", "zeropage"].map(each);
    // 3840 and 2625 cycles of 2.7 GHz; `write` takes 1.7 us, the entry and the bit 1.07 us.
    for (policy, saves) in [(0, 450e-9), (2, 628e-9)] {
        let saved = copy[policy] - cont[policy];
        assert!((saved - saves).abs() < 60e-9, "{policy}: {saved}");
    }
    // Stores come before the entry over userfaultfd, and in its place after an exit.
    assert!((stores[0] - cont[0] - 3.33e-6).abs() < 60e-9, "{stores:?} {cont:?}");
    assert!((stores[2] - cont[2] - 3.33e-6 + 972e-9).abs() < 60e-9, "{stores:?} {cont:?}");
    // A page of zeros is cleared by who touches it.
    assert!((zeros[0] - cont[0] - 450e-9).abs() < 60e-9, "{zeros:?} {cont:?}");
}

#[test]
fn a_page_of_zeros_takes_a_frame_when_it_is_touched() {
    // 4096 pages are brought ahead into half as many frames, and a quarter of them is touched.
    let ahead = |install: &str| {
        let handler = format!(
            r#""latency": "1us", "install": "{install}", "prefetch": {{ "before_start": true }}"#
        );
        let text = text(&handler, r#""sync""#, TOUCH)
            .replace(r#""memory_limit": "64MiB""#, r#""memory_limit": "8MiB""#)
            .replace(r#""passes": 1024"#, r#""passes": 256"#);
        let result = outcome(&text);
        ["swap_writes_pages", "major_faults"].map(|it| metric(&result, 0, it).unwrap())
    };
    let [zeros, copies] = ["zeropage", "copy"].map(ahead);
    assert_eq!(zeros, [0.0; 2]);
    assert!(copies[0] > 1000.0, "{copies:?}");
}
