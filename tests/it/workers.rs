//! Who brings the page of a fault, chosen by a scenario file alone: custom policies and the host's
//! kernel.

use scenarios::{Comparison, RunOptions, Scenario, run_comparison};

/// Forty tasks that fault all the time, and one that counts, on one vCPU.
fn compared(kernel: &str, cpus: u32, policies: &str) -> Comparison {
    let text = format!(
        r#"{{
  "format": 1, "name": "workers", "title": "Who brings the page?",
  "host": {{
    "cpu": "skylake-sp", "cpus": {cpus}, "memory_limit": "28MiB", "kernel": {kernel},
    "swap": {{
      "device": {{ "kind": "constant", "read_latency": "2ms", "write_latency": "20us" }},
      "read_ahead": 1
    }}
  }},
  "guest": {{ "kernel": "linux-6.12", "vcpus": 1, "memory": "64MiB" }},
  "workload": {{
    "regions": [{{ "name": "array", "size": "48MiB", "prefill": true }}],
    "tasks": [
      {{ "name": "faulter", "role": "faulter", "count": 40, "program": [
        {{ "op": "access", "region": "array", "pattern": "uniform", "write": true, "cost": "1us" }}
      ] }},
      {{ "name": "worker", "role": "worker", "program": [{{ "op": "count", "per_second": 1000000 }}] }}
    ]
  }},
  "policies": [{policies}],
  "duration": "200ms", "warmup": "20ms",
  "expect": ["invariants clean"]
}}"#
    );
    let scenario = Scenario::from_str("workers.json", &text).unwrap();
    let comparison = run_comparison(&scenario, &RunOptions::default(), &|_| {}).unwrap();
    assert!(!comparison.has_violation());
    comparison
}

fn policy(name: &str, base: &str, set: &[(&str, &str)]) -> String {
    let set: Vec<String> =
        set.iter().map(|(name, value)| format!(r#""{name}": "{value}""#)).collect();
    format!(r#"{{ "name": "{name}", "base": "{base}", "set": {{ {} }} }}"#, set.join(", "))
}

fn mean(comparison: &Comparison, policy: &str, metric: &str) -> f64 {
    let metrics = &comparison.policy(policy).unwrap().metrics;
    metrics.iter().find(|m| m.name == metric).unwrap().mean
}

const WORKERS: [&str; 4] = ["four-threads", "workqueue", "thread-per-fault", "native-io"];

#[test]
fn a_scenario_chooses_how_many_threads_there_are() {
    let policies = WORKERS.map(|workers| policy(workers, "v6.12", &[("workers", workers)]));
    let kernel = r#"{ "slow_work_threads": 3, "workqueue_max_active": 11 }"#;
    let row = compared(kernel, 1, &policies.join(", "));
    let threads = WORKERS.map(|workers| mean(&row, workers, "worker_threads_peak"));
    assert_eq!(threads[..2], [3.0, 11.0]);
    assert!(threads[2] > 25.0, "{threads:?}");
    assert_eq!(threads[3], 0.0);
    for workers in WORKERS {
        assert!(mean(&row, workers, "async_faults") > 500.0, "{workers}");
        assert_eq!(mean(&row, workers, "sync_faults"), 0.0, "{workers}");
    }
    // A thread for each fault is made for it, which the vCPU thread pays.
    let lost = WORKERS.map(|workers| mean(&row, workers, "lost_time_per_fault"));
    assert!(lost[2] > lost[1] + 5e-6 && lost[3] < lost[1], "{lost:?}");
}

/// Where workers start the reads, a small pool is all that the device sees.
#[test]
fn a_scenario_chooses_who_starts_the_read() {
    let policies = [
        policy("pool-reads", "v6.12", &[("workers", "four-threads"), ("first_lookup", "no-io")]),
        policy("pool-waits", "v6.12", &[("workers", "four-threads")]),
        policy("queue-reads", "v6.12", &[("first_lookup", "no-io")]),
        policy("vcpu-waits", "v6.12", &[("first_lookup", "waits-without-read-ahead")]),
    ];
    let row = compared("{}", 4, &policies.join(", "));
    let faults = |policy| mean(&row, policy, "major_faults");
    // Four reads of 2 ms at a time, in 200 ms.
    assert!(faults("pool-reads") <= 405.0, "{}", faults("pool-reads"));
    assert!(faults("pool-waits") > 3.0 * faults("pool-reads"), "{}", faults("pool-waits"));
    assert!(faults("queue-reads") > 3.0 * faults("pool-reads"), "{}", faults("queue-reads"));
    // One read at a time, by the vCPU thread.
    assert!(faults("vcpu-waits") <= 101.0, "{}", faults("vcpu-waits"));
    assert_eq!(mean(&row, "vcpu-waits", "worker_threads_peak"), 0.0);
}

/// A worker that polls for its read does not sleep, so that its pool starts no other one.
#[test]
fn a_scenario_chooses_how_a_read_is_waited_for() {
    let policies = policy("worker-reads", "v6.12", &[("first_lookup", "no-io")]);
    let faults = |kernel| mean(&compared(kernel, 1, &policies), "worker-reads", "major_faults");
    let (sleeping, polling) = (faults("{}"), faults(r#"{ "polled_reads": true }"#));
    assert!(polling < 0.3 * sleeping, "{polling} {sleeping}");
}
