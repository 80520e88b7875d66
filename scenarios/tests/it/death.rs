//! Handlers that die, are replaced, or go with their descriptors.

use scenarios::{Comparison, Scenario};

use crate::kit::outcome;

/// A guest of two vCPUs and four tasks, with 16 MiB of memory that a handler brings.
fn text(handler: &str, disturbances: &str) -> String {
    format!(
        r#"{{ "format": 1, "name": "death", "title": "What becomes of the guest?",
  "host": {{ "cpu": "skylake-sp", "cpus": 4, "memory_limit": "64MiB", "kernel": "linux-6.12",
    "swap": {{ "device": {{ "kind": "constant", "read_latency": "40us", "write_latency": "40us" }} }},
    "stores": [{{ "name": "image", {handler} }}] }},
  "guest": {{ "kernel": "linux-6.12", "vcpus": 2, "memory": "64MiB" }},
  "workload": {{ "regions": [{{ "name": "heap", "size": "16MiB", "content": "stored", "store": "image" }}],
    "tasks": [{{ "name": "app", "role": "faulter", "count": 4, "passes": 1024,
      "program": [{{ "op": "access", "region": "heap", "pattern": "sequential", "write": true, "cost": "100ns" }}] }}] }},
  "policies": ["sync", "apf-v6.12"], "duration": "400ms", "replications": 1,
  "disturbances": [{disturbances}],
  "expect": ["invariants clean"] }}"#
    )
}

const DIES: &str = r#"{ "at": "20ms", "kind": "handler_dies" }"#;
const RESTARTS: &str = r#"{ "at": "70ms", "kind": "handler_restarts" }"#;
const CLOSES: &str = r#"{ "at": "20ms", "kind": "descriptor_closes" }"#;
const QUICK: &str = r#""handler": { "latency": "20us" }"#;

/// A metric under both policies.
fn metric(comparison: &Comparison, name: &str) -> [Option<f64>; 2] {
    [0, 1].map(|at| {
        let metrics = &comparison.policies[at].metrics;
        metrics.iter().find(|metric| metric.name == name).map(|metric| metric.mean)
    })
}

fn notes(comparison: &Comparison) -> Vec<&'static str> {
    comparison.notes.iter().map(|note| note.kind.name()).collect()
}

#[test]
fn who_misses_a_page_of_a_dead_handler_sleeps_and_a_note_says_so() {
    let result = outcome(&text(QUICK, DIES));
    for (name, lived) in [("major_faults", 4096.0), ("completion_time", 0.4)] {
        for value in metric(&result, name) {
            assert!(value.is_none_or(|value| value < lived), "{name}: {value:?}");
        }
    }
    assert_eq!(metric(&result, "lost_pages"), [None; 2]);
    assert!(notes(&result).contains(&"handler-died"), "{:?}", notes(&result));
}

#[test]
fn another_handler_brings_what_is_left() {
    for handler in [
        QUICK,
        r#""handler": { "latency": "20us", "installers": 0, "readers": 2 }"#,
        r#""device": { "kind": "constant", "read_latency": "80us", "write_latency": "80us" }, "handler": { "installers": 2 }"#,
        r#""device": { "kind": "constant", "read_latency": "80us", "write_latency": "80us" }, "handler": { "installers": 0, "around": "16KiB" }"#,
    ] {
        let lives = outcome(&text(handler, ""));
        let both = outcome(&text(handler, &format!("{DIES}, {RESTARTS}")));
        assert!(!notes(&both).contains(&"handler-died"));
        assert_eq!(metric(&both, "lost_pages"), [None; 2]);
        assert_eq!(metric(&both, "major_faults"), metric(&lives, "major_faults"), "{handler}");
        let [lives, both] = [&lives, &both].map(|it| metric(it, "completion_time"));
        for (lives, both) in lives.into_iter().zip(both) {
            let lost = both.unwrap() - lives.unwrap();
            assert!((0.045..0.057).contains(&lost), "{handler}: {lost}");
        }
    }
}

#[test]
fn without_a_descriptor_the_guest_goes_on_with_zeros() {
    let result = outcome(&text(QUICK, CLOSES));
    let [lost, faults, end] = ["lost_pages", "major_faults", "completion_time"]
        .map(|name| metric(&result, name).map(Option::unwrap));
    for at in [0, 1] {
        // Whoever slept then has had a major fault, and gets a page of zeros.
        let both = lost[at] + faults[at];
        assert!((4096.0..4104.0).contains(&both) && lost[at] > 100.0, "{lost:?} {faults:?}");
        assert!((0.02..0.05).contains(&end[at]), "{end:?}");
    }
    assert!(notes(&result).contains(&"pages-lost"), "{:?}", notes(&result));
    // The page cache of shared memory has what a handler only continues, and zeros are no loss.
    for install in ["continue", "zeropage"] {
        let handler = QUICK.replace("20us\"", &format!("20us\", \"install\": \"{install}\""));
        let result = outcome(&text(&handler, CLOSES));
        assert_eq!(metric(&result, "lost_pages"), [None; 2], "{install}");
        assert!(metric(&result, "completion_time").iter().all(Option::is_some), "{install}");
    }
}

#[test]
fn nothing_restarts_without_a_descriptor_and_a_second_death_is_none() {
    let once = outcome(&text(QUICK, CLOSES));
    let again =
        r#"{ "at": "30ms", "kind": "handler_dies" }, { "at": "35ms", "kind": "handler_restarts" }"#;
    let often = outcome(&text(QUICK, &format!("{CLOSES}, {again}")));
    for name in ["completion_time", "lost_pages", "major_faults"] {
        assert_eq!(metric(&once, name), metric(&often, name), "{name}");
    }
}

#[test]
fn what_is_wrong_with_a_death_is_said_at_its_place() {
    let error = |text: &str| Scenario::from_str("f", text).unwrap_err().to_string();
    let good = text(QUICK, DIES);
    Scenario::from_str("f", &good).unwrap();
    let with = |from: &str, to: &str| error(&good.replace(from, to));
    assert!(with(r#""20ms","#, r#""20ms", "vcpu": 0,"#).contains("happens to no vCPU"));
    assert!(with(r#""apf-v6.12""#, r#""apf-user-exit""#).contains("explored only"));
    let none = with(&format!(", {QUICK}"), "");
    assert!(none.contains("no handler brings pages"), "{none}");
}
