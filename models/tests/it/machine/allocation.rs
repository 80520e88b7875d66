//! Items that find no memory.

use std::collections::BTreeSet;

use super::kit::{assert_clean, constant, crowded, for_time, ms, named, simulate_policy, us};
use models::base::ids::Gfn;
use models::base::record::{Event, FaultPath};
use models::config::MachineConfig;
use models::machine::{RunOutput, RunSettings};

fn machine(ppm: u32) -> MachineConfig {
    let mut config = crowded("skylake-sp", constant(us(500)));
    config.host.allocation_failure_ppm = ppm;
    config
}

fn run(ppm: u32, policy: &str) -> RunOutput {
    let settings = RunSettings { keep_records: true, ..for_time(ms(100)) };
    let output = simulate_policy(&machine(ppm), &named(policy), &settings);
    assert_clean(&output);
    output
}

fn count(output: &RunOutput, name: &str) -> f64 {
    output.metrics.get(name).unwrap()
}

#[test]
fn faults_are_synchronous_as_often_as_allocation_fails() {
    for policy in ["apf-v5-2010", "apf-v7-2010", "apf-v6.19"] {
        for (ppm, expected) in [(0, 0.0), (100_000, 0.1), (500_000, 0.5), (1_000_000, 1.0)] {
            let output = run(ppm, policy);
            let (sync, all) = (count(&output, "sync_faults"), count(&output, "major_faults"));
            let share = sync / all;
            // Four standard deviations of a binomial share.
            let spread = 4.0 * (expected * (1.0 - expected) / all).sqrt();
            assert!((share - expected).abs() <= spread, "{policy}, {ppm} ppm: {share}");
        }
    }
}

/// The first faults that fall back, by frame.
fn fallbacks(output: &RunOutput) -> BTreeSet<Gfn> {
    let sync = output.records.iter().flatten().filter_map(|record| match record.event {
        Event::MajorFaultBegin { gfn, path: FaultPath::Sync, .. } => Some(gfn),
        _ => None,
    });
    sync.collect()
}

/// Failures are drawn by what they are for: most pages that fail under one policy and are touched
/// under the other fail there too.
#[test]
fn policies_meet_the_same_failures() {
    let (one, other) = (run(20_000, "apf-v7-2010"), run(20_000, "apf-v5-2010"));
    let (one, other) = (fallbacks(&one), fallbacks(&other));
    let common = one.intersection(&other).count();
    // By chance it would be one page in fifty.
    assert!(common * 5 > one.len(), "{common} of {} and {}", one.len(), other.len());
}

/// Where nothing fails nothing is drawn, and the field changes no digest.
#[test]
fn a_rate_of_zero_costs_nothing() {
    assert_ne!(run(0, "apf-v7-2010").digest, run(1_000, "apf-v7-2010").digest);
    assert_eq!(run(0, "sync").digest, run(500_000, "sync").digest);
}
