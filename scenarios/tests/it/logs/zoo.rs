//! The zoo as logs: what `apfsim check` says of each mistake, in the shortest way to it and in a run
//! of a whole machine that has it.
//!
//! `cargo test -p scenarios --test it logs::zoo -- --nocapture` prints the table of `docs/zoo.md`.

#![expect(clippy::print_stdout, reason = "the table is what the documentation shows")]

use std::collections::BTreeSet;

use models::apf::rules::{PageReadyTold, ResolvedBy};
use models::config::Policy;
use models::machine::{RunSettings, prefill, run};
use models::monitors::Verdict;
use models::trace::kernel::KernelWriter;
use scenarios::zoo::{Entry, Group, Shown, Variant, entries, show};
use scenarios::{CheckOptions, Scenario, check};
use sim_core::SimDuration;

type Ids = BTreeSet<String>;

/// The invariants of which a log shows a violation.
fn said(log: &str) -> Ids {
    let Ok(report) = check(log.as_bytes(), "a log", &CheckOptions::default()) else {
        return Ids::new();
    };
    let bad = report
        .findings
        .iter()
        .filter(|one| matches!(one.verdict, Verdict::Violation | Verdict::KnownViolation));
    bad.map(|one| one.id.to_string()).collect()
}

/// What the monitors of a run say, and what its log shows.
fn simulated(variant: &Variant) -> Option<(Ids, Ids)> {
    let scenario = Scenario::load("smoke").unwrap();
    let settings = RunSettings {
        duration: SimDuration::from_ms(200),
        keep_records: true,
        ..RunSettings::default()
    };
    let rules = variant.rules().unwrap();
    if rules.resolved_by != ResolvedBy::Kernel {
        return None;
    }
    let policy = Policy {
        name: variant.name(),
        rules,
        host_async: true,
        guest_enabled: true,
        defects: variant.defects(),
    };
    let prefix = prefill(&scenario.machine, scenario.seed, &settings).unwrap();
    let output = run(&prefix, &policy, &settings).unwrap();
    let mut writer = KernelWriter::new(prefix.setting(&policy));
    let mut log = Vec::new();
    writer.header(&format!("run=zoo rules={} apfsim=0", variant.rules), &mut log);
    for record in output.records.as_deref().unwrap() {
        writer.record(record, &mut log);
    }
    let online = output
        .findings
        .iter()
        .filter(|one| matches!(one.verdict, Verdict::Violation | Verdict::KnownViolation));
    let online = online.map(|one| one.id.to_string()).collect();
    Some((online, said(&String::from_utf8(log).unwrap())))
}

fn list(ids: &Ids) -> String {
    ids.iter().cloned().collect::<Vec<_>>().join(", ")
}

/// The variants with the mistake alone: that those without are quiet is held by `apfsim zoo`.
fn mistaken(entry: &Entry) -> Vec<Shown> {
    show(Box::leak(Box::new(Entry { right: &[], ..*entry }))).wrong
}

fn mistakes(group: Group) -> impl Iterator<Item = &'static Entry> {
    entries().filter(move |entry| entry.group == group && !entry.is_slow())
}

/// Entries and variants whose shortest way, written as a log, is flagged with the entry's invariant;
/// `docs/zoo.md` says why no other is. Of H04 by interrupt the log has no exception at all, so that
/// the interrupt of page ready counts as the sign that the guest was told, as it is since 5.9.
const SHOWN: [(&str, &str); 7] = [
    ("H01", "v5.8"),
    ("H01", "v5.13"),
    ("H01", "v6.19, token-zero"),
    ("H04", "v4.13"),
    ("H06", "v2.6.39, cancel-mismatch"),
    ("H06", "v4.13, ready_gate=disabled-or-gate-pending-unseen"),
    ("H36", "v6.19, 1 token bit"),
];

/// Holds what is said of the logs of all mistakes of a group, and gives those whose shortest way is
/// flagged.
fn shown_by_logs(group: Group) -> Vec<(&'static str, String)> {
    let mut shown_by_logs = Vec::new();
    for entry in mistakes(group) {
        let expected = entry.expect.invariant.map_or_else(String::new, |id| id.to_string());
        for (variant, shown) in entry.wrong.iter().zip(&mistaken(entry)) {
            let caught = shown.caught.as_ref().unwrap();
            let way = said(&caught.log);
            let (online, log) = simulated(variant).unwrap_or_default();
            println!(
                "{:9}|{:40}|{expected:7}|{}|{}|{}",
                entry.id,
                shown.variant,
                list(&way),
                list(&online),
                list(&log),
            );
            // What is said of a log is right: it is the mistake, or what that kernel does anyway.
            let rules = variant.rules().unwrap();
            let anyway = |id: &str| match id {
                "INV-04" => variant.rules.starts_with("v5."),
                // Page ready comes for whoever only halted, too.
                "INV-12" => rules.page_ready_told == PageReadyTold::Always,
                _ => false,
            };
            // The way of H39 goes through a migration: what two hosts print is not the log of one.
            let one_host = entry.id != "H39";
            assert!(
                !one_host || way.iter().all(|id| *id == expected || anyway(id)),
                "{}: {way:?}",
                shown.variant
            );
            // And what a run's log shows, the run's monitors have seen.
            assert!(log.is_subset(&online), "{}: {log:?}, {online:?}", shown.variant);
            if way.contains(&expected) {
                shown_by_logs.push((entry.id, shown.variant.clone()));
            }
        }
    }
    shown_by_logs
}

#[test]
fn mistakes_of_hosts_as_logs() {
    let expected: Vec<_> = SHOWN.map(|(id, variant)| (id, variant.to_owned())).into();
    assert_eq!(shown_by_logs(Group::Host), expected);
}

#[test]
fn mistakes_of_guests_as_logs() {
    assert_eq!(shown_by_logs(Group::Guest), []);
}

/// Without a mistake the log of a run shows nothing that its monitors have not seen.
#[test]
fn controls_as_logs() {
    for entry in entries().filter(|entry| entry.group == Group::Control && !entry.is_slow()) {
        for variant in entry.right {
            let (online, log) = simulated(variant).unwrap_or_default();
            assert!(log.is_subset(&online), "{}: {log:?}, {online:?}", entry.id);
        }
    }
}
