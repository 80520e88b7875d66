//! A deliberately wrong decision of the protocol fails the right invariant in a simulated run, and
//! the same run without it is clean.

use super::kit::{assert_clean, constant, crowded, for_time, ms, simulate, us};
use models::apf::{Defect, Defects};
use models::config::MachineConfig;
use models::machine::{RunOutput, RunSettings};
use models::monitors::Verdict;

fn violated(output: &RunOutput) -> Vec<String> {
    let violations = output.findings.iter().filter(|f| f.verdict == Verdict::Violation);
    violations.map(|f| f.id.to_string()).collect()
}

fn world() -> MachineConfig {
    // Long faults, so that liveness bounds pass while items are outstanding.
    let mut config = crowded("westmere-2010", constant(us(400)));
    // Several faulters on each vCPU, so that items of one vCPU are outstanding together.
    config.workload.tasks[0].count = 12;
    config
}

/// Only liveness takes longer than its bound to fail.
fn with(defect: Defect, config: &MachineConfig, policy: &str, invariant: &str) -> RunOutput {
    let time = if ["INV-13", "INV-15", "INV-37"].contains(&invariant) { 3000 } else { 500 };
    let settings = RunSettings { defects: Defects::none().with(defect), ..for_time(ms(time)) };
    simulate(config, policy, &settings)
}

/// Which defect shows in which run, and as what. Defects whose interleaving a timed run does not
/// meet (a completion between two sections that this machine does at one instant, a fault of the
/// guest kernel) are caught by exploration in the protocol's own tests.
#[test]
fn each_defect_fails_its_invariant_in_a_run() {
    let config = world();
    for policy in ["halt", "apf-v7-2010"] {
        assert_clean(&simulate(&config, policy, &for_time(ms(1000))));
    }
    let cases = [
        (Defect::SkipGfnLookup, "halt", "INV-01"),
        (Defect::ReusedToken, "apf-v7-2010", "INV-02"),
        (Defect::LeakQueued, "apf-v7-2010", "INV-05"),
        (Defect::FreeWithoutUnlink, "apf-v7-2010", "INV-06"),
        (Defect::CancelMismatch, "apf-v7-2010", "INV-13"),
        (Defect::DropReadyOnGateClosed, "apf-v7-2010", "INV-13"),
        (Defect::NeverDrain, "apf-v7-2010", "INV-15"),
    ];
    for (defect, policy, invariant) in cases {
        let found = violated(&with(defect, &config, policy, invariant));
        assert!(
            found.iter().any(|id| id == invariant),
            "{defect:?} under {policy} should fail {invariant}, but failed {found:?}"
        );
    }
}

/// One vCPU with more faulters than the cap of outstanding items, on a slow device.
fn over_the_cap() -> MachineConfig {
    let mut config = crowded("westmere-2010", constant(ms(8)));
    config.guest.vcpus = 1;
    config.workload.tasks[0].count = 80;
    config.workload.tasks[1].count = 1;
    config
}

#[test]
fn defects_of_a_full_queue_fail_their_invariants() {
    let config = over_the_cap();
    let clean = simulate(&config, "apf-v7-2010", &for_time(ms(1000)));
    assert_clean(&clean);
    assert_eq!(clean.metrics.get("outstanding_peak"), Some(64.0), "the cap is not reached");
    assert!(clean.metrics.get("sync_faults").unwrap() > 0.0, "nothing falls back");
    let cases = [
        (Defect::IgnoreCap, "INV-05"),
        (Defect::NoSyncFallback, "INV-37"),
        (Defect::ReadyOverPendingException, "INV-11"),
        (Defect::HashDeleteHole, "INV-01"),
    ];
    for (defect, invariant) in cases {
        let found = violated(&with(defect, &config, "apf-v7-2010", invariant));
        assert!(
            found.iter().any(|id| id == invariant),
            "{defect:?} should fail {invariant}, but failed {found:?}"
        );
    }
}

/// INV-12 is what kernels before 5.9 break: a halt-only fault is followed by a page ready. A guest
/// that is told about user faults only meets it at its first kernel-mode fault that needs I/O.
#[test]
fn inv_12_is_a_known_violation_of_early_rules() {
    let output = simulate(&world(), "apf-v7-2010", &for_time(ms(200)));
    let finding = output.findings.iter().find(|f| f.id.to_string() == "INV-12");
    assert!(finding.is_some_and(|f| f.verdict != Verdict::Violation));
}

/// A run that ends long before the bound of liveness: what waits at its end is given its time.
#[test]
fn a_token_that_is_never_answered_is_told_at_the_end_of_a_short_run() {
    let mut busy = crowded("skylake-sp", constant(us(200)));
    busy.host.read_ahead_pages = 1;
    // Without workers the vCPU goes to sleep for ever.
    let mut idle = busy.clone();
    idle.guest.vcpus = 1;
    idle.workload.tasks.truncate(1);
    idle.workload.tasks[0].count = 1;
    for (name, config) in [("busy", busy), ("idle", idle)] {
        let clean = simulate(&config, "apf-v6.12", &for_time(ms(20)));
        assert_clean(&clean);
        for (defect, invariants) in [
            (Defect::NoEoi, &["INV-13", "INV-15", "INV-21"][..]),
            (Defect::NeverDrain, &["INV-13", "INV-15"][..]),
        ] {
            let settings =
                RunSettings { defects: Defects::none().with(defect), ..for_time(ms(20)) };
            let found = violated(&simulate(&config, "apf-v6.12", &settings));
            let right = found.iter().any(|id| invariants.contains(&id.as_str()));
            assert!(right, "{name}, {defect:?}: found {found:?}");
        }
    }
}
