//! For spreadsheets.

use models::monitors::log::{CourseRow, MAX_ROWS};
use scenarios::CheckReport;

use crate::page::Grid;

/// The columns that say which vCPU a line is of; empty ones are not known, or mean all others.
fn whose(report: &CheckReport, row: usize) -> [String; 3] {
    match report.survey.vcpus.get(row).filter(|_| row < MAX_ROWS) {
        Some(one) => {
            let id = one.id.map_or_else(String::new, |id| id.to_string());
            [one.vm.to_string(), id, one.pid.to_string()]
        }
        None => Default::default(),
    }
}

/// What happened in each window of time on each vCPU that had anything to do with asynchronous
/// faults; the beginnings of windows by the log's clock.
pub(super) fn course(report: &CheckReport) -> Grid {
    let mut grid = Grid::named([
        "vm",
        "vcpu",
        "thread",
        "from_ns",
        "length_ns",
        "told",
        "halted",
        "sync",
        "repeated",
        "ready",
        "most_outstanding",
    ]);
    let course = &report.survey.course;
    for (at, row) in course.rows.iter().enumerate().filter(|(_, row)| is_busy(row)) {
        let whose = whose(report, at);
        for (number, w) in row.windows.iter().enumerate() {
            let from = course.from.saturating_add((number as u64).saturating_mul(course.width));
            let mut cells = whose.to_vec();
            cells.extend([from, course.width].map(|time| time.to_string()));
            let counts = [w.told, w.halted, w.sync, w.repeated, w.ready, w.most];
            cells.extend(counts.map(|count| count.to_string()));
            grid.row(cells);
        }
    }
    grid
}

fn is_busy(row: &CourseRow) -> bool {
    row.windows.iter().any(|window| *window != Default::default())
}

/// Every distribution of every vCPU: values to three digits, with their counts.
pub(super) fn latencies(report: &CheckReport) -> Grid {
    let mut grid = Grid::named(["vm", "vcpu", "thread", "time", "value_ns", "count"]);
    for (at, row) in report.survey.course.rows.iter().enumerate() {
        let whose = whose(report, at);
        for (name, times) in row.latencies.named() {
            for (value, count) in times.iter() {
                let mut cells = whose.to_vec();
                cells.extend([name.to_string(), value.to_string(), count.to_string()]);
                grid.row(cells);
            }
        }
    }
    grid
}
