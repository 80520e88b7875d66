//! The verdict on a real kernel's log, as text and JSON.

mod object;
mod table;

use models::monitors::Verdict;
use scenarios::CheckReport;

pub use object::object;
pub use table::table;

/// The word for a verdict.
const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Clean => "clean",
        Verdict::Violation => "violation",
        Verdict::Weakness => "weakness",
        Verdict::KnownViolation => "known violation",
        Verdict::Undecided { .. } => "undecided",
    }
}

/// What the whole log comes to: its worst verdict; undecided when nothing could be decided.
fn overall(report: &CheckReport) -> &'static str {
    let any = |wanted: fn(&Verdict) -> bool| report.findings.iter().any(|f| wanted(&f.verdict));
    if any(|verdict| *verdict == Verdict::Violation) {
        "violation"
    } else if any(|verdict| *verdict == Verdict::KnownViolation) {
        "known violation"
    } else if any(|verdict| *verdict == Verdict::Weakness) {
        "weakness"
    } else if report.has_faults && any(|verdict| *verdict == Verdict::Clean) {
        "clean"
    } else {
        "undecided"
    }
}
