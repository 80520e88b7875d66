//! Logs of runs: where the monitors of a run find no violation, `apfsim check` finds none in its log.
//!
//! The suite takes some built-in scenarios for some milliseconds, with all policies. All scenarios,
//! for longer:
//! `cargo test --release -p scenarios --test it logs::own -- --ignored --nocapture`

#![expect(clippy::print_stdout, reason = "the numbers are what the long run is for")]

use std::collections::BTreeSet;

use models::machine::{Prefix, RunSettings, prefill, run};
use models::monitors::{Finding, Verdict};
use models::presets::policies::{policies, policy};
use models::trace::kernel::KernelWriter;
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

/// Runs a scenario with a policy, and holds its log in all forms against the run's monitors. Says
/// how many logs were tried.
fn try_one(scenario: &Scenario, prefix: &Prefix, name: &str, settings: &RunSettings) -> usize {
    let policy = policy(name).unwrap();
    let output = run(prefix, &policy, settings).unwrap();
    let online = violated(&output.findings);
    let mut writer = KernelWriter::new(prefix.setting(&policy));
    let mut log = Vec::new();
    writer.header("run=own", &mut log);
    for record in output.records.as_deref().unwrap() {
        writer.record(record, &mut log);
    }
    let log = String::from_utf8(log).unwrap();
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

fn try_for(name: &str, duration: SimDuration) {
    let scenario = Scenario::load(name).unwrap();
    let names = policies().iter().map(|&(name, _)| name);
    try_all(&scenario, names, duration);
}

#[test]
fn a_run_without_violation_has_a_log_without() {
    try_for("smoke", SimDuration::from_ms(5));
}

#[test]
fn a_run_of_two_vcpus_without_violation_has_a_log_without() {
    try_for("lab-500us-8f4w-2vcpu-shared", SimDuration::from_ms(2));
}

#[test]
#[ignore = "minutes; prints how many were tried"]
fn all_policies_of_all_scenarios() {
    let mut tried = 0;
    for entry in library::all() {
        let scenario = Scenario::load(entry.name).unwrap();
        let names = policies().iter().map(|&(name, _)| name);
        tried += try_all(&scenario, names, SimDuration::from_ms(100));
    }
    println!("{tried} logs");
}
