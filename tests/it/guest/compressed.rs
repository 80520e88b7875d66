//! Compressed swap and cloud volumes: scenarios of the library answer as their heads say, and a guest
//! that was measured on zram has the measured work and faults.

#![expect(
    clippy::print_stdout,
    reason = "errors beside measured rows are what a run with --nocapture is for"
)]

use scenarios::{Comparison, RunOptions, Scenario, run_comparison};

fn compare(name: &str) -> Comparison {
    let scenario = Scenario::load(name).unwrap();
    let options = RunOptions { jobs: 2, ..RunOptions::default() };
    let comparison = run_comparison(&scenario, &options, &|_| {}).unwrap();
    assert!(!comparison.has_violation(), "{name}");
    comparison
}

fn metric(comparison: &Comparison, policy: &str, name: &str) -> f64 {
    let metrics = &comparison.policy(policy).unwrap().metrics;
    metrics.iter().find(|metric| metric.name == name).unwrap().mean
}

/// Work within 6 %, faults within 12 %: from lengths of kernel paths, nothing fitted.
#[test]
fn a_guest_on_zram_has_the_measured_work_and_faults() {
    let row = compare("lab-zram-lz4-4f4w");
    for published in &row.published {
        let simulated = metric(&row, &published.policy, &published.metric);
        let miss = simulated / published.mean - 1.0;
        let limit = if published.metric == "work_total" { 0.06 } else { 0.12 };
        let about = (&published.policy, &published.metric);
        println!("{about:?}: {simulated:.0}, {:+.1} %", miss * 100.0);
        assert!(miss.abs() < limit, "{about:?}: {simulated}, {miss:+.3}");
    }
    assert_eq!(metric(&row, "apf-v6.12", "async_faults"), 0.0);
}

#[test]
fn nothing_is_gained_on_zram() {
    let row = compare("zram-laptop");
    let work = |policy| metric(&row, policy, "work_total");
    assert_eq!(metric(&row, "apf-v6.12", "async_faults"), 0.0);
    assert!((0.98..1.02).contains(&(work("apf-v6.12") / work("sync"))));
    assert!(metric(&row, "apf-v6.12", "major_faults") > 1000.0);
    assert!(metric(&row, "apf-v6.12", "cpu_share_compression") > 0.01);
}

#[test]
fn work_is_gained_on_a_cloud_volume() {
    let row = compare("cloud-volume");
    let ratio = |name| metric(&row, "apf-v6.12", name) / metric(&row, "sync", name);
    assert!(ratio("work_total") > 1.3, "{}", ratio("work_total"));
    assert!(ratio("major_faults") > 1.0, "{}", ratio("major_faults"));
}
