//! Sweeps as text, CSV, JSON lines and plots.

mod rows;
mod table;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use scenarios::SweepResult;

pub use self::rows::{csv, jsonl};
pub use self::table::table;
use crate::plot::SweepPlot;
use crate::write::{ReportError, failed, make, write};

/// Writes `table.txt`, `sweep.csv`, `sweep.jsonl` and, where there is one axis of times or numbers,
/// its plot as SVG and PNG into a folder, which is made where it does not exist. Gives the files.
///
/// # Errors
/// When a file cannot be written or a plot cannot be drawn. Each file appears complete or not at
/// all.
pub fn write_all(folder: &Path, sweep: &SweepResult) -> Result<Vec<PathBuf>, ReportError> {
    make(folder)?;
    let mut written = Vec::new();
    for (name, text) in
        [("table.txt", table(sweep)), ("sweep.csv", csv(sweep)), ("sweep.jsonl", jsonl(sweep))]
    {
        written.push(write(folder.join(name), text.as_bytes())?);
    }
    if let Some(plot) = SweepPlot::of(sweep) {
        let path = folder.join(format!("{}.svg", plot.name()));
        let svg = plot.svg().map_err(|source| failed(&path, source))?;
        written.push(write(path, svg.as_bytes())?);
        let path = folder.join(format!("{}.png", plot.name()));
        let png = plot.png().map_err(|source| failed(&path, source))?;
        written.push(write(path, &png)?);
    }
    Ok(written)
}
