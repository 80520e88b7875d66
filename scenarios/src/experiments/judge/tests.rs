//! Results are held against what is expected of them.

use models::trace::metrics::{METRICS, MetricKind};

use super::*;
use crate::run::runner::{RunOptions, run_comparison};
use crate::scenario::expect::parse;
use crate::scenario::resolve::Scenario;

fn smoke() -> Comparison {
    let text = crate::scenario::library::find("smoke").expect("built in").text;
    let text = text.replace("\"duration\": \"1s\"", "\"duration\": \"60ms\"");
    let scenario = Scenario::from_str("smoke", &text).expect("valid");
    run_comparison(&scenario, &RunOptions::default(), &|_| {}).expect("runs")
}

/// Each line comes out one way, and changed in one place the other way.
#[test]
fn results_are_judged() {
    let mut comparison = smoke();
    for (at, verdict) in
        [FindingVerdict::Weakness, FindingVerdict::KnownViolation].iter().enumerate()
    {
        comparison.policies[at].findings = vec![FindingSummary {
            invariant: format!("INV-0{}", at + 1),
            verdict: *verdict,
            count: 3,
            replication: 0,
            seed: 1,
            message: "so it was".into(),
            story: Vec::new(),
        }];
    }
    let policies: Vec<&str> = comparison.policies.iter().map(|p| p.policy.as_str()).collect();
    let digest = format!("digest {}", comparison.digest);
    let faults = comparison.policies[0].metric("sync_faults").expect("counted").mean;
    let (faults, more) =
        (format!("sync_faults sync == {faults}"), format!("sync_faults sync > {faults}"));
    for (met, line) in [
        (true, "work_total apf-v7-2010/sync > 1"),
        (false, "work_total apf-v7-2010/sync < 1"),
        (true, "work_total sync/apf-v7-2010 < 1"),
        (true, "fault_latency_p50 sync in 400us .. 5ms"),
        (false, "fault_latency_p50 sync in 1us .. 2us"),
        (true, &faults),
        (false, &more),
        (true, "halted_time sync == 0"),
        (false, "halted_time halt/sync > 0"), // a ratio to nothing
        (true, &digest),
        (false, "digest 0123456789abcdef0123456789abcdef"),
        (true, "INV-01 weak in sync"),
        (false, "INV-01 violated by sync"),
        (true, "INV-02 violated by halt"),
        (false, "INV-02 weak in halt"),
        (false, "INV-02 violated by sync"),
        (false, "invariants clean"), // known violations count
        (false, "invariants clean in halt"),
        (true, "invariants clean in sync"),
    ] {
        let expectation =
            parse(line, &policies, &[]).unwrap_or_else(|error| panic!("{line}: {error:?}"));
        let [judgement] = judge(&[expectation], &comparison).try_into().expect("one line");
        assert_eq!(judgement.met, met, "{line}: {}", judgement.measured);
        assert_eq!(judgement.expected, line);
    }
}

#[test]
fn a_violation_of_which_nobody_speaks_fails() {
    let mut comparison = smoke();
    let finding = FindingSummary {
        invariant: "INV-07".into(),
        verdict: FindingVerdict::Violation,
        count: 1,
        replication: 0,
        seed: 1,
        message: "so it was".into(),
        story: Vec::new(),
    };
    comparison.policies[1].findings = vec![finding];
    let policies = ["sync", "halt"];
    let failed = |line: &str| {
        let expectation = parse(line, &policies, &[]).expect("reads");
        judge(&[expectation], &comparison).iter().filter(|line| !line.met).count()
    };
    assert_eq!(failed("work_total sync > 1"), 1);
    assert_eq!(failed("invariants clean"), 1);
    assert_eq!(failed("invariants clean in sync"), 1);
    assert_eq!(failed("INV-07 violated by sync"), 2);
    assert_eq!(failed("INV-07 violated by halt"), 0);
}

#[test]
fn every_metric_can_be_named() {
    let comparison = smoke();
    let given = comparison.policies[2].metrics.iter();
    let given: Vec<_> = given.map(|it| (it.name.as_str(), it.unit.as_str())).collect();
    // Its programs have no requests and no end.
    // Its virtual machine has no name, and is alone.
    let of_several = ["steal_seen", "host_idle", "fairness_cpu", "fairness_work"];
    // The host's memory is not controlled during the run.
    let of_control = [
        "reclaimed_by_vcpus",
        "reclaimed_by_workers",
        "reclaimed_by_limit_writes",
        "reclaimed_by_agents",
        "reclaimed_by_kswapd",
        "kswapd_wakes",
        "charged_beyond_high",
        "charged_beyond_high_unpaid",
        "cpu_share_throttled",
        "limit_write_time",
    ];
    // Nothing is given back.
    let of_given_back =
        ["discarded_pages", "tlb_shootdowns", "balloon_pages", "returned_frames", "returned_slots"];
    // No VMM answers its faults.
    let of_vmm = [
        "user_exits",
        "user_waits",
        "ring_requests",
        "ring_signals",
        "handler_wakeups",
        "lost_pages",
        "remove_events",
        "remove_wait",
        "uffd_again",
        "protected_pages",
        "write_messages",
        "saved_pages",
        "stopped_time",
        "snapshot_time",
        "poisoned_pages",
        "vmm_lifetime",
    ];
    let defined = |kind: &&MetricKind| {
        !kind.by_group
            && !of_vmm.contains(&kind.name)
            && !of_given_back.contains(&kind.name)
            && kind.name != "completion_time"
            && !of_several.contains(&kind.name)
            && !of_control.contains(&kind.name)
    };
    let known = METRICS.iter().filter(defined);
    let known: Vec<_> = known.map(|kind| (kind.name, kind.unit.name())).collect();
    assert_eq!(given, known);
}
