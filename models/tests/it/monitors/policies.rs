//! The monitors over runs of the timed machine: every policy keeps what it promises, and all of it
//! is decided.

use crate::machine::kit::{constant, crowded, for_time, ms, simulate, us};
use models::base::record::Event;
use models::machine::RunSettings;
use models::monitors::Verdict;
use models::presets::policies;

/// The counter of tokens begins at zero before 5.17.
const KNOWN: [&str; 3] = [
    "apf-v5.8 INV-04 KnownViolation",
    "apf-v5.9 INV-04 KnownViolation",
    "apf-v5.13 INV-04 KnownViolation",
];

/// What a run says that is not clean: verdict and number.
fn told(policy: &str, shape: impl Fn(&mut models::config::MachineConfig)) -> Vec<String> {
    let mut config = crowded("westmere-2010", constant(us(300)));
    shape(&mut config);
    let settings = RunSettings { keep_records: true, ..for_time(ms(60)) };
    let output = simulate(&config, policy, &settings);
    let end = |event: &Event| matches!(event, Event::MajorFaultEnd { .. });
    let ended = output.records.iter().flatten().filter(|record| end(&record.event)).count();
    assert!(ended > 50, "{policy}: only {ended} faults");
    let mut told = Vec::new();
    for finding in &output.findings {
        match finding.verdict {
            Verdict::Clean => {}
            Verdict::Violation => panic!("{policy}: {} {:#?}", finding.id, finding.first),
            verdict => told.push(format!("{policy} {} {verdict:?}", finding.id)),
        }
    }
    told
}

#[test]
fn every_policy_keeps_its_promises() {
    let told: Vec<_> = policies::policy_names().into_iter().flat_map(|p| told(p, |_| ())).collect();
    assert_eq!(told, KNOWN);
}

#[test]
fn promises_are_kept_in_other_machines_too() {
    let one_vcpu = |config: &mut models::config::MachineConfig| {
        config.guest.vcpus = 1;
        config.guest.send_always = true;
        config.workload.tasks[0].count = 8;
    };
    let told: Vec<_> =
        policies::policy_names().into_iter().flat_map(|p| told(p, one_vcpu)).collect();
    assert_eq!(told, KNOWN);
}
