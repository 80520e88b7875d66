//! The pages that a guest touched first, by a log: text, JSON and CSV.

use models::base::ids::PAGE_SIZE;
use scenarios::{Bytes, PagesReport};
use serde_json::json;

use crate::format::grouped;
use crate::json::written;
use crate::page::{Column, Grid, Page, Piece};
use crate::report::{Names, Report};

impl Report for PagesReport {
    fn page(&self) -> Page {
        let facts = facts(self).into_iter().map(|(name, value)| (name.to_owned(), value));
        let mut blocks = vec![
            vec![Piece::text(format!("{}: pages that were touched for the first time", self.log))],
            vec![Piece::Listing(facts.collect(), 2)],
            vec![
                Piece::text("Fault-around, if each message brings a whole aligned block:"),
                Piece::Grid(around(self)),
            ],
        ];
        let note = |text: &String| Piece::Text { text: text.clone(), first: 2, further: 4 };
        if !self.notes.is_empty() {
            let title = [Piece::text("Notes")];
            blocks.push(title.into_iter().chain(self.notes.iter().map(note)).collect());
        }
        Page::of(blocks)
    }

    fn object(&self) -> String {
        object(self)
    }

    fn tables(&self) -> Vec<(&'static str, Grid)> {
        vec![("around", rows(self))]
    }

    fn others(&self) -> Vec<(&'static str, String)> {
        vec![("recorded.pages", self.list.clone()), ("recorded.trace", self.trace.clone())]
    }

    fn names(&self) -> Names {
        Names { page: "pages.txt", object: "pages.json" }
    }
}

fn facts(report: &PagesReport) -> Vec<(&'static str, String)> {
    let count = |number: u64| grouped(number as f64);
    let size = |pages: u64| Bytes(pages * PAGE_SIZE);
    let [hole, elsewhere] = report.outside;
    let mut facts = vec![
        ("pages", format!("{} ({})", count(report.pages), size(report.pages))),
        ("written first", count(report.written)),
        ("runs in the list", count(report.runs)),
        ("span", report.span.to_string()),
        ("region", format!("`{}` of {} at least", report.region, size(report.end))),
        ("further faults", count(report.repeated)),
    ];
    if hole + elsewhere > 0 {
        let text = format!("{} where devices are, {} elsewhere", count(hole), count(elsewhere));
        facts.push(("outside", text));
    }
    if let Some(time) = report.guest_time {
        facts.push(("guest time a page", time.to_string()));
    }
    facts
}

fn around(report: &PagesReport) -> Grid {
    let columns = vec![
        Column::left("block"),
        Column::right("messages"),
        Column::right("pages brought"),
        Column::right("touched of them"),
    ];
    let mut grid = Grid::new(columns);
    for row in &report.around {
        let share = report.pages as f64 / row.brought as f64 * 100.0;
        grid.row(vec![
            Bytes(row.block * PAGE_SIZE).to_string(),
            grouped(row.messages as f64),
            grouped(row.brought as f64),
            format!("{share:.1} %"),
        ]);
    }
    grid
}

fn rows(report: &PagesReport) -> Grid {
    let mut grid = Grid::named(["block_bytes", "messages", "pages_brought", "pages_touched"]);
    for row in &report.around {
        grid.row(vec![
            (row.block * PAGE_SIZE).to_string(),
            row.messages.to_string(),
            row.brought.to_string(),
            report.pages.to_string(),
        ]);
    }
    grid
}

/// Everything but the list and the trace. Times are in nanoseconds.
fn object(report: &PagesReport) -> String {
    let [hole, elsewhere] = report.outside;
    let value = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "log": report.log,
        "region": report.region,
        "pages": report.pages,
        "written_first": report.written,
        "runs": report.runs,
        "region_pages": report.end,
        "further_faults": report.repeated,
        "faults_in_hole": hole,
        "faults_elsewhere": elsewhere,
        "span_ns": report.span.as_ns(),
        "guest_time_ns": report.guest_time.map(sim_core::SimDuration::as_ns),
        "around": report.around.iter().map(|row| json!({
            "block_bytes": row.block * PAGE_SIZE,
            "messages": row.messages,
            "pages_brought": row.brought,
        })).collect::<Vec<_>>(),
        "notes": report.notes,
    });
    written(serde_json::to_string_pretty(&value))
}
