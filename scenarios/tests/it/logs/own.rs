//! Logs of runs: where the monitors of a run find no violation, `apfsim check` finds none in its log.
//!
//! The suite takes some built-in scenarios for some milliseconds, with all policies. All scenarios,
//! for longer:
//! `cargo test --release -p scenarios --test it logs::own -- --ignored --nocapture`

#![expect(clippy::print_stdout, reason = "the numbers are what the long run is for")]

use std::collections::{BTreeMap, BTreeSet};

use models::base::abi::{StoppedAt, stopped_at};
use models::base::record::{Event, Record};
use models::config::Policy;
use models::machine::{Prefix, RunSettings, prefill, run};
use models::monitors::{Finding, Verdict};
use models::presets::policies::{policies, policy};
use models::trace::kernel::KernelWriter;
use scenarios::run::plan::replication_seed;
use scenarios::scenario::library;
use scenarios::{CheckOptions, CheckReport, Scenario, check};
use sim_core::SimDuration;

/// Events that a host may not have recorded.
const LEFT_OUT: [&[&str]; 4] = [
    &[],
    &["kvm_inj_exception"],
    &["kvm_try_async_get_page", "kvm_entry", "kvm_exit"],
    &["kvm_msr", "sched_switch", "kvm_apic_accept_irq", "kvm_inj_virq"],
];

fn violated(findings: &[Finding]) -> BTreeSet<String> {
    let bad = |one: &&Finding| matches!(one.verdict, Verdict::Violation | Verdict::KnownViolation);
    findings.iter().filter(bad).map(|one| one.id.to_string()).collect()
}

fn said(report: &CheckReport) -> BTreeSet<String> {
    let bad = report.findings.iter().filter(|one| one.verdict == Verdict::Violation);
    bad.map(|one| one.id.to_string()).collect()
}

/// The log of a run as a host prints it.
fn printed(prefix: &Prefix, policy: &Policy, records: &[Record]) -> String {
    let mut writer = KernelWriter::new(prefix.setting(policy));
    let mut log = Vec::new();
    writer.header("run=own", &mut log);
    for record in records {
        writer.record(record, &mut log);
    }
    String::from_utf8(log).unwrap()
}

/// Runs a scenario with a policy, and holds its log in all forms against the run's monitors. Says
/// how many logs were tried.
fn try_one(scenario: &Scenario, prefix: &Prefix, name: &str, settings: &RunSettings) -> usize {
    let policy = policy(name).unwrap();
    let output = run(prefix, &policy, settings).unwrap();
    let online = violated(&output.findings);
    let records = output.records.as_deref().unwrap();
    let log = printed(prefix, &policy, records);
    let lines: Vec<(&str, Option<&str>)> =
        log.lines().map(|line| (line, line.split(": ").nth(1))).collect();
    let rules = Some(policy.rules.name.to_owned());
    // What the posted series print is not what any release does.
    let released = !policy.rules.name.ends_with("-2010");
    for (left_out, rules) in
        LEFT_OUT.into_iter().flat_map(|one| [(one, None), (one, rules.clone())])
    {
        if rules.is_none() && !released {
            continue;
        }
        let recorded = |event: &Option<&str>| event.is_none_or(|name| !left_out.contains(&name));
        let text: Vec<&str> =
            lines.iter().filter(|(_, event)| recorded(event)).map(|&(line, _)| line).collect();
        let options = CheckOptions { rules };
        let Ok(report) = check((text.join("\n") + "\n").as_bytes(), "a log", &options) else {
            continue;
        };
        let said = said(&report);
        let wrong: Vec<_> = said.difference(&online).collect();
        if let Some(first) = wrong.first() {
            let found = report.findings.iter().find(|one| one.id.to_string() == **first);
            if let Ok(folder) = std::env::var("APFSIM_LOGS") {
                std::fs::write(format!("{folder}/{}.{name}.txt", scenario.name), &log).unwrap();
            }
            panic!(
                "{} with {name}, without {left_out:?}, {options:?}: {wrong:?}, {found:#?}",
                scenario.name
            );
        }
    }
    2 * LEFT_OUT.len()
}

