//! Logs of runs: where the monitors of a run find no violation, `apfsim check` finds none in its log.
//!
//! The suite takes each built-in scenario for some milliseconds, with all policies by turns. All
//! policies of each, for longer:
//! `cargo test --release -p scenarios --test own_logs -- --ignored --nocapture`
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "the numbers are what the long run is for")]

use std::collections::BTreeSet;

use models::machine::{RunSettings, prefill, run};
use models::monitors::{Finding, Verdict};
use models::policy::{policies, policy};
use models::trace::kernel::KernelWriter;
use scenarios::{CheckOptions, CheckReport, Scenario, check, library};
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
fn try_one(scenario: &Scenario, name: &str, duration: SimDuration) -> usize {
    let policy = policy(name).unwrap();
    let settings = RunSettings { duration, keep_records: true, ..RunSettings::default() };
    let prefix = prefill(&scenario.machine, scenario.seed, &settings).unwrap();
    let output = run(&prefix, &policy, &settings).unwrap();
    let online = violated(&output.findings);
    let mut writer = KernelWriter::new(prefix.setting(&policy));
    let mut log = Vec::new();
    writer.header("run=own", &mut log);
    for record in output.records.as_deref().unwrap() {
        writer.record(record, &mut log);
    }
    let log = String::from_utf8(log).unwrap();
    let rules = Some(policy.rules.name.to_owned());
    for (left_out, rules) in
        LEFT_OUT.into_iter().flat_map(|one| [(one, None), (one, rules.clone())])
    {
        let recorded =
            |line: &&str| !left_out.iter().any(|name| line.contains(&format!(": {name}: ")));
        let text: Vec<&str> = log.lines().filter(recorded).collect();
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

#[test]
fn runs_without_violation_have_logs_without() {
    let names = policies();
    for (at, entry) in library::all().iter().enumerate() {
        let scenario = Scenario::load(entry.name).unwrap();
        for step in 0..2 {
            let name = names[(at * 2 + step) % names.len()].0;
            try_one(&scenario, name, SimDuration::from_ms(20));
        }
    }
}

#[test]
#[ignore = "minutes; prints how many were tried"]
fn all_policies_of_all_scenarios() {
    let mut tried = 0;
    for entry in library::all() {
        let scenario = Scenario::load(entry.name).unwrap();
        for (name, _) in policies() {
            tried += try_one(&scenario, name, SimDuration::from_ms(100));
        }
    }
    println!("{tried} logs");
}
