//! A device that was fitted to measurements, and how its runs compare: text, JSON and CSV.

use scenarios::DeviceFitReport;
use scenarios::logs::device::DeviceFitRow;
use serde_json::json;

use crate::format::grouped;
use crate::json::written;
use crate::page::{Column, Grid, Page, Piece};
use crate::plot::{self, Figure};
use crate::report::{Names, Report};

impl Report for DeviceFitReport {
    fn page(&self) -> Page {
        page(self)
    }

    fn object(&self) -> String {
        object(self)
    }

    fn tables(&self) -> Vec<(&'static str, Grid)> {
        vec![("device-fit", rows(self))]
    }

    fn figures(&self) -> Vec<Figure> {
        plot::of_device_fit(self)
    }

    fn others(&self) -> Vec<(&'static str, String)> {
        vec![("device.json", self.preset.clone())]
    }

    fn names(&self) -> Names {
        Names { page: "device-fit.txt", object: "device-fit.json" }
    }
}

/// What was read, where the numbers come from, and both distributions side by side.
fn page(report: &DeviceFitReport) -> Page {
    let files = report.files.iter().map(|(path, form)| Piece::text(format!("{path}: {form}")));
    let given = report.given.iter().map(|one| {
        let text = format!("{} {}: {}", one.field, one.value, one.source);
        Piece::Text { text, first: 2, further: 4 }
    });
    let mut blocks = vec![
        files.collect(),
        [Piece::text(format!("Where the numbers of {} come from", report.name))]
            .into_iter()
            .chain(given)
            .collect(),
    ];
    for part in report.rows.chunk_by(|a, b| (a.direction, a.depth) == (b.direction, b.depth)) {
        blocks.push(vec![Piece::Grid(grid(part))]);
    }
    for (title, lines) in [("Notes", &report.notes), ("Left out", &report.left_out)] {
        if !lines.is_empty() {
            let line = |text: &String| Piece::Text { text: text.clone(), first: 2, further: 4 };
            let title = [Piece::text(title)];
            blocks.push(title.into_iter().chain(lines.iter().map(line)).collect());
        }
    }
    Page::of(blocks)
}

fn grid(rows: &[DeviceFitRow]) -> Grid {
    let first = rows[0];
    let (under, count) = (first.under(), grouped(first.count as f64));
    let title = format!("{}s {under}, {count} (us)", first.direction.name());
    let columns = vec![
        Column::left(title),
        Column::right("measured"),
        Column::right("device"),
        Column::right("error"),
    ];
    let mut grid = Grid::new(columns);
    for row in rows {
        grid.row(vec![
            format!("  {}", row.name()),
            us(row.measured),
            us(row.simulated),
            format!("{:+.1} %", row.error() * 100.0),
        ]);
    }
    grid
}

fn us(ns: f64) -> String {
    format!("{:.2}", ns / 1000.0)
}

fn rows(report: &DeviceFitReport) -> Grid {
    let titles = ["direction", "depth", "count", "quantile", "measured_ns", "device_ns", "error"];
    let mut grid = Grid::named(titles);
    for row in &report.rows {
        grid.row(vec![
            row.direction.name().to_owned(),
            row.depth.map_or_else(String::new, |depth| depth.to_string()),
            row.count.to_string(),
            row.name(),
            format!("{:.0}", row.measured),
            format!("{:.0}", row.simulated),
            format!("{:.4}", row.error()),
        ]);
    }
    grid
}

/// Everything as one JSON object, the preset file's text included. Times are in nanoseconds.
fn object(report: &DeviceFitReport) -> String {
    let value = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "files": report.files.iter().map(|(path, form)| json!({
            "file": path, "form": form,
        })).collect::<Vec<_>>(),
        "name": report.name,
        "summary": report.summary,
        "preset": report.preset,
        "given": report.given.iter().map(|one| json!({
            "field": one.field, "value": one.value, "source": one.source,
        })).collect::<Vec<_>>(),
        "rows": report.rows.iter().map(|row| json!({
            "direction": row.direction.name(),
            "depth": row.depth,
            "count": row.count,
            "quantile": row.name(),
            "measured_ns": row.measured,
            "device_ns": row.simulated,
            "error": row.error(),
        })).collect::<Vec<_>>(),
        "notes": report.notes,
        "left_out": report.left_out,
    });
    written(serde_json::to_string_pretty(&value))
}
