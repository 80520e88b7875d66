//! What is expected is read, and results are held against it.

use super::parse::parse;
use super::*;
use crate::experiments::judge::judge;
use crate::run::results::{Comparison, FindingSummary, FindingVerdict};
use crate::run::runner::{RunOptions, run_comparison};
use crate::scenario::resolve::Scenario;

const POLICIES: [&str; 3] = ["sync", "halt", "apf-v7-2010"];

fn read(text: &str) -> Claim {
    parse(text, &POLICIES).unwrap_or_else(|error| panic!("{text}: {error:?}")).claim
}

fn number(text: &str) -> (Option<String>, Bound) {
    match read(text) {
        Claim::Number { against, bound, .. } => (against, bound),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn numbers_are_read_in_the_unit_of_their_metric() {
    for (text, bound) in [
        ("fault_latency_p99 halt < 30ms", Bound::Below(0.03)),
        ("fault_latency_p99 halt<=1.5us", Bound::AtMost(1.5e-6)),
        ("halted_time sync == 0", Bound::Equal(0.0)),
        ("async_faults halt != 7", Bound::Other(7.0)),
        ("cpu_share_idle halt > 5%", Bound::Above(0.05)),
        ("cpu_share_idle halt >=0.05", Bound::AtLeast(0.05)),
        ("work_total halt in 1e3..2e3", Bound::Between(1e3, 2e3)),
        ("  exits   sync  in 1 .. 1 ", Bound::Between(1.0, 1.0)),
    ] {
        let (against, read) = number(text);
        assert_eq!(against, None);
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-15;
        let same = match (read, bound) {
            (Bound::Below(a), Bound::Below(b))
            | (Bound::AtMost(a), Bound::AtMost(b))
            | (Bound::Above(a), Bound::Above(b))
            | (Bound::AtLeast(a), Bound::AtLeast(b)) => close(a, b),
            (a, b) => a == b,
        };
        assert!(same, "{text}: {read:?}");
    }
    for text in ["work_total halt/sync >= 1.5", "work_total halt / sync>=1.5"] {
        assert_eq!(number(text), (Some("sync".into()), Bound::AtLeast(1.5)), "{text}");
    }
}

#[test]
fn other_claims_are_read() {
    assert_eq!(read("invariants clean"), Claim::Clean { policy: None });
    let policy = Some("halt".to_owned());
    assert_eq!(read("invariants clean in halt"), Claim::Clean { policy });
    for (text, weakness) in [("INV-13 violated by halt", false), ("INV-13 weak in halt", true)] {
        let expect =
            Claim::Breaks { invariant: "INV-13".into(), weakness, policy: "halt".to_owned() };
        assert_eq!(read(text), expect);
    }
    let digest = "0123456789abcdef0123456789abcdef";
    assert_eq!(read(&format!("digest {digest}")), Claim::Digest(digest.parse().expect("one")));
}

#[test]
fn what_is_wrong_with_a_line_is_told() {
    for (text, message, help) in [
        ("", "this expects nothing", "such as"),
        ("work_totl halt > 1", "there is no metric `work_totl`", "did you mean `work_total`?"),
        ("work_total hlt > 1", "`hlt` is not among", "did you mean `halt`?"),
        ("work_total halt/snyc > 1", "`snyc` is not among", "did you mean `sync`?"),
        ("work_total halt/halt > 1", "`halt` is compared with itself", "two"),
        ("work_total", "`work_total` of which policy?", "such as"),
        ("work_total halt", "nothing is said of `work_total`", "such as"),
        ("work_total halt => 1", "`=>` is no comparison", "`>=`"),
        ("work_total halt = 1", "`=` is no comparison", "`==`"),
        ("work_total halt > ", "`` is not a value here", "without unit"),
        ("work_total halt > 1s", "`1s` is not a value here", "without unit"),
        ("work_total halt > inf", "`inf` is not a value here", "without unit"),
        ("halted_time halt > 1", "`1` is not a value here", "30ms"),
        ("halted_time halt/sync > 1ms", "`1ms` is not a value here", "1.5"),
        ("work_total halt in 1", "this range has no end", "in 0.95 .. 1.05"),
        ("work_total halt in 2 .. 1", "this range is empty", "first"),
        ("INV-99 violated by halt", "there is no invariant `INV-99`", "apfsim invariants"),
        ("INV-13 broken by halt", "it is not said how", "INV-13 violated by POLICY"),
        ("INV-13 violated by hlt", "`hlt` is not among", "did you mean `halt`?"),
        ("invariants tidy", "says nothing of invariants", "`invariants clean`"),
        ("digest 12", "is not a digest", "apfsim compare"),
    ] {
        let error = parse(text, &POLICIES).expect_err(text);
        assert!(error.message.contains(message), "{text}: {}", error.message);
        assert!(error.help.contains(help), "{text}: {}", error.help);
    }
}

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
            parse(line, &policies).unwrap_or_else(|error| panic!("{line}: {error:?}"));
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
        let expectation = parse(line, &policies).expect("reads");
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
    let given: Vec<(&str, &str)> = comparison.policies[2]
        .metrics
        .iter()
        .map(|metric| (metric.name.as_str(), metric.unit.as_str()))
        .collect();
    assert_eq!(given, metric::METRICS);
}
