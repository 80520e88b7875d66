//! What the invariants say.

use scenarios::{Comparison, FindingSummary, FindingVerdict};

use super::chart::chart;
use crate::format::grouped;
use crate::page::{Piece, WIDTH};

/// Verdicts from the worst to the mildest, with their names for one and for many.
const VERDICTS: [(FindingVerdict, &str, &str); 4] = [
    (FindingVerdict::Violation, "violation", "violations"),
    (FindingVerdict::KnownViolation, "known violation", "known violations"),
    (FindingVerdict::Weakness, "weakness", "weaknesses"),
    (FindingVerdict::Undecided, "undecided", "undecided"),
];

/// One paragraph a finding; records only for violations.
pub(super) fn summary(comparison: &Comparison) -> Vec<Piece> {
    let found = findings(comparison);
    let mut pieces = vec![counts(comparison)];
    for (policy, finding) in &found {
        pieces.push(paragraph(policy, finding));
        if finding.verdict == FindingVerdict::Violation {
            pieces.push(story(finding));
        }
    }
    let hidden = |finding: &FindingSummary| {
        finding.verdict != FindingVerdict::Violation && !finding.story.is_empty()
    };
    if found.iter().any(|(_, finding)| hidden(finding)) {
        let text = "`--format json` adds the records that led to each.".to_owned();
        pieces.push(Piece::Text { text, first: 2, further: 2 });
    }
    pieces
}

/// Every finding with its records.
pub(super) fn stories(comparison: &Comparison) -> Vec<Piece> {
    let found = findings(comparison);
    let told = found.iter().flat_map(|(policy, one)| [paragraph(policy, one), story(one)]);
    std::iter::once(counts(comparison)).chain(told).collect()
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
fn counts(comparison: &Comparison) -> Piece {
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
    Piece::text(format!("Invariants: {text}"))
}

fn paragraph(policy: &str, finding: &FindingSummary) -> Piece {
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
    let text =
        format!("{name} {} in {policy}{times}{place}: {}", finding.invariant, finding.message);
    Piece::Text { text, first: 2, further: 4 }
}

/// The records that led to a finding, by actor.
fn story(finding: &FindingSummary) -> Piece {
    Piece::Verbatim(match finding.story.as_slice() {
        [] => String::new(),
        story => chart(story, 6, WIDTH),
    })
}
