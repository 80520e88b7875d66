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
    assert!(quick > 0.2 && slow == 0.0, "{quick} {slow}");
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
