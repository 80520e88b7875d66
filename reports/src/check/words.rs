//! Words for verdicts, rows and what stands still.

use models::monitors::Verdict;
use models::monitors::log::{MAX_ROWS, MissingStep, StallKind};
use scenarios::CheckReport;

use crate::format::{grouped, span_ns};

/// A count with its thousands apart.
pub(super) fn number(count: u64) -> String {
    grouped(count as f64)
}

/// A count with its noun.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{} {many}", number(count)) }
}

/// A time in the unit that suits it.
pub(super) fn span(ns: u64) -> String {
    span_ns(ns as f64)
}

/// A phrase as one word.
pub(super) fn snake(text: &str) -> String {
    text.replace(' ', "_")
}

/// The word for what stands still, and for the step that is missing.
pub(super) const fn stall_kind(kind: StallKind) -> (&'static str, Option<&'static str>) {
    match kind {
        StallKind::OpenRequest(step) => ("open_request", Some(missing(step))),
        StallKind::SilentVcpu => ("silent_vcpu", None),
        StallKind::Refaults => ("refaults_without_async", None),
        StallKind::AskedAgain => ("asked_again", None),
        StallKind::RefusedEn => ("refused_en", None),
        StallKind::UnacknowledgedOff => ("unacknowledged_when_turned_off", None),
        StallKind::NoMoreRequests => ("no_more_requests", None),
        StallKind::UnansweredMessage => ("unanswered_message", Some(missing(MissingStep::Handler))),
    }
}

const fn missing(step: MissingStep) -> &'static str {
    match step {
        MissingStep::Io => "io",
        MissingStep::Worker => "worker",
        MissingStep::Page => "io_or_message",
        MissingStep::Handler => "handler",
        MissingStep::Completion => "completion",
        MissingStep::PageReady => "page_ready",
        MissingStep::Interrupt => "interrupt",
        MissingStep::Acknowledgement => "acknowledgement",
    }
}

/// The word for a verdict.
pub(super) const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Clean => "clean",
        Verdict::Violation => "violation",
        Verdict::Weakness => "weakness",
        Verdict::KnownViolation => "known violation",
        Verdict::Undecided { .. } => "undecided",
    }
}

/// What the whole log comes to: its worst verdict, where something that stands still comes right
/// after a violation; undecided where the log does not decide whether page readies answer requests.
pub(crate) fn overall(report: &CheckReport) -> &'static str {
    let any = |wanted: fn(&Verdict) -> bool| report.findings.iter().any(|f| wanted(&f.verdict));
    if any(|verdict| *verdict == Verdict::Violation) {
        "violation"
    } else if !report.survey.stalls.is_empty() {
        "stall"
    } else if any(|verdict| *verdict == Verdict::KnownViolation) {
        "known violation"
    } else if any(|verdict| *verdict == Verdict::Weakness) {
        "weakness"
    } else if report.has_faults
        && report.survey.clocks.is_none()
        && report.findings.iter().any(|one| {
            // Of notifications and their answers: the others say little of the protocol.
            [12, 14].contains(&one.id.0) && one.verdict == Verdict::Clean
        })
    {
        "clean"
    } else {
        "undecided"
    }
}

/// What people call a row of the course over time.
pub(crate) fn row_name(report: &CheckReport, row: usize) -> String {
    match report.survey.vcpus.get(row).filter(|_| row < MAX_ROWS) {
        Some(one) => {
            let number = one.id.map_or_else(|| "?".to_owned(), |id| id.to_string());
            format!("VM {} vcpu{number} ({})", one.vm, one.pid)
        }
        None => "all others".to_owned(),
    }
}
