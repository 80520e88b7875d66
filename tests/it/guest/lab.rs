//! Records of a built-in scenario, for the tests of the measured guest.

use models::machine::{RunSettings, prefill, run};
use models::monitors::Verdict;
use models::presets;
use models::trace::{Event, Phase, Record};
use scenarios::Scenario;

/// The records of one run of a policy, from the start barrier on; no invariant is violated.
pub(crate) fn records(name: &str, policy: &str, cpu: &str) -> Vec<Record> {
    let scenario = Scenario::load(name).unwrap();
    let mut config = scenario.machine.clone();
    config.cpu = presets::cpu(cpu).unwrap().config;
    let settings =
        RunSettings { keep_records: true, duration: scenario.duration, ..RunSettings::default() };
    let policy = models::policy::policy(policy).unwrap();
    let output = run(&prefill(&config, 1, &settings).unwrap(), &policy, &settings).unwrap();
    assert!(output.findings.iter().all(|f| f.verdict == Verdict::Clean), "{:?}", output.findings);
    let measured = |r: &Record| matches!(r.event, Event::PhaseBegin { phase: Phase::Measure });
    let records = output.records.unwrap();
    let at = records.iter().position(measured).unwrap();
    records[at..].to_vec()
}