/// Runs a scenario with some policies.
fn try_all<'a>(
    scenario: &Scenario,
    names: impl Iterator<Item = &'a str>,
    duration: SimDuration,
) -> usize {
    let settings = RunSettings { duration, keep_records: true, ..RunSettings::default() };
    let prefix = prefill(&scenario.machine, scenario.seed, &settings).unwrap();
    names.map(|name| try_one(scenario, &prefix, name, &settings)).sum()
}

/// Every `step`-th policy.
fn try_for(name: &str, duration: SimDuration, step: usize) {
    let scenario = Scenario::load(name).unwrap();
    let names = policies().iter().map(|&(name, _)| name).step_by(step);
    try_all(&scenario, names, duration);
}

#[test]
fn a_run_without_violation_has_a_log_without() {
    try_for("smoke", SimDuration::from_ms(5), 1);
}

/// A completed request waits for the local APIC to be on, and is not forgotten.
#[test]
fn a_local_apic_that_is_off_is_no_violation() {
    let text = include_str!("../../data/apic-off-under-faults.json");
    let scenario = Scenario::from_str("apic-off-under-faults", text).unwrap();
    let duration = scenario.duration;
    let settings = RunSettings { duration, keep_records: true, ..RunSettings::default() };
    for replication in 0..8 {
        let seed = replication_seed(scenario.seed, replication);
        let prefix = prefill(&scenario.machine, seed, &settings).unwrap();
        try_one(&scenario, &prefix, "apf-v6.19", &settings);
    }
}

#[test]
fn a_run_of_two_vcpus_without_violation_has_a_log_without() {
    try_for("lab-500us-8f4w-2vcpu-shared", SimDuration::from_ms(2), 2);
}

#[test]
fn faults_at_tables_are_counted_as_such() {
    let scenario = Scenario::load("natapov-nvme").unwrap();
    let settings = RunSettings {
        duration: SimDuration::from_ms(200),
        keep_records: true,
        ..RunSettings::default()
    };
    let prefix = prefill(&scenario.machine, scenario.seed, &settings).unwrap();
    let policy = policy("apf-v6.12").unwrap();
    let output = run(&prefix, &policy, &settings).unwrap();
    let records = output.records.as_deref().unwrap();
    let log = printed(&prefix, &policy, records);
    let report = check(log.as_bytes(), "a log", &CheckOptions::default()).unwrap();
    let survey = &report.survey;
    // What the run says: where each fault stopped, and what came of it.
    let mut stopped = BTreeMap::new();
    let (mut tables, mut pages, mut requests) = (0, 0, 0);
    for record in records {
        match record.event {
            Event::KvmPageFault { vcpu, error_code, .. } => {
                let table = stopped_at(error_code) == StoppedAt::Table;
                *if table { &mut tables } else { &mut pages } += 1;
                stopped.insert(vcpu, table);
            }
            Event::KvmAsyncPfNotPresent { vcpu, .. } => {
                requests += u64::from(stopped.insert(vcpu, false) == Some(true));
            }
            _ => {}
        }
    }
    assert!(tables > 10 && requests > 10, "{tables} {requests}");
    let said = (survey.table_faults, survey.final_faults, survey.table_requests);
    assert_eq!(said, (tables, pages, requests));
}

#[test]
#[ignore = "minutes; prints how many were tried: cargo test --release -p scenarios --test it logs::own -- --ignored --nocapture"]
fn all_policies_of_all_scenarios() {
    let mut tried = 0;
    for entry in library::all() {
        let scenario = Scenario::load(entry.name).unwrap();
        let names = policies().iter().map(|&(name, _)| name);
        tried += try_all(&scenario, names, SimDuration::from_ms(100));
    }
    println!("{tried} logs");
}
