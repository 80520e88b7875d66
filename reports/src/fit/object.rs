//! For programs and spreadsheets.

use scenarios::FitReport;
use scenarios::logs::fit::Summary;
use serde_json::{Value, json};

use crate::check::skipped;
use crate::json::written;
use crate::page::Grid;

/// Everything as one JSON object, the scenario's text included. Times are in nanoseconds.
pub(super) fn object(report: &FitReport) -> String {
    let counts = &report.counts;
    let value = json!({
        "log": report.log,
        "version": env!("CARGO_PKG_VERSION"),
        "lines": report.lines,
        "span_ns": report.length,
        "mode": report.mode.name(),
        "counts": {
            "announced": counts.announced,
            "told": counts.told,
            "repeated": counts.repeated,
            "synchronous": counts.synchronous,
            "polled": counts.polled,
            "reads_before_try": counts.reads_before_try,
            "reads_by_worker": counts.reads_by_worker,
            "losses": counts.losses,
        },
        "skipped": skipped(&report.skipped),
        "device": report.device.map(|device| json!({
            "major": device.number.0,
            "minor": device.number.1,
            "read_ns": summary(&device.read),
            "write_ns": device.write.as_ref().map(summary),
            "most_reads": device.most_reads,
            "pages_per_read": device.pages.0,
            "most_pages_per_read": device.pages.1,
            "pages_written": device.written_pages,
        })),
        "name": report.name,
        "scenario": report.scenario,
        "simulated_ns": report.simulated.map(|span| span.as_ns()),
        "given": report.given.iter().map(|one| json!({
            "field": one.field, "value": one.value, "source": one.source,
        })).collect::<Vec<_>>(),
        "paths": report.paths.iter().map(|row| json!({
            "path": row.path.name(),
            "title": row.path.title(),
            "whole": row.path.is_whole(),
            "recorded_ns": row.recorded.as_ref().map(summary),
            "simulated_ns": row.simulated.as_ref().map(summary),
            "ratio_p50": row.ratio(|summary| summary.p50),
        })).collect::<Vec<_>>(),
        "rates": report.rates.iter().map(|row| json!({
            "rate": row.name,
            "title": row.title,
            "recorded": row.recorded,
            "simulated": row.simulated,
        })).collect::<Vec<_>>(),
    });
    written(serde_json::to_string_pretty(&value))
}

fn summary(summary: &Summary) -> Value {
    json!({
        "count": summary.count,
        "p1": summary.p1,
        "p50": summary.p50,
        "p90": summary.p90,
        "p99": summary.p99,
        "centre": summary.centre,
    })
}

/// The paths as a table.
pub(super) fn paths(report: &FitReport) -> Grid {
    let mut grid = Grid::named(["path", "side", "count", "p1_ns", "p50_ns", "p90_ns", "p99_ns"]);
    for row in &report.paths {
        for (side, summary) in [("log", row.recorded), ("run", row.simulated)] {
            let Some(s) = summary else { continue };
            let mut cells = vec![row.path.name().to_owned(), side.to_owned(), s.count.to_string()];
            cells.extend([s.p1, s.p50, s.p90, s.p99].map(|ns| format!("{ns:.0}")));
            grid.row(cells);
        }
    }
    grid
}
