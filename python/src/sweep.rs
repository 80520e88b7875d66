//! Sweeps.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use scenarios::{ScenarioOverrides, SweepOverrides, run_sweep};

use crate::error;
use crate::results::Results;
use crate::running::Running;
use crate::scenario::{Scenario, settings};

/// A scenario with some of its fields changed, many times.
#[pyclass(frozen, module = "apfsim")]
pub(crate) struct Sweep {
    file: String,
    sweep: scenarios::Sweep,
}

/// Axes as the command line has them: `FIELD=VALUES`.
pub(crate) fn axes(all: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    let dumps = all.py().import("json")?.getattr("dumps")?;
    let mut axes = Vec::new();
    for (field, values) in all.cast::<PyDict>()?.iter() {
        let field: String = field.extract()?;
        let values = if values.is_instance_of::<PyString>() {
            values.extract()?
        } else {
            let each = values.try_iter()?.map(|value| dumps.call1((value?,))?.extract());
            each.collect::<PyResult<Vec<String>>>()?.join(",")
        };
        axes.push(format!("{field}={values}"));
    }
    Ok(axes)
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
        let sweep = scenarios::Sweep::from_str(file, text, &overrides);
        let sweep = sweep.map_err(|wrong| error(wrong.render()))?;
        Ok(Self { file: file.into(), sweep })
    }
}

#[pymethods]
impl Sweep {
    /// A built-in sweep by name, or a file by path.
    #[new]
    #[pyo3(signature = (source, *, set=None, metrics=Vec::new(), policies=Vec::new(), seed=None, replications=None))]
    fn new(
        py: Python<'_>,
        source: &str,
        set: Option<&Bound<'_, PyDict>>,
        metrics: Vec<String>,
        policies: Vec<String>,
        seed: Option<u64>,
        replications: Option<u32>,
    ) -> PyResult<Self> {
        let scenario = ScenarioOverrides { policies, seed, replications };
        let set = settings(py, set)?;
        let overrides = SweepOverrides { axes: Vec::new(), set, metrics, scenario };
        let sweep = scenarios::Sweep::load(source, &overrides);
        let sweep = sweep.map_err(|wrong| error(wrong.render()))?;
        Ok(Self { file: source.into(), sweep })
    }

    /// All points; their runs share the threads.
    #[pyo3(signature = (*, jobs=None, out=None, progress=None))]
    fn run(
        &self,
        py: Python<'_>,
        jobs: Option<u16>,
        out: Option<PathBuf>,
        progress: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Results> {
        let running = Running { jobs, out, progress };
        running
            .run(py, |options, progress| run_sweep(&self.sweep, options, progress))
            .map(Results::of_sweep)
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
    fn scenarios(&self) -> Vec<Scenario> {
        let one = |point: &scenarios::experiments::sweep::Point| {
            let scenario = point.scenario.clone();
            let policies = scenario.policies.iter().map(|policy| policy.name.clone()).collect();
            let (seed, replications) = (Some(scenario.seed), Some(scenario.replications));
            let overrides = ScenarioOverrides { policies, seed, replications };
            Scenario { file: self.file.clone(), overrides, scenario }
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
