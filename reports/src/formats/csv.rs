//! CSV.

use super::format::{File, Format};
use crate::page::{Grid, Piece};
use crate::report::Report;

/// Tables for spreadsheets.
#[derive(Debug)]
pub(super) struct Csv;

impl Format for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn help(&self) -> Option<&'static str> {
        Some("A table for spreadsheets, of results that have one")
    }

    /// The first table; of results without tables the first grid of the page.
    fn print(&self, report: &dyn Report) -> Option<String> {
        if let Some((_, grid)) = report.tables().first() {
            return Some(written(grid));
        }
        report.page().pieces().find_map(Piece::grid).map(|grid| written(&grid))
    }

    fn files(&self, report: &dyn Report) -> Vec<File> {
        let file =
            |(name, grid): (&str, Grid)| (format!("{name}.csv"), Ok(written(&grid).into_bytes()));
        report.tables().into_iter().map(file).collect()
    }
}

fn written(grid: &Grid) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut rows = std::iter::once(grid.titles()).chain(grid.rows().map(<[String]>::to_vec));
    let bytes = rows
        .try_for_each(|row| writer.write_record(row))
        .map_err(|error| error.to_string())
        .and_then(|()| writer.into_inner().map_err(|error| error.to_string()))
        .and_then(|bytes| String::from_utf8(bytes).map_err(|error| error.to_string()));
    match bytes {
        Ok(text) => text,
        Err(error) => unreachable!("rows of equal length go into memory: {error}"),
    }
}
