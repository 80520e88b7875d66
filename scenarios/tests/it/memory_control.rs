//! Who controls the host's memory during a run: what the library's scenarios say of it.

use scenarios::{Comparison, RunOptions, Scenario, run_comparison};

/// A shipped scenario with other times.
fn outcome(name: &str, times: &[(&str, &str)]) -> Comparison {
    let text = scenarios::scenario::library::find(name).unwrap().text;
    let edit = |text: String, (from, to): &(&str, &str)| {
        assert!(text.contains(from), "no {from}");
        text.replace(from, to)
    };
    let text = text.split("  \"expect\"").next().unwrap_or_default();
    let text = format!("{}\n}}", text.trim_end().trim_end_matches(','));
    let scenario = Scenario::from_str(name, &times.iter().fold(text, edit)).unwrap();
    let comparison = run_comparison(&scenario, &RunOptions::default(), &|_| {}).unwrap();
    assert!(!comparison.has_violation());
    comparison
}

fn metric(comparison: &Comparison, policy: &str, name: &str) -> f64 {
    comparison.policy(policy).unwrap().metric(name).unwrap().mean
}

/// Only what is measured from the write on, for as long as it takes: every vCPU is in the host, whatever
/// the policy. Measured behind that, asynchronous faults gain.
#[test]
fn nothing_of_a_shrinking_limit_is_hidden_but_what_follows_is() {
    let times =
        |duration| [("\"warmup\": \"50ms\"", "\"warmup\": \"100ms\""), ("\"400ms\"", duration)];
    let shrinking = outcome("shrinking-limit", &times("\"18ms\""));
    for policy in ["sync", "halt-v6.12", "apf-v6.12"] {
        assert!(metric(&shrinking, policy, "cpu_share_host") > 0.5, "{policy}");
        assert!(metric(&shrinking, policy, "major_faults") < 10.0, "{policy}");
        assert!(metric(&shrinking, policy, "reclaimed_by_vcpus") > 2000.0, "{policy}");
    }
    let work = |of: &Comparison, policy: &str| metric(of, policy, "work_total");
    let during = work(&shrinking, "apf-v6.12") / work(&shrinking, "sync");
    let whole = outcome("shrinking-limit", &times("\"300ms\""));
    let all = work(&whole, "apf-v6.12") / work(&whole, "sync");
    assert!(during < 1.2 && all > 1.25, "{during} {all}");
}
