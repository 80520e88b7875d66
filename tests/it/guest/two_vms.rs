//! Several virtual machines: two that were measured, and what the library's scenario of neighbours says.

#![expect(
    clippy::print_stdout,
    reason = "errors beside measured rows are what a run with --nocapture is for"
)]

use scenarios::{
    Comparison, MetricSummary, RunOptions, Scenario, ScenarioOverrides, run_comparison,
};
use sim_core::PairedDifferences;

fn compare(name: &str, replications: u32) -> Comparison {
    let replications = Some(replications);
    let overrides = ScenarioOverrides { replications, ..ScenarioOverrides::default() };
    let scenario = Scenario::load(name).unwrap().with_overrides(&overrides).unwrap();
    let options = RunOptions { jobs: 2, ..RunOptions::default() };
    let comparison = run_comparison(&scenario, &options, &|_| {}).unwrap();
    assert!(!comparison.has_violation(), "{name}");
    comparison
}

fn metric<'a>(comparison: &'a Comparison, policy: &str, name: &str) -> &'a MetricSummary {
    comparison.policy(policy).unwrap().metric(name).unwrap_or_else(|| panic!("{name}"))
}

/// Work within 6 % and faults within 12 % of what both guests did together, by the costs of the machine's
/// other rows; shares of time within 6 points. The guests of one measured run under `sync` differ by 10 % themselves.
#[test]
fn two_guests_on_one_processor_do_what_was_measured() {
    let row = compare("lab-two-vms", 4);
    let whole =
        |name: &str| name.trim_end_matches("[guest-2]").trim_end_matches("[guest-1]").to_owned();
    let mut sums = std::collections::BTreeMap::new();
    for published in &row.published {
        let simulated = metric(&row, &published.policy, &published.metric).mean;
        let key = (published.policy.clone(), whole(&published.metric));
        let (measured, sum) = sums.entry(key).or_insert((0.0, 0.0));
        (*measured, *sum) = (*measured + published.mean, *sum + simulated);
    }
    for (about, (measured, simulated)) in sums {
        let (miss, limit) = match about.1.as_str() {
            "work_total" => (simulated / measured - 1.0, 0.06),
            "major_faults" => (simulated / measured - 1.0, 0.12),
            _ => (simulated - measured, 0.06),
        };
        println!("{about:?}: {simulated:.3} of {measured:.3}, {:+.1} %", miss * 100.0);
        assert!(miss.abs() < limit, "{about:?}: {simulated} of {measured}");
    }
}

/// What equal guests get differs by no more than chance: the interval of the paired differences holds zero.
#[test]
fn two_equal_guests_get_equal_service() {
    let row = compare("lab-two-vms", 16);
    for policy in ["sync", "apf-v6.12"] {
        for name in ["work_total", "major_faults", "fault_latency_mean", "steal_seen"] {
            let of = |vm: u32| metric(&row, policy, &format!("{name}[guest-{vm}]"));
            let (one, other) = (of(1), of(2));
            let pairs = PairedDifferences::of(&one.values, &other.values);
            let difference = pairs.estimate().unwrap();
            let (low, high) = difference.ci95.unwrap();
            // One in twenty intervals misses; none by much.
            let slack = 0.01 * one.mean;
            let holds = low - slack <= 0.0 && 0.0 <= high + slack;
            assert!(holds, "{policy}, {name}: {difference:?} of {}", one.mean);
        }
    }
}
