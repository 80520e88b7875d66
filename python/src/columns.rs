//! Tables as columns of Python's values.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use reports::page::Grid;

/// Columns that are text even where it looks like a number.
const TEXT: [&str; 3] = ["scenario_hash", "policy", "variation"];
/// The column behind which there are only metrics.
const BEFORE_METRICS: &str = "run_seed";

/// What the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Whole,
    Float,
    Text,
}

/// A dictionary from titles to lists. A cell without text is `missing`, or None.
pub(crate) fn columns<'py>(
    py: Python<'py>,
    grid: &Grid,
    missing: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let titles = grid.titles();
    let metrics = titles.iter().position(|title| title == BEFORE_METRICS);
    let columns = PyDict::new(py);
    for (place, title) in titles.iter().enumerate() {
        let cells: Vec<&str> = grid.rows().map(|row| row[place].as_str()).collect();
        let kind = match metrics {
            Some(before) if place > before => Kind::Float,
            _ if TEXT.contains(&title.as_str()) => Kind::Text,
            _ => kind(&cells),
        };
        let list = PyList::empty(py);
        for cell in cells {
            list.append(value(py, kind, cell, missing)?)?;
        }
        columns.set_item(title, list)?;
    }
    if metrics.is_some() {
        // What no run defines has a column all the same, so that frames of other scenarios have the same ones.
        for name in reports::metrics::names() {
            if !columns.contains(name)? {
                let cells: PyResult<Vec<_>> =
                    grid.rows().map(|_| value(py, Kind::Float, "", missing)).collect();
                columns.set_item(name, cells?)?;
            }
        }
    }
    Ok(columns)
}

/// The columns of metrics.
pub(crate) fn metrics(columns: &Bound<'_, PyDict>) -> PyResult<Vec<String>> {
    let titles: Vec<String> = columns.keys().extract()?;
    let behind =
        titles.iter().position(|title| title == BEFORE_METRICS).map_or(titles.len(), |at| at + 1);
    Ok(titles[behind..].to_vec())
}

/// The narrowest kind that all cells are of.
fn kind(cells: &[&str]) -> Kind {
    let mut there = cells.iter().filter(|cell| !cell.is_empty());
    if there.clone().all(|cell| cell.parse::<u64>().is_ok()) {
        Kind::Whole
    } else if there.all(|cell| cell.parse::<f64>().is_ok()) {
        Kind::Float
    } else {
        Kind::Text
    }
}

fn value<'py>(
    py: Python<'py>,
    kind: Kind,
    cell: &str,
    missing: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let parsed = match kind {
        _ if cell.is_empty() => None,
        Kind::Whole => cell.parse::<u64>().ok().map(|it| it.into_pyobject(py).map(Bound::into_any)),
        Kind::Float => cell.parse::<f64>().ok().map(|it| it.into_pyobject(py).map(Bound::into_any)),
        Kind::Text => Some(cell.into_pyobject(py).map(Bound::into_any)),
    };
    match parsed {
        Some(Ok(value)) => Ok(value),
        Some(Err(never)) => match never {},
        None => Ok(missing.cloned().unwrap_or_else(|| py.None().into_bound(py))),
    }
}
