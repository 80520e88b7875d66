//! Results.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use reports::page::Grid;
use reports::{Compared, Report, ReportError};
use scenarios::{Claim, Comparison, KeptScenario, SweepResult};

use crate::columns::{columns, metrics};
use crate::error;
use crate::running::hold;

/// The table that only runs for a folder have.
const SERIES: &str = "series";

/// What runs gave: of one scenario, or of the points of a sweep.
#[pyclass(frozen, module = "apfsim")]
pub(crate) struct Results {
    of: Of,
    claim: Claim,
}

enum Of {
    Comparison(Box<(Comparison, KeptScenario)>),
    Sweep(Box<SweepResult>),
}

impl Results {
    /// With the scenario, as files have it, and what claims a folder for them.
    pub(crate) fn of_comparison(
        comparison: Comparison,
        scenario: KeptScenario,
        claim: Claim,
    ) -> Self {
        Self { of: Of::Comparison(Box::new((comparison, scenario))), claim }
    }

    pub(crate) fn of_sweep(result: SweepResult, claim: Claim) -> Self {
        Self { of: Of::Sweep(Box::new(result)), claim }
    }

    /// Writes all files that `--out` would.
    pub(crate) fn keep(&self, folder: &Path) -> Result<Vec<PathBuf>, ReportError> {
        let scenario = match &self.of {
            Of::Comparison(of) => &of.1,
            Of::Sweep(result) => &result.scenario,
        };
        self.with(|report| reports::keep(folder, report, scenario))
    }

    fn with<T>(&self, read: impl FnOnce(&dyn Report) -> T) -> T {
        match &self.of {
            Of::Comparison(of) => read(&Compared::kept(&of.0)),
            Of::Sweep(result) => read(result.as_ref()),
        }
    }

    fn grid(&self, table: &str) -> PyResult<Grid> {
        let mut tables = self.with(|report| report.tables());
        match tables.iter().position(|(name, _)| *name == table) {
            Some(place) => Ok(tables.swap_remove(place).1),
            None if table == SERIES && matches!(self.of, Of::Comparison(_)) => Err(error(
                "these runs were not followed over time\n  help: give `out`, a folder, and there is a table `series`",
            )),
            None => {
                let names: Vec<&str> = tables.iter().map(|(name, _)| *name).collect();
                let help = format!("there is no table `{table}`\n  help: {}", names.join(", "));
                Err(error(help))
            }
        }
    }
}

#[pymethods]
impl Results {
    /// A table as a dictionary from names of columns to lists: `runs`, with a row a run and the
    /// columns of `runs.csv` and metrics that none of the runs defines, or another of `tables`. What a run does not
    /// define is `missing`.
    #[pyo3(signature = (table="runs", missing=None))]
    fn columns<'py>(
        &self,
        py: Python<'py>,
        table: &str,
        missing: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        columns(py, &self.grid(table)?, missing.as_ref())
    }

    /// A table as a data frame of pandas.
    #[pyo3(signature = (table="runs"))]
    fn pandas<'py>(&self, py: Python<'py>, table: &str) -> PyResult<Bound<'py, PyAny>> {
        let nan = pyo3::types::PyFloat::new(py, f64::NAN).into_any();
        let columns = columns(py, &self.grid(table)?, Some(&nan))?;
        py.import("pandas")?.getattr("DataFrame")?.call1((columns,))
    }

    /// A table as a data frame of polars.
    #[pyo3(signature = (table="runs"))]
    fn polars<'py>(&self, py: Python<'py>, table: &str) -> PyResult<Bound<'py, PyAny>> {
        let polars = py.import("polars")?;
        let columns = columns(py, &self.grid(table)?, None)?;
        let options = PyDict::new(py);
        if columns.contains("run_seed")? {
            // Seeds use all 64 bits, which polars does not guess; nor does it what has no value.
            let types = PyDict::new(py);
            for metric in metrics(&columns)? {
                types.set_item(metric, polars.getattr("Float64")?)?;
            }
            types.set_item("run_seed", polars.getattr("UInt64")?)?;
            options.set_item("schema_overrides", types)?;
        }
        polars.getattr("DataFrame")?.call((columns,), Some(&options))
    }

    /// Names of the tables.
    #[getter]
    fn tables(&self) -> Vec<&'static str> {
        self.with(|report| report.tables().iter().map(|(name, _)| *name).collect())
    }

    /// All of it, as `--format json` has it: of a sweep a list with a dictionary a point.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let text = self.with(|report| report.object());
        let loads = py.import("json")?.getattr("loads")?;
        match &self.of {
            Of::Comparison(_) => loads.call1((text,)),
            Of::Sweep(_) => {
                let points: PyResult<Vec<_>> =
                    text.lines().map(|line| loads.call1((line,))).collect();
                Ok(points?.into_pyobject(py)?.into_any())
            }
        }
    }

    /// The table that the command line prints.
    fn table(&self) -> String {
        self.with(|report| report.page().plain())
    }

    /// Writes the files of `--out` into a folder, and gives their paths: tables, plots, the scenario and `report.html`.
    /// What runs did over time is among them only if they were given `out`. A folder of other results is refused,
    /// unless these are to be removed.
    #[pyo3(signature = (folder, *, overwrite=false))]
    fn write(&self, py: Python<'_>, folder: PathBuf, overwrite: bool) -> PyResult<Vec<PathBuf>> {
        let written = py.detach(|| {
            let _held = hold(Some(&folder), overwrite)?;
            self.claim.take(&folder).map_err(|it| it.to_string())?;
            self.keep(&folder).map_err(|it| it.to_string())
        });
        written.map_err(error)
    }

    /// Equal for equal results, record by record.
    #[getter]
    fn digest(&self) -> String {
        match &self.of {
            Of::Comparison(of) => of.0.digest.to_string(),
            Of::Sweep(result) => result.digest.to_string(),
        }
    }

    /// Whether an invariant was broken that the policy is not known to break.
    #[getter]
    fn has_violation(&self) -> bool {
        match &self.of {
            Of::Comparison(of) => of.0.has_violation(),
            Of::Sweep(result) => result.has_violation(),
        }
    }

    fn __str__(&self) -> String {
        self.table()
    }

    fn __repr__(&self) -> String {
        let name = match &self.of {
            Of::Comparison(of) => &of.0.scenario,
            Of::Sweep(result) => &result.sweep,
        };
        format!("<Results of {name}, digest {}>", self.digest())
    }
}
