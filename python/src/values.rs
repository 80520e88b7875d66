//! Values of Python as they stand in files.

use std::path::{Path, PathBuf};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error;

/// What JSON has for a value that it does not know: numbers and arrays of NumPy, paths.
#[pyfunction]
fn plain<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    for convert in ["tolist", "__index__", "__fspath__"] {
        if value.hasattr(convert)? {
            return value.call_method0(convert);
        }
    }
    let kind = value.get_type().name()?;
    Err(PyTypeError::new_err(format!("a value of type {kind} cannot stand in a scenario")))
}

/// The JSON text of a value; laid out in lines where it is to be read.
pub(crate) fn json(value: &Bound<'_, PyAny>, laid_out: bool) -> PyResult<String> {
    let py = value.py();
    let options = PyDict::new(py);
    options.set_item("default", wrap_pyfunction!(plain, py)?)?;
    if laid_out {
        options.set_item("indent", 2)?;
    }
    py.import("json")?.getattr("dumps")?.call((value,), Some(&options))?.extract()
}

/// `FIELD=VALUE`, the value as it would stand in a file.
pub(crate) fn settings(changes: Option<&Bound<'_, PyDict>>) -> PyResult<Vec<String>> {
    let one = |(field, value): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
        let field: String = field.extract()?;
        Ok(format!("{field}={}", json(&value, false)?))
    };
    changes.into_iter().flat_map(|changes| changes.iter()).map(one).collect()
}

/// The policies that are chosen: all, unless some are named.
pub(crate) fn chosen(policies: Option<Vec<String>>, all: Vec<String>) -> PyResult<Vec<String>> {
    match policies {
        Some(none) if none.is_empty() => Err(error(
            "there must be a policy, and `policies` is empty\n  help: name some, or leave it out",
        )),
        some => Ok(some.unwrap_or(all)),
    }
}

/// A name or a path.
pub(crate) fn named(source: &Bound<'_, PyAny>) -> PyResult<String> {
    let path: PathBuf = source.extract().map_err(|_| {
        let kind = source.get_type().name().map_or_else(|_| String::new(), |name| name.to_string());
        PyTypeError::new_err(format!(
            "a name, a path or a dictionary is wanted, not a value of type {kind}"
        ))
    })?;
    Ok(path.to_string_lossy().into_owned())
}

/// An absolute path for a file, wherever this process goes.
pub(crate) fn absolute(file: &str) -> String {
    let path = std::path::absolute(file).unwrap_or_else(|_| Path::new(file).to_owned());
    path.to_string_lossy().into_owned()
}
