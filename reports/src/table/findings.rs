//! What the invariants say.

use scenarios::{Comparison, FindingSummary, FindingVerdict};

use super::chart::chart;
use super::text::{WIDTH, wrapped};
use crate::format::grouped;

/// Verdicts from the worst to the mildest, with their names for one and for many.
const VERDICTS: [(FindingVerdict, &str, &str); 4] = [
    (FindingVerdict::Violation, "violation", "violations"),
    (FindingVerdict::KnownViolation, "known violation", "known violations"),
    (FindingVerdict::Weakness, "weakness", "weaknesses"),
    (FindingVerdict::Undecided, "undecided", "undecided"),
];

/// One paragraph a finding; records only for violations.
pub(super) fn summary(comparison: &Comparison) -> String {
    let mut text = counts(comparison);
    for (policy, finding) in findings(comparison) {
        text.push_str(&paragraph(policy, finding));
        if finding.verdict == FindingVerdict::Violation {
            text.push_str(&story(finding));
        }
    }
    let hidden = |finding: &FindingSummary| {
        finding.verdict != FindingVerdict::Violation && !finding.story.is_empty()
    };
    if findings(comparison).iter().any(|(_, finding)| hidden(finding)) {
        text.push_str("  `--format json` adds the records that led to each.\n");
    }
    text
}

/// Every finding with its records.
pub(super) fn stories(comparison: &Comparison) -> String {
    let mut text = counts(comparison);
    for (policy, finding) in findings(comparison) {
        text.push_str(&paragraph(policy, finding));
        text.push_str(&story(finding));
    }
    text
}

/// The findings with their policies, worst first.
fn findings(comparison: &Comparison) -> Vec<(&str, &FindingSummary)> {
    let all = |wanted: FindingVerdict| {
        comparison.policies.iter().flat_map(move |policy| {
            let of_verdict = policy.findings.iter().filter(move |one| one.verdict == wanted);
            of_verdict.map(|finding| (policy.policy.as_str(), finding))
        })
    };
    VERDICTS.iter().flat_map(|(verdict, ..)| all(*verdict)).collect()
}

/// "Invariants: clean", or how many findings there are of each verdict.
fn counts(comparison: &Comparison) -> String {
    let found = findings(comparison);
    let mut parts = Vec::new();
    for (verdict, one, many) in VERDICTS {
        match found.iter().filter(|(_, finding)| finding.verdict == verdict).count() {
            0 => {}
            1 => parts.push(format!("1 {one}")),
            count => parts.push(format!("{count} {many}")),
        }
    }
    let text = if parts.is_empty() { "clean".to_owned() } else { parts.join(", ") };
    format!("Invariants: {text}\n")
}

fn paragraph(policy: &str, finding: &FindingSummary) -> String {
    let name = VERDICTS
        .iter()
        .find(|(verdict, ..)| *verdict == finding.verdict)
        .map_or("finding", |(_, one, _)| *one);
    let times = match finding.count {
        0 => String::new(),
        1 => " once".to_owned(),
        count => format!(" {} times", grouped(count as f64)),
    };
    let place = match finding.verdict {
        FindingVerdict::Undecided => String::new(),
        _ => format!(", first in replication {} (seed {})", finding.replication, finding.seed),
    };
    let line =
        format!("{name} {} in {policy}{times}{place}: {}", finding.invariant, finding.message);
    wrapped(&line, 2, 4)
}

/// The records that led to a finding, by actor.
fn story(finding: &FindingSummary) -> String {
    match finding.story.as_slice() {
        [] => String::new(),
        story => chart(story, 6, WIDTH),
    }
}
