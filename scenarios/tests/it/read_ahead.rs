//! Windows of read-ahead, and who waits for what they read.

use crate::kit::outcome;

/// A guest that reads swapped pages on a host of 6.1, whose windows follow their success.
fn text(pattern: &str) -> String {
    format!(
        r#"{{ "format": 1, "name": "windows", "title": "Who waits for a window of one page?",
  "host": {{ "cpu": "skylake-sp", "cpus": 2, "memory_limit": "16MiB", "kernel": "linux-6.1",
    "swap": {{ "size": "512MiB", "device": {{ "kind": "constant", "read_latency": "100us", "write_latency": "20us" }} }} }},
  "guest": {{ "kernel": "linux-6.12", "vcpus": 1, "memory": "256MiB" }},
  "workload": {{ "regions": [{{ "name": "heap", "size": "128MiB", "prefill": true }}],
    "tasks": [{{ "name": "app", "role": "faulter", "count": 2,
      "program": [{{ "op": "access", "region": "heap", "pattern": "{pattern}", "cost": "1us" }}] }}] }},
  "policies": ["apf-6.1", "apf-6.12"], "baseline": "apf-6.1", "duration": "200ms", "warmup": "100ms", "replications": 1,
  "expect": ["invariants clean"] }}"#
    )
}

/// Shares of faults that were asynchronous, by policy, and pages that a request of the first one read.
fn measured(pattern: &str) -> (Vec<f64>, f64) {
    let result = outcome(&text(pattern));
    let of = |at: usize, name: &str| {
        let metrics = &result.policies[at].metrics;
        metrics.iter().find(|metric| metric.name == name).unwrap().mean
    };
    let shares = (0..2).map(|at| of(at, "async_faults") / of(at, "major_faults")).collect();
    (shares, of(0, "swap_reads_pages") / of(0, "swap_read_requests"))
}

#[test]
fn hosts_from_5_0_to_6_5_wait_for_a_window_of_one_page() {
    let (shares, pages) = measured("uniform");
    assert!(pages < 1.2, "{pages} pages a request");
    assert!(shares[0] < 0.2 && shares[1] > 0.9, "{shares:?}");
    // Where read-ahead helps, the windows are larger, and nobody waits for them in the lookup.
    let (shares, pages) = measured("sequential");
    assert!(pages > 4.0, "{pages} pages a request");
    assert!(shares[0] > 0.9 && shares[1] > 0.9, "{shares:?}");
}
