//! `docs/review-2010.md`: its figures are what its commands print, and what it says of tokens and of
//! traces.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use models::base::ids::Token;
use models::base::record::{ApfReason, DummyAction, Event, Record};
use models::machine::{RunSettings, prefill, run_observed};
use models::monitors::Verdict;
use models::presets::policies;
use scenarios::Scenario;
use serde_json::Value;
use sim_core::SimDuration;

use crate::kit::program;

/// A block: a command, and lines of what it prints, in order.
struct Shown<'a> {
    command: &'a str,
    lines: Vec<&'a str>,
}

fn shown(text: &str) -> Vec<Shown<'_>> {
    let mut all: Vec<Shown<'_>> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if inside {
            match line.strip_prefix("$ ") {
                Some(command) => all.push(Shown { command, lines: Vec::new() }),
                None => all.last_mut().unwrap().lines.push(line),
            }
        }
    }
    all
}

fn apfsim(words: &str, folder: &Path) -> (i32, String) {
    let mut command = program();
    let output = command.args(words.split_whitespace()).current_dir(folder).output().unwrap();
    let code = output.status.code().unwrap();
    assert!(code < 2, "{words}: {}", String::from_utf8_lossy(&output.stderr));
    (code, String::from_utf8(output.stdout).unwrap())
}

/// Holds a block against its command.
fn hold(block: &Shown<'_>, folder: &Path) {
    let (code, printed) = apfsim(block.command.strip_prefix("apfsim ").unwrap(), folder);
    let says_violation = block.lines.iter().any(|line| line.starts_with("violation"));
    if block.command.starts_with("apfsim explore") && !block.command.contains(" --rules v5") {
        assert_eq!(code == 1, says_violation, "{}:\n{printed}", block.command);
    }
    let mut rest = printed.lines();
    for line in &block.lines {
        let found = rest.any(|other| other.trim_end() == *line);
        assert!(found, "{} does not print `{line}`, but\n{printed}", block.command);
    }
}

const REVIEW: &str = include_str!("../../../docs/review-2010.md");

/// Small worlds, which are searched in a second without optimisation.
fn is_quick(block: &Shown<'_>) -> bool {
    let command = block.command;
    command.contains("explore --vcpus 1") && !command.contains("evict=")
}

#[test]
fn figures_of_small_worlds_are_what_their_commands_print() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = shown(REVIEW);
    let quick: Vec<_> = blocks.iter().filter(|block| is_quick(block)).collect();
    assert!(quick.len() >= 8, "only {} commands", quick.len());
    quick.iter().for_each(|block| hold(block, folder.path()));
}

#[test]
#[ignore = "minutes: cargo test --release --test it docs::review -- --include-ignored"]
fn every_figure_is_what_its_command_prints() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = shown(REVIEW);
    assert!(blocks.len() >= 25, "only {} commands", blocks.len());
    blocks.iter().for_each(|block| hold(block, folder.path()));
}

/// Runs `token-wrap` with tokens of so many bits, and gives the items and how often the counter
/// began anew. Every token must be the one after the last.
fn wraps(base: &str, id_bits: u8, duration: SimDuration) -> (u64, u64) {
    let scenario = Scenario::load("token-wrap").unwrap();
    let mut policy = policies::policy(base).unwrap();
    policy.rules.token.id_bits = id_bits;
    let rules = policy.rules;
    let settings = RunSettings { duration, ..RunSettings::default() };
    let prefix = prefill(&scenario.machine, scenario.seed, &settings).unwrap();
    let (mut items, mut begun, mut last) = (0, 0, None);
    let mut observe = |records: &[Record]| {
        for record in records {
            let Event::ItemLink { token, .. } = record.event else { continue };
            let counter = token.0 >> rules.token.vcpu_bits;
            if let Some(last) = last {
                let next = rules.token.first_from(rules.token.next_id(last), rules.token_zero);
                assert_eq!(counter, next, "after {last}");
            }
            begun += u64::from(last.is_some_and(|last| counter < last));
            items += 1;
            last = Some(counter);
        }
        ControlFlow::Continue(())
    };
    let output = run_observed(&prefix, &policy, &settings, Some(&mut observe)).unwrap();
    let bad = output.findings.iter().filter(|finding| finding.verdict == Verdict::Violation);
    assert_eq!(bad.map(|finding| finding.id).collect::<Vec<_>>(), []);
    (items, begun)
}

#[test]
fn a_counter_that_wraps_many_times_does_no_harm() {
    for (base, cycle) in [("apf-v7-2010", 64), ("apf-v6.19", 63)] {
        let (items, begun) = wraps(base, 6, SimDuration::from_ms(5));
        assert!(begun > 100, "{base}: {begun}");
        assert!(items.abs_diff(begun * cycle) <= cycle, "{base}: {items} items, {begun} rounds");
    }
}

#[test]
#[ignore = "a quarter of a minute: cargo test --release --test it docs::review -- --include-ignored"]
fn the_kernels_counter_wraps_in_the_scenario() {
    for base in ["apf-v7-2010", "apf-v6.19"] {
        let (items, begun) = wraps(base, 20, SimDuration::from_secs(1));
        assert_eq!(begun, 1, "{base}: {items} items");
    }
}

/// What a trace of kernel text counts, by event.
fn counted(trace: &str) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for line in trace.lines() {
        for (name, text) in [
            // The fifth series shows lookups that found their page as well, with its frame.
            ("try", ": kvm_try_async_get_page: gva"),
            ("not present", ": kvm_async_pf_not_present:"),
            ("ready", ": kvm_async_pf_ready:"),
            ("wake-all", ": kvm_async_pf_ready: token 0xffffffff "),
            ("repeated", ": kvm_async_pf_repeated_fault:"),
            ("completed", ": kvm_async_pf_completed:"),
            ("#PF", ": kvm_inj_exception: #PF (0x0)"),
        ] {
            if line.contains(text) {
                *counts.entry(name).or_insert(0) += 1;
            }
        }
    }
    counts
}

