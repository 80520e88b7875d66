//! For spreadsheets.

use models::monitors::log::{CourseRow, MOST_ROWS};
use scenarios::CheckReport;

/// The columns that say which vCPU a line is of; empty ones are not known, or mean all others.
fn whose(report: &CheckReport, row: usize) -> String {
    match report.survey.vcpus.get(row).filter(|_| row < MOST_ROWS) {
        Some(one) => {
            let id = one.id.map_or_else(String::new, |id| id.to_string());
            format!("{},{id},{}", one.vm, one.pid)
        }
        None => ",,".to_owned(),
    }
}

/// What happened in each window of time on each vCPU that had anything to do with asynchronous
/// faults; the beginnings of windows by the log's clock.
pub fn course(report: &CheckReport) -> String {
    let mut text =
        "vm,vcpu,thread,from_ns,length_ns,told,halted,sync,repeated,ready,most_outstanding\n"
            .to_owned();
    let course = &report.survey.course;
    for (at, row) in course.rows.iter().enumerate().filter(|(_, row)| is_busy(row)) {
        let whose = whose(report, at);
        for (number, w) in row.windows.iter().enumerate() {
            let from = course.from.saturating_add((number as u64).saturating_mul(course.width));
            text.push_str(&format!(
                "{whose},{from},{},{},{},{},{},{},{}\n",
                course.width, w.told, w.halted, w.sync, w.repeated, w.ready, w.most
            ));
        }
    }
    text
}

fn is_busy(row: &CourseRow) -> bool {
    row.windows.iter().any(|window| *window != Default::default())
}

/// Every distribution of every vCPU: values to three digits, with their counts.
pub fn latencies(report: &CheckReport) -> String {
    let mut text = "vm,vcpu,thread,time,value_ns,count\n".to_owned();
    for (at, row) in report.survey.course.rows.iter().enumerate() {
        let whose = whose(report, at);
        for (name, times) in row.latencies.named() {
            for (value, count) in times.iter() {
                text.push_str(&format!("{whose},\"{name}\",{value},{count}\n"));
            }
        }
    }
    text
}
