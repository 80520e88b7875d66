//! Same scenario, same seed, same bytes: whatever the number of jobs, the queue, and whether vCPUs
//! run ahead. Every shipped scenario is run, shortened.

use scenarios::scenario::library;
use scenarios::{RunOptions, Scenario, ScenarioOverrides, run_comparison};
use sim_core::QueueKind;

/// The text of a library scenario with other lengths, so that debug builds are quick.
fn shortened(name: &str, duration: &str, replications: u32) -> Scenario {
    let entry = library::find(name).unwrap();
    let change = |text: &str, field: &str, value: &str| {
        let more =
            |line: &str| line.split("//").next().is_some_and(|it| it.trim_end().ends_with(','));
        let lines = text.lines().map(|line| match line.trim_start().starts_with(field) {
            true => format!("  {field} {value}{}", if more(line) { "," } else { "" }),
            false => line.to_owned(),
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    let text = change(entry.text, "\"duration\":", &format!("\"{duration}\""));
    let text = change(&text, "\"warmup\":", "\"5ms\"");
    let text = change(&text, "\"replications\":", &replications.to_string());
    Scenario::from_str(name, &text).unwrap_or_else(|error| panic!("{error}"))
}

fn options(jobs: usize, queue: QueueKind, skip: bool) -> RunOptions {
    RunOptions { jobs, queue, skip, ..RunOptions::default() }
}

fn digest(scenario: &Scenario, options: &RunOptions) -> String {
    let comparison = run_comparison(scenario, options, &|_| {}).unwrap();
    assert!(!comparison.has_violation(), "{} has a violation", comparison.scenario);
    comparison.digest.to_string()
}

const SHORT: [(&str, &str, u32); 60] = [
    ("smoke", "100ms", 2),
    ("closed-form", "200ms", 1),
    ("sixteen-vcpus", "20ms", 1),
    ("token-wrap", "5ms", 1),
    ("first-touch-arm64", "200us", 1),
    ("first-touch-x86", "500us", 1),
    ("faulting-pair", "100ms", 2),
    ("natapov-2010", "500ms", 2),
    ("natapov-nvme", "30ms", 1),
    ("lab-100us-1f1w", "40ms", 1),
    ("lab-100us-4f4w", "40ms", 1),
    ("lab-500us-1f1w", "40ms", 1),
    ("lab-500us-4f4w", "40ms", 1),
    ("lab-2ms-4f4w", "40ms", 1),
    ("lab-500us-4f4w-syscall", "40ms", 1),
    ("lab-500us-4f-idle", "40ms", 1),
    ("lab-5ms-4f4w", "40ms", 1),
    ("lab-500us-8f4w-shared", "40ms", 1),
    ("lab-500us-8f4w-2vcpu-shared", "40ms", 1),
    ("lab-500us-4f4w-4vcpu", "40ms", 1),
    ("lab-cap", "40ms", 1),
    ("lab-boot-under-limit", "110ms", 1),
    ("lab-stray-kicks", "110ms", 1),
    ("lab-500us-4f4w-linux-6.1", "40ms", 1),
    ("lab-50us-4f4w-reads", "40ms", 1),
    ("lab-requests-4f", "40ms", 1),
    ("lab-requests-8f4w", "40ms", 1),
    ("kv-tail", "20ms", 1),
    ("lab-zram-lz4-4f4w", "40ms", 1),
    ("lab-zswap-lzo-4f4w", "40ms", 1),
    ("lab-uffd-100us-4f4w", "40ms", 1),
    ("snapshot-restore", "40ms", 1),
    ("live-snapshot", "250ms", 1),
    ("clone-8", "20ms", 1),
    ("vmm-answered", "40ms", 1),
    ("post-copy", "40ms", 1),
    ("lab-two-vms", "40ms", 1),
    ("neighbour-vms", "40ms", 1),
    ("zram-laptop", "40ms", 1),
    ("zswap-before-nvme", "40ms", 1),
    ("shrinking-limit", "120ms", 1),
    ("memory-high", "40ms", 1),
    ("proactive-reclaim", "40ms", 1),
    ("balloon-or-limit", "3500ms", 1),
    ("cxl-swap", "40ms", 1),
    ("cloud-volume", "40ms", 1),
    ("database-scans", "20ms", 1),
    ("compile", "20ms", 1),
    ("heap-sweep", "20ms", 1),
    ("rdma-cache", "20ms", 1),
    ("bursty-web", "20ms", 1),
    ("batch-beside-latency", "20ms", 1),
    ("far-memory-latency", "20ms", 1),
    ("lock-convoy", "20ms", 1),
    ("barrier-steps", "20ms", 1),
    ("moving-working-set", "20ms", 1),
    ("pipeline", "20ms", 1),
    ("vcpus-64", "4ms", 1),
    ("page-cluster-zero", "20ms", 1),
    ("read-only-guest", "40ms", 1),
];

#[test]
fn every_shipped_scenario_is_in_the_list() {
    let shipped: Vec<&str> = library::all().iter().map(|entry| entry.name).collect();
    for name in &shipped {
        assert!(SHORT.iter().any(|(known, ..)| known == name), "{name} is run by no test");
    }
    assert_eq!(shipped.len(), SHORT.len());
}

#[test]
fn jobs_queues_and_running_ahead_change_no_byte() {
    for (number, (name, duration, replications)) in SHORT.into_iter().enumerate() {
        let scenario = shortened(name, duration, replications);
        let reference = digest(&scenario, &options(1, QueueKind::Hybrid, true));
        // With two jobs, so that these are compared with one; one of the other queues by turns, and stepped.
        let queue = [QueueKind::Std, QueueKind::Reference][number % 2];
        let other = digest(&scenario, &options(2, queue, false));
        assert_eq!(other, reference, "{name}: -j 2, queue {queue}, stepped");
    }
}

/// The digest of one small scenario, pinned: debug and release builds, and every machine, must
/// print it. It changes only when a model, a preset or a record does; then say so in the
/// changelog.
#[test]
fn the_smoke_digest_is_what_it_was() {
    let overrides = ScenarioOverrides { replications: Some(1), ..ScenarioOverrides::default() };
    let scenario = Scenario::load("smoke").unwrap().with_overrides(&overrides).unwrap();
    let found = digest(&scenario, &options(2, QueueKind::Hybrid, true));
    assert_eq!(found, include_str!("../data/smoke.digest").trim());
}