/// What the guest's half records, by event; and of the host's half, what it was told.
fn by_halves(base: &str) -> BTreeMap<&'static str, u64> {
    let scenario = Scenario::load("smoke").unwrap();
    let policy = policies::policy(base).unwrap();
    let duration = SimDuration::from_ms(200);
    let settings = RunSettings { duration, ..RunSettings::default() };
    let prefix = prefill(&scenario.machine, scenario.seed, &settings).unwrap();
    let mut counts = BTreeMap::new();
    let mut observe = |records: &[Record]| {
        for record in records {
            let name = match record.event {
                Event::SharedWordRead { reason: ApfReason::NotPresent, .. } => "read",
                Event::ApfWait { .. } => "wait",
                Event::ApfWake { .. } => "wake",
                Event::ApfDummy { action: DummyAction::Added, .. } => "dummy",
                Event::ApfDummy { action: DummyAction::Consumed, .. } => "no sleep",
                Event::NotPresentQueued { .. } => "host: not present",
                Event::PageReadyQueued { token, .. } if token != Token::WAKE_ALL => "host: ready",
                _ => continue,
            };
            *counts.entry(name).or_insert(0) += 1;
        }
        ControlFlow::Continue(())
    };
    run_observed(&prefix, &policy, &settings, Some(&mut observe)).unwrap();
    counts
}

/// The guest's own tracepoints say who sleeps, and it is for whom the host has sent no page ready.
#[test]
fn the_guests_half_says_what_the_hosts_half_says() {
    for base in ["apf-v5-2010", "apf-v7-2010", "apf-v6.19"] {
        let counts = by_halves(base);
        let count = |name: &str| counts.get(name).copied().unwrap_or(0);
        assert!(count("read") > 500, "{base}: {counts:?}");
        assert_eq!(count("read"), count("wait") + count("no sleep"), "{base}: {counts:?}");
        // At the end each of four vCPUs may be about to take one.
        let told = count("host: not present") - count("read");
        assert!(told <= 4, "{base}: {counts:?}");
        let asleep = count("wait") - count("wake");
        let open = count("host: not present") - count("host: ready");
        assert!(asleep.abs_diff(open) <= 4 && asleep > 0, "{base}: {counts:?}");
    }
}

/// Of each vCPU thread, what its last token counts to, from the first token's counter.
fn by_tokens(trace: &str, first: u64) -> u64 {
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for line in trace.lines().filter(|line| line.contains("kvm_async_pf_not_present:")) {
        let thread = line.split_whitespace().next().unwrap();
        let token = line.split("token 0x").nth(1).unwrap().split(' ').next().unwrap();
        last.insert(thread, (u64::from_str_radix(token, 16).unwrap() >> 12) + 1 - first);
    }
    last.values().sum()
}

#[test]
fn counters_are_derived_from_the_trace_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (_, text) = apfsim("show smoke", folder.path());
    let text = text.replace("\"duration\": \"1s\"", "\"duration\": \"200ms\"");
    let policies = ["apf-v5-2010", "apf-v7-2010", "apf-v6.19"];
    for (policy, ppm) in policies.into_iter().flat_map(|policy| [(policy, 0), (policy, 100_000)]) {
        let ppm_text = format!("\"cpus\": 6, \"allocation_failure_ppm\": {ppm},");
        let text = text.replace("\"cpus\": 6,", &ppm_text);
        std::fs::write(folder.path().join("failing.json"), text).unwrap();
        let words = format!("run failing.json --policy {policy} --trace t.txt --format json -q");
        let (code, json) = apfsim(&words, folder.path());
        assert_eq!(code, 0, "{json}");
        let json: Value = serde_json::from_str(&json).unwrap();
        let trace = std::fs::read_to_string(folder.path().join("t.txt")).unwrap();
        let (counts, metric) = (counted(&trace), |name: &str| metric(&json, name));
        let count = |name: &str| counts.get(name).copied().unwrap_or(0);
        assert!(count("not present") > 500, "{policy}: {counts:?}");
        // `apf_not_present`, and the counter that is in the token.
        assert_eq!(count("not present"), metric("async_faults"), "{policy}");
        if ppm == 0 {
            // A token is used up also by an item that is not set up then.
            let first = u64::from(policy == "apf-v6.19");
            assert_eq!(count("not present"), by_tokens(&trace, first), "{policy}");
        }
        // Fallbacks: nothing follows the try.
        let fallbacks = count("try") - count("not present") - count("repeated");
        assert_eq!(fallbacks, metric("sync_faults"), "{policy}");
        assert_eq!(fallbacks > 50, ppm > 0, "{policy}: {fallbacks}");
        assert_eq!(count("repeated"), metric("repeated_fault_events"), "{policy}");
        // `apf_present`, with the wake-alls of four vCPUs.
        assert_eq!(count("wake-all"), 4, "{policy}");
        let outstanding = count("not present") - (count("ready") - 4);
        assert!(outstanding <= 4, "{policy}: {outstanding} tasks wait at the end");
        let by_exception = if policy == "apf-v6.19" {
            metric("not_present_injected")
        } else {
            metric("not_present_injected") + metric("page_ready_delivered")
        };
        assert_eq!(count("#PF"), by_exception, "{policy}");
    }
}

fn metric(json: &Value, name: &str) -> u64 {
    json["policies"][0]["metrics"][name]["mean"].as_f64().unwrap() as u64
}
