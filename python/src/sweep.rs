//! Sweeps.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use scenarios::{ScenarioError, ScenarioOverrides, SweepOverrides, run_sweep};

use crate::error;
use crate::results::Results;
use crate::running::Running;
use crate::scenario::Scenario;
use crate::values::{absolute, chosen, json, named, settings};

/// A scenario with some of its fields changed, many times.
#[pyclass(frozen, module = "apfsim")]
pub(crate) struct Sweep {
    file: String,
    sweep: scenarios::Sweep,
}

/// Axes as the command line has them: `FIELD=VALUES`.
pub(crate) fn axes(all: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    let mut axes = Vec::new();
    for (field, values) in all.cast::<PyDict>()?.iter() {
        let field: String = field.extract()?;
        let values = if values.is_instance_of::<PyString>() {
            values.extract()?
        } else {
            let each = values.try_iter()?.map(|value| json(&value?, false));
            each.collect::<PyResult<Vec<String>>>()?.join(",")
        };
        axes.push(format!("{field}={values}"));
    }
    Ok(axes)
}

/// What a command line may say of a sweep.
fn said(
    set: Option<&Bound<'_, PyDict>>,
    metrics: Vec<String>,
    policies: Option<Vec<String>>,
    seed: Option<u64>,
    replications: Option<u32>,
) -> PyResult<SweepOverrides> {
    let policies = chosen(policies, Vec::new())?;
    let scenario = ScenarioOverrides { policies, seed, replications };
    Ok(SweepOverrides { axes: Vec::new(), set: settings(set)?, metrics, scenario })
}

impl Sweep {
    /// A scenario's text along axes.
    pub(crate) fn of(
        file: &str,
        text: &str,
        axes: Vec<String>,
        metrics: Vec<String>,
        scenario: ScenarioOverrides,
    ) -> PyResult<Self> {
        let overrides = SweepOverrides { axes, set: Vec::new(), metrics, scenario };
        let made = |file: &str| scenarios::Sweep::from_str(file, text, &overrides);
        Self::made(file, true, made)
    }

    /// Files that its points name are those of now, wherever this process goes later.
    fn made(
        file: &str,
        in_folder: bool,
        make: impl Fn(&str) -> Result<scenarios::Sweep, ScenarioError>,
    ) -> PyResult<Self> {
        let made = |file: &str| make(file).map_err(|wrong| error(wrong.render()));
        let sweep = made(file)?;
        let mut points = sweep.points.iter();
        let moves = in_folder && !Path::new(file).is_absolute();
        if !moves || !points.any(|point| point.scenario.names_files()) {
            return Ok(Self { file: file.into(), sweep });
        }
        let file = absolute(file);
        Ok(Self { sweep: made(&file)?, file })
    }
}

#[pymethods]
impl Sweep {
    /// A built-in sweep by name, or a file by path.
    #[new]
    #[pyo3(signature = (source, *, set=None, metrics=Vec::new(), policies=None, seed=None, replications=None))]
    fn new(
        source: &Bound<'_, PyAny>,
        set: Option<&Bound<'_, PyDict>>,
        metrics: Vec<String>,
        policies: Option<Vec<String>>,
        seed: Option<u64>,
        replications: Option<u32>,
    ) -> PyResult<Self> {
        let source = named(source)?;
        let overrides = said(set, metrics, policies, seed, replications)?;
        let in_folder = Path::new(&source).is_file();
        Self::made(&source, in_folder, |file| scenarios::Sweep::load(file, &overrides))
    }

    /// A sweep from the text of a file.
    #[staticmethod]
    #[pyo3(signature = (text, file="sweep", *, set=None, metrics=Vec::new(), policies=None, seed=None, replications=None))]
    fn parse(
        text: &str,
        file: &str,
        set: Option<&Bound<'_, PyDict>>,
        metrics: Vec<String>,
        policies: Option<Vec<String>>,
        seed: Option<u64>,
        replications: Option<u32>,
    ) -> PyResult<Self> {
        let overrides = said(set, metrics, policies, seed, replications)?;
        Self::made(file, true, |file| scenarios::Sweep::from_str(file, text, &overrides))
    }

    /// All points; their runs share the threads. `out` is as for a scenario.
    #[pyo3(signature = (*, jobs=None, out=None, overwrite=false, progress=None))]
    fn run(
        &self,
        py: Python<'_>,
        jobs: Option<i64>,
        out: Option<PathBuf>,
        overwrite: bool,
        progress: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Results> {
        let running = Running { jobs, out, overwrite, progress };
        running.run(py, |options, progress| {
            Ok(Results::of_sweep(run_sweep(&self.sweep, options, progress)?, self.sweep.claim()))
        })
    }

    /// Short name.
    #[getter]
    fn name(&self) -> &str {
        &self.sweep.name
    }

    /// Which question it answers.
    #[getter]
    fn title(&self) -> &str {
        &self.sweep.title
    }

    /// Names of the axes.
    #[getter]
    fn axes(&self) -> Vec<String> {
        self.sweep.axes.iter().map(|axis| axis.name.clone()).collect()
    }

    /// What each point is called: its values, or the name of the variation.
    #[getter]
    fn labels(&self) -> Vec<String> {
        self.sweep.points.iter().map(|point| point.label.clone()).collect()
    }

    /// The scenario of each point, to be run one by one, here or elsewhere.
    fn scenarios(&self) -> PyResult<Vec<Scenario>> {
        let one = |point: &scenarios::experiments::sweep::Point| {
            let scenario = point.scenario.clone();
            let policies = scenario.policies.iter().map(|policy| policy.name.clone()).collect();
            let (seed, replications) = (Some(scenario.seed), Some(scenario.replications));
            let overrides = ScenarioOverrides { policies, seed, replications };
            if scenario.names_files() {
                // They lie beside the scenario, which may not be where the sweep is.
                let text = scenario.text_for_anywhere().map_err(|wrong| error(wrong.render()))?;
                return Scenario::read(&self.file, &text, &[], overrides);
            }
            Ok(Scenario { file: self.file.clone(), overrides, scenario })
        };
        self.sweep.points.iter().map(one).collect()
    }

    fn __len__(&self) -> usize {
        self.sweep.points.len()
    }

    fn __repr__(&self) -> String {
        format!("<Sweep {} of {} points>", self.sweep.name, self.sweep.points.len())
    }
}
