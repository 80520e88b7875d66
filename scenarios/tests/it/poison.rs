//! Stores that do not give all of their pages: what is said of it, and what is refused.

use scenarios::Scenario;

use crate::kit::outcome;

/// Virtual machines of two vCPUs each, which touch 16 MiB that a handler brings.
fn text(handler: &str, vms: &str) -> String {
    let limit = if vms.is_empty() { "64MiB" } else { "128MiB" };
    let text = format!(
        r#"{{ "format": 1, "name": "poison", "title": "What becomes of the guest?",
  "host": {{ "cpu": "skylake-sp", "cpus": 4, "memory_limit": "LIMIT", "kernel": "linux-6.12",
    "swap": {{ "device": {{ "kind": "constant", "read_latency": "40us", "write_latency": "40us" }} }},
    "stores": [{{ "name": "image", "handler": {{ "latency": "20us" {handler} }} }}] }},
  "guest": {{ "kernel": "linux-6.12", "vcpus": 2, "memory": "64MiB" }},
  "workload": {{ "regions": [{{ "name": "heap", "size": "16MiB", "content": "stored", "store": "image" }}],
    "tasks": [{{ "name": "app", "role": "faulter", "count": 2, "passes": 2048,
      "program": [{{ "op": "access", "region": "heap", "pattern": "sequential", "write": true, "cost": "100ns" }}] }}] }},
  "policies": ["sync", "apf-v6.12"], "duration": "200ms", "replications": 1 {vms},
  "expect": ["invariants clean"] }}"#
    );
    text.replace("LIMIT", limit)
}

const BAD: &str = r#", "poison": [{ "region": "heap", "first": 1000 }]"#;

fn metric(result: &scenarios::Comparison, name: &str) -> [Option<f64>; 2] {
    [0, 1].map(|at| {
        let metrics = &result.policies[at].metrics;
        metrics.iter().find(|metric| metric.name == name).map(|metric| metric.mean)
    })
}

#[test]
fn a_vmm_that_ends_is_said_in_a_note_and_a_metric() {
    let well = outcome(&text("", ""));
    let ends = outcome(&text(BAD, ""));
    assert!(metric(&well, "completion_time").iter().all(Option::is_some));
    for name in ["poisoned_pages", "vmm_lifetime"] {
        assert_eq!(metric(&well, name), [None; 2], "{name}");
    }
    assert_eq!(metric(&ends, "completion_time"), [None; 2]);
    assert_eq!(metric(&ends, "poisoned_pages"), [Some(1.0); 2]);
    // A thousand pages of at least 20 us each.
    for lived in metric(&ends, "vmm_lifetime").map(Option::unwrap) {
        assert!((0.02..0.08).contains(&lived), "{lived}");
    }
    let notes = ends.notes.iter().filter(|note| note.kind.name() == "vmm-ended").count();
    assert_eq!(notes, 2);
    assert!(ends.notes.iter().any(|note| note.text.contains("SIGBUS at a poisoned page")));
}

#[test]
fn another_virtual_machine_goes_on() {
    let vms = r#", "vms": [{ "name": "bad" }, { "name": "good", "workload": {
        "regions": [{ "name": "heap", "size": "8MiB" }], "tasks": [{ "name": "app", "role": "worker", "count": 1,
          "program": [{ "op": "count", "per_second": 1000000 }] }] } }]"#;
    let result = outcome(&text(BAD, vms));
    assert_eq!(metric(&result, "vmm_lifetime[bad]").iter().flatten().count(), 2);
    assert_eq!(metric(&result, "vmm_lifetime[good]"), [None; 2]);
    let alone = outcome(&text("", vms));
    for (one, other) in
        metric(&result, "work_total[good]").into_iter().zip(metric(&alone, "work_total[good]"))
    {
        // It has the processors for itself from then on.
        assert!(one.unwrap() >= other.unwrap() && other.unwrap() > 0.0);
    }
}

#[test]
fn what_no_kernel_and_no_policy_has_is_refused_at_its_place() {
    let good = text(BAD, "");
    Scenario::from_str("f", &good).unwrap();
    let error = |from: &str, to: &str| {
        Scenario::from_str("f", &good.replace(from, to)).unwrap_err().to_string()
    };
    let old = error(r#""64MiB", "kernel": "linux-6.12""#, r#""64MiB", "kernel": "linux-6.1""#);
    assert!(old.contains("has no UFFDIO_POISON") && old.contains("linux-6.6"), "{old}");
    let answers = error(r#""apf-v6.12""#, r#""apf-user-exit""#);
    assert!(answers.contains("has no UFFDIO_POISON"), "{answers}");
    let beyond = error("1000", "4096");
    assert!(beyond.contains("the region `heap` has 4096 pages"), "{beyond}");
}

#[test]
fn a_balloon_beside_a_handler_is_refused_where_memory_is_shared_and_where_the_vmm_answers() {
    let with = |handler: &str| {
        let balloon = r#""memory": "64MiB", "balloon": { "free_page_reporting": {} } }"#;
        text(handler, "").replace(r#""memory": "64MiB" }"#, balloon)
    };
    let error = |text: &str| Scenario::from_str("f", text).unwrap_err().to_string();
    Scenario::from_str("f", &with("")).unwrap();
    Scenario::from_str("f", &with(r#", "install": "zeropage", "remove_events": false"#)).unwrap();
    for install in ["continue", "stores"] {
        let shared = error(&with(&format!(r#", "install": "{install}""#)));
        assert!(shared.contains("shared memory that a handler brings"), "{shared}");
    }
    let answers = error(&with("").replace(r#""apf-v6.12""#, r#""apf-user-exit""#));
    assert!(answers.contains("that a balloon has given back is not modelled"), "{answers}");
}
