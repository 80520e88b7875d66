//! Compressed swap and cloud volumes: scenarios of the library answer as their heads say, and a guest
//! that was measured on zram has the measured work and faults.

#![expect(
    clippy::print_stdout,
    reason = "errors beside measured rows are what a run with --nocapture is for"
)]

use scenarios::scenario::library;
use scenarios::{Comparison, RunOptions, Scenario, run_comparison};

fn compare(name: &str) -> Comparison {
    run_of(&Scenario::load(name).unwrap())
}

fn run_of(scenario: &Scenario) -> Comparison {
    let options = RunOptions { jobs: 2, ..RunOptions::default() };
    let comparison = run_comparison(scenario, &options, &|_| {}).unwrap();
    assert!(!comparison.has_violation(), "{}", scenario.name);
    comparison
}

fn metric(comparison: &Comparison, policy: &str, name: &str) -> f64 {
    let metrics = &comparison.policy(policy).unwrap().metrics;
    metrics.iter().find(|metric| metric.name == name).unwrap().mean
}

/// Work within 6 %, and faults as near as said: from lengths of kernel paths, nothing fitted.
fn as_measured(name: &str, faults: f64) {
    let row = compare(name);
    for published in &row.published {
        let simulated = metric(&row, &published.policy, &published.metric);
        let miss = simulated / published.mean - 1.0;
        let limit = if published.metric == "work_total" { 0.06 } else { faults };
        let about = (&published.policy, &published.metric);
        println!("{about:?}: {simulated:.0}, {:+.1} %", miss * 100.0);
        assert!(miss.abs() < limit, "{about:?}: {simulated}, {miss:+.3}");
    }
    assert_eq!(metric(&row, "apf-v6.12", "async_faults"), 0.0);
}

#[test]
fn a_guest_on_zram_has_the_measured_work_and_faults() {
    as_measured("lab-zram-lz4-4f4w", 0.06);
}

#[test]
fn a_guest_behind_zswap_has_the_measured_work_and_faults() {
    as_measured("lab-zswap-lzo-4f4w", 0.19);
}

/// The smaller the pool, the more faults are those of the device, and the more is gained.
#[test]
fn a_pool_before_a_device_leaves_less_to_gain() {
    let [small, middle, large] = ["1MiB", "8MiB", "40MiB"].map(|most| {
        let text = library::find("zswap-before-nvme").unwrap().text;
        let with = text.replace("\"48MiB\"", "\"72MiB\"");
        let with = with.replace("\"max_pool\": \"8MiB\"", &format!("\"max_pool\": \"{most}\""));
        let row = run_of(&Scenario::from_str("f", &with).unwrap());
        let of = |name| metric(&row, "apf-v6.12", name);
        println!("{most}: {} of {} faults asynchronous", of("async_faults"), of("major_faults"));
        let gain = of("work_total") / metric(&row, "sync", "work_total");
        (of("async_faults") / of("major_faults"), gain)
    });
    assert!(small.0 > middle.0 && middle.0 > large.0, "{small:?} {middle:?} {large:?}");
    assert!(small.1 > 1.2 && middle.1 > 1.2, "{small:?} {middle:?}");
    assert!((0.97..1.03).contains(&large.1), "{large:?}");
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

/// Memory that a thread copies from itself leaves nothing to gain; the same guest on a device that makes it wait
/// does gain.
#[test]
fn nothing_is_gained_on_cxl_memory() {
    let row = compare("cxl-swap");
    let gain = |row: &Comparison| {
        metric(row, "apf-v6.12", "work_total") / metric(row, "sync", "work_total")
    };
    assert_eq!(metric(&row, "apf-v6.12", "async_faults"), 0.0);
    assert!((0.98..1.02).contains(&gain(&row)), "{}", gain(&row));
    assert!(metric(&row, "apf-v6.12", "major_faults") > 1000.0);
    let text = library::find("cxl-swap").unwrap().text.replace("cxl-dram", "nvme-tlc-gen3");
    let flash = run_of(&Scenario::from_str("f", &text).unwrap());
    assert!(gain(&flash) > 1.1, "{}", gain(&flash));
}

#[test]
fn work_is_gained_on_a_cloud_volume() {
    let row = compare("cloud-volume");
    let ratio = |name| metric(&row, "apf-v6.12", name) / metric(&row, "sync", name);
    assert!(ratio("work_total") > 1.3, "{}", ratio("work_total"));
    assert!(ratio("major_faults") > 1.0, "{}", ratio("major_faults"));
}
