//! The verdict on a real kernel's log, as text, JSON and CSV.

mod backports;
mod csv;
mod object;
mod table;
mod words;

use models::monitors::Verdict;
use models::monitors::log::MOST_ROWS;
use scenarios::CheckReport;

use crate::page::{Grid, Page};
use crate::plot::{self, Figure};
use crate::report::{Names, Report};
pub(crate) use object::skipped;

impl Report for CheckReport {
    fn page(&self) -> Page {
        Page::verbatim(table::table(self))
    }

    fn object(&self) -> String {
        object::object(self)
    }

    fn tables(&self) -> Vec<(&'static str, Grid)> {
        vec![("check-latencies", csv::latencies(self)), ("check-course", csv::course(self))]
    }

    fn figures(&self) -> Vec<Figure> {
        plot::of_check(self)
    }

    fn names(&self) -> Names {
        Names { page: "check.txt", object: "check.json" }
    }
}

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

/// What the whole log comes to: its worst verdict, where something that stands still comes right
/// after a violation; undecided when nothing could be decided.
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
        && any(|verdict| *verdict == Verdict::Clean)
    {
        "clean"
    } else {
        "undecided"
    }
}

/// What people call a row of the course over time.
pub(crate) fn row_name(report: &CheckReport, row: usize) -> String {
    match report.survey.vcpus.get(row).filter(|_| row < MOST_ROWS) {
        Some(one) => {
            let number = one.id.map_or_else(|| "?".to_owned(), |id| id.to_string());
            format!("VM {} vcpu{number} ({})", one.vm, one.pid)
        }
        None => "all others".to_owned(),
    }
}
