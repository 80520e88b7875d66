//! `apfsim` for Python: scenarios and sweeps are loaded, changed and run, and results become data
//! frames without a file between.
//!
//! Runs are on threads of their own, without the interpreter's lock; the thread that called asks for
//! signals meanwhile ([`running`]). What is simulated, and what tables hold, is all in `scenarios`
//! and `reports`: nothing is computed here.

mod columns;
mod results;
mod running;
mod scenario;
mod sweep;
mod values;

use pyo3::prelude::*;

pyo3::create_exception!(
    apfsim,
    Error,
    pyo3::exceptions::PyValueError,
    "A scenario is wrong, a run failed, or files cannot be read or written."
);

/// What is wrong, as the command line would say it.
fn error(text: impl ToString) -> PyErr {
    Error::new_err(text.to_string())
}

#[pymodule]
mod apfsim {
    use std::path::PathBuf;

    use ::scenarios::FolderLock;
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::Error;
    #[pymodule_export]
    use super::results::Results;
    #[pymodule_export]
    use super::scenario::Scenario;
    #[pymodule_export]
    use super::sweep::Sweep;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", ::scenarios::VERSION)?;
        module.add("__build__", ::scenarios::BUILD)
    }

    /// Names and titles of the built-in scenarios.
    #[pyfunction]
    fn scenarios() -> Vec<(String, String)> {
        let all = ::scenarios::scenario::library::all().iter();
        let titled = all.filter_map(|entry| ::scenarios::Scenario::load(entry.name).ok());
        titled.map(|scenario| (scenario.name, scenario.title)).collect()
    }

    /// The results of a sweep whose parts, run with `--shard`, are in these folders; with `out` as files in a folder,
    /// too.
    #[pyfunction]
    #[pyo3(signature = (folders, out=None))]
    fn merge(py: Python<'_>, folders: Vec<PathBuf>, out: Option<PathBuf>) -> PyResult<Results> {
        let merged = py.detach(|| {
            let _held = FolderLock::hold(out.as_deref(), &[]).map_err(|it| it.to_string())?;
            let merged = ::scenarios::merge_with_sweep(&folders, out.as_deref());
            let (sweep, result) = merged.map_err(|it| it.to_string())?;
            let results = Results::of_sweep(result, sweep.claim());
            out.map_or(Ok(()), |out| results.keep(&out).map(drop).map_err(|it| it.to_string()))?;
            Ok(results)
        });
        merged.map_err(|wrong: String| super::error(wrong))
    }
}
