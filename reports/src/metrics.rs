//! The list of metrics: what results name, what it means, and which way is better.

pub use models::trace::metrics::names;
use models::trace::metrics::{Better, METRICS, MetricKind};
use serde_json::{Value, json};

use crate::page::{Column, Grid, Page, Piece};
use crate::report::Report;

/// Every metric.
#[derive(Clone, Copy, Debug)]
pub struct MetricList;

impl Report for MetricList {
    fn page(&self) -> Page {
        let line = |kind: &MetricKind| {
            let better = better(kind, " is better");
            let better = if better.is_empty() { better } else { format!(", {better}") };
            (kind.name.to_owned(), format!("[{}{better}] {}", kind.unit.word(), kind.meaning))
        };
        let listing = Piece::Listing(METRICS.iter().map(line).collect(), 0);
        Page::of([vec![Piece::Drawn { text: listing.plain(), grid: grid() }]])
    }

    /// `unit` is that of results; `kind` tells counts and shares apart.
    fn object(&self) -> String {
        let line = |kind: &MetricKind| {
            json!({
                "name": kind.name,
                "unit": kind.unit.name(),
                "kind": kind.unit.word(),
                "better": (kind.better != Better::Neither).then(|| kind.better.word()),
                "label": kind.label,
                "meaning": kind.meaning,
                "ratio": kind.ratio,
            })
        };
        format!("{:#}\n", Value::from_iter(METRICS.iter().map(line)))
    }
}

fn grid() -> Grid {
    let titles = ["metric", "unit", "better", "in tables", "meaning"];
    let mut grid = Grid::new(titles.map(Column::left).to_vec());
    for kind in METRICS {
        let (unit, better) = (kind.unit.word().to_owned(), better(kind, ""));
        let name = format!("`{}`", kind.name);
        grid.row(vec![name, unit, better, kind.label.to_owned(), kind.meaning.to_owned()]);
    }
    grid
}

fn better(kind: &MetricKind, after: &str) -> String {
    match kind.better {
        Better::Neither => String::new(),
        better => format!("{}{after}", better.word()),
    }
}
