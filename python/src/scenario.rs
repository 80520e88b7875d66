//! Scenarios.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use scenarios::{ScenarioOverrides, run_comparison};

use crate::error;
use crate::results::Results;
use crate::running::Running;
use crate::sweep::{Sweep, axes};

/// A scenario. It never changes: `set` and `replace` give another one.
#[pyclass(frozen, module = "apfsim")]
pub(crate) struct Scenario {
    /// Its name in messages; files that it names are looked for beside it.
    pub(crate) file: String,
    pub(crate) overrides: ScenarioOverrides,
    pub(crate) scenario: scenarios::Scenario,
}

/// `FIELD=VALUE`, the value as it would stand in a file.
pub(crate) fn settings(
    py: Python<'_>,
    changes: Option<&Bound<'_, PyDict>>,
) -> PyResult<Vec<String>> {
    let Some(changes) = changes else { return Ok(Vec::new()) };
    let dumps = py.import("json")?.getattr("dumps")?;
    let one = |(field, value): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
        let (field, value): (String, String) =
            (field.extract()?, dumps.call1((value,))?.extract()?);
        Ok(format!("{field}={value}"))
    };
    changes.iter().map(one).collect()
}

impl Scenario {
    fn with(&self, overrides: ScenarioOverrides) -> PyResult<Self> {
        let scenario = self.scenario.clone().with_overrides(&overrides);
        let scenario = scenario.map_err(|wrong| error(wrong.render()))?;
        Ok(Self { file: self.file.clone(), overrides, scenario })
    }
}

#[pymethods]
impl Scenario {
    /// A built-in scenario by name, or a file by path.
    #[new]
    fn new(source: &str) -> PyResult<Self> {
        let scenario = scenarios::Scenario::load(source);
        let scenario = scenario.map_err(|wrong| error(wrong.render()))?;
        Ok(Self { file: source.into(), overrides: ScenarioOverrides::default(), scenario })
    }

    /// A scenario from the text of a file.
    #[staticmethod]
    #[pyo3(signature = (text, file="scenario"))]
    fn parse(text: &str, file: &str) -> PyResult<Self> {
        let scenario = scenarios::Scenario::from_str(file, text);
        let scenario = scenario.map_err(|wrong| error(wrong.render()))?;
        Ok(Self { file: file.into(), overrides: ScenarioOverrides::default(), scenario })
    }

    /// The scenario with other values of fields, named by their paths.
    fn set(&self, py: Python<'_>, changes: &Bound<'_, PyDict>) -> PyResult<Self> {
        let settings = settings(py, Some(changes))?;
        let scenario =
            scenarios::Scenario::from_str_with(&self.file, &self.scenario.text, &settings)
                .and_then(|scenario| scenario.with_overrides(&self.overrides));
        let scenario = scenario.map_err(|wrong| error(wrong.render()))?;
        Ok(Self { file: self.file.clone(), overrides: self.overrides.clone(), scenario })
    }

    /// The scenario with other policies, seed or number of replications.
    #[pyo3(signature = (*, policies=None, seed=None, replications=None))]
    fn replace(
        &self,
        policies: Option<Vec<String>>,
        seed: Option<u64>,
        replications: Option<u32>,
    ) -> PyResult<Self> {
        let old = self.overrides.clone();
        self.with(ScenarioOverrides {
            policies: policies.unwrap_or(old.policies),
            seed: seed.or(old.seed),
            replications: replications.or(old.replications),
        })
    }

    /// All policies and replications.
    #[pyo3(signature = (*, jobs=None, out=None, progress=None))]
    fn compare(
        &self,
        py: Python<'_>,
        jobs: Option<u16>,
        out: Option<PathBuf>,
        progress: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Results> {
        let running = Running { jobs, out, progress };
        running
            .run(py, |options, progress| run_comparison(&self.scenario, options, progress))
            .map(Results::of_comparison)
    }

    /// One policy, by default the last one, which scenarios are about.
    #[pyo3(signature = (policy=None, *, replications=1, jobs=None, out=None, progress=None))]
    fn run(
        &self,
        py: Python<'_>,
        policy: Option<String>,
        replications: u32,
        jobs: Option<u16>,
        out: Option<PathBuf>,
        progress: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Results> {
        let last = self.scenario.policies.last().map(|policy| policy.name.clone());
        let policies = policy.or(last).into_iter().collect();
        let replications = Some(replications);
        let one =
            self.with(ScenarioOverrides { policies, replications, ..self.overrides.clone() })?;
        one.compare(py, jobs, out, progress)
    }

    /// The scenario along axes: lists of values, or a range such as `"50us..5ms/9"`, by paths of
    /// fields (several between commas).
    #[pyo3(signature = (axes, *, metrics=Vec::new()))]
    fn sweep(
        &self,
        #[pyo3(from_py_with = axes)] axes: Vec<String>,
        metrics: Vec<String>,
    ) -> PyResult<Sweep> {
        Sweep::of(&self.file, &self.scenario.text, axes, metrics, self.overrides.clone())
    }

    /// Short name.
    #[getter]
    fn name(&self) -> &str {
        &self.scenario.name
    }

    /// Which question it answers.
    #[getter]
    fn title(&self) -> &str {
        &self.scenario.title
    }

    /// Names what is simulated.
    #[getter]
    fn hash(&self) -> String {
        self.scenario.hash()
    }

    /// Its text, as read or as changed.
    #[getter]
    fn text(&self) -> &str {
        &self.scenario.text
    }

    /// Names of the policies.
    #[getter]
    fn policies(&self) -> Vec<String> {
        self.scenario.policies.iter().map(|policy| policy.name.clone()).collect()
    }

    /// Name of the policy that others are compared with.
    #[getter]
    fn baseline(&self) -> &str {
        &self.scenario.baseline
    }

    /// Seed of all random numbers.
    #[getter]
    fn seed(&self) -> u64 {
        self.scenario.seed
    }

    /// Runs of each policy.
    #[getter]
    fn replications(&self) -> u32 {
        self.scenario.replications
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.scenario.seed == other.scenario.seed && self.scenario.hash() == other.scenario.hash()
    }

    fn __hash__(&self) -> u64 {
        let hash = self.scenario.hash();
        u64::from_str_radix(&hash[..16], 16).unwrap_or_default() ^ self.scenario.seed
    }

    fn __repr__(&self) -> String {
        let Self { scenario, .. } = self;
        format!("<Scenario {} ({}) seed {}>", scenario.name, scenario.hash(), scenario.seed)
    }

    /// For workers in other processes.
    fn __reduce__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let restore = py.get_type::<Self>().getattr("_restore")?;
        let ScenarioOverrides { policies, seed, replications } = self.overrides.clone();
        let text: &str = &self.scenario.text;
        let state = (self.file.as_str(), text, policies, seed, replications);
        Ok((restore, state.into_pyobject(py)?))
    }

    #[staticmethod]
    fn _restore(
        file: &str,
        text: &str,
        policies: Vec<String>,
        seed: Option<u64>,
        replications: Option<u32>,
    ) -> PyResult<Self> {
        Self::parse(text, file)?.with(ScenarioOverrides { policies, seed, replications })
    }
}
