//! Records of a built-in scenario, for the tests of the measured guest.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock};

use models::base::record::{Event, Phase, Record};
use models::machine::{RunSettings, prefill, run};
use models::monitors::Verdict;
use models::presets;
use scenarios::Scenario;

/// The records of one run of a policy, from the start barrier on; no invariant is violated. Several
/// tests look at the same run, which is made once.
pub(crate) fn records(
    scenario: &'static str,
    policy: &'static str,
    cpu: &'static str,
) -> &'static [Record] {
    type Runs = BTreeMap<[&'static str; 3], &'static OnceLock<Vec<Record>>>;
    static RUNS: Mutex<Runs> = Mutex::new(BTreeMap::new());
    let mut runs = RUNS.lock().unwrap();
    let run = *runs.entry([scenario, policy, cpu]).or_insert_with(|| Box::leak(Box::default()));
    // Other runs go on meanwhile.
    drop(runs);
    run.get_or_init(|| simulated(scenario, policy, cpu))
}

fn simulated(name: &str, policy: &str, cpu: &str) -> Vec<Record> {
    let scenario = Scenario::load(name).unwrap();
    let mut config = scenario.machine.clone();
    config.cpu = presets::cpu(cpu).unwrap().config;
    let settings =
        RunSettings { keep_records: true, duration: scenario.duration, ..RunSettings::default() };
    let policy = presets::policies::policy(policy).unwrap();
    let output = run(&prefill(&config, 1, &settings).unwrap(), &policy, &settings).unwrap();
    assert!(output.findings.iter().all(|f| f.verdict == Verdict::Clean), "{:?}", output.findings);
    let measured = |r: &Record| matches!(r.event, Event::PhaseBegin { phase: Phase::Measure });
    let records = output.records.unwrap();
    let at = records.iter().position(measured).unwrap();
    records[at..].to_vec()
}
