//! Scenarios.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use scenarios::{Claim, ScenarioOverrides, run_comparison};

use crate::error;
use crate::results::Results;
use crate::running::Running;
use crate::sweep::{Sweep, axes};
use crate::values::{absolute, chosen, json, named, settings};

/// A scenario. It never changes: `set` and `replace` give another one.
#[pyclass(frozen, module = "apfsim")]
pub(crate) struct Scenario {
    /// Its name in messages; files that it names are looked for beside it.
    pub(crate) file: String,
    pub(crate) overrides: ScenarioOverrides,
    pub(crate) scenario: scenarios::Scenario,
}

impl Scenario {
    fn with(&self, overrides: ScenarioOverrides) -> PyResult<Self> {
        let scenario = self.scenario.clone().with_overrides(&overrides);
        let scenario = scenario.map_err(|wrong| error(wrong.render()))?;
        Ok(Self { file: self.file.clone(), overrides, scenario })
    }

    /// Reads a text. Files that it names are those of now, wherever this process goes later.
    pub(crate) fn read(
        file: &str,
        text: &str,
        settings: &[String],
        overrides: ScenarioOverrides,
    ) -> PyResult<Self> {
        let made = |file: &str| {
            scenarios::Scenario::from_str_with(file, text, settings)
                .and_then(|scenario| scenario.with_overrides(&overrides))
                .map_err(|wrong| error(wrong.render()))
        };
        let scenario = made(file)?;
        if Path::new(file).is_absolute() || !scenario.names_files() {
            return Ok(Self { file: file.into(), overrides, scenario });
        }
        let file = absolute(file);
        let scenario = made(&file)?;
        Ok(Self { file, overrides, scenario })
    }
}

#[pymethods]
impl Scenario {
    /// A built-in scenario by name, a file by path, or a dictionary with what a file has.
    #[new]
    fn new(source: &Bound<'_, PyAny>) -> PyResult<Self> {
        if source.is_instance_of::<PyDict>() {
            return Self::parse(&json(source, true)?, "scenario");
        }
        let source = named(source)?;
        let scenario = scenarios::Scenario::load(&source);
        let scenario = scenario.map_err(|wrong| error(wrong.render()))?;
        let overrides = ScenarioOverrides::default();
        match scenario.names_files() && Path::new(&source).is_file() {
            true => Self::read(&source, &scenario.text, &[], overrides),
            false => Ok(Self { file: source, overrides, scenario }),
        }
    }

    /// A scenario from the text of a file.
    #[staticmethod]
    #[pyo3(signature = (text, file="scenario"))]
    fn parse(text: &str, file: &str) -> PyResult<Self> {
        Self::read(file, text, &[], ScenarioOverrides::default())
    }

    /// The scenario with other values of fields, named by their paths.
    fn set(&self, changes: &Bound<'_, PyDict>) -> PyResult<Self> {
        let settings = settings(Some(changes))?;
        Self::read(&self.file, &self.scenario.text, &settings, self.overrides.clone())
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
            policies: chosen(policies, old.policies)?,
            seed: seed.or(old.seed),
            replications: replications.or(old.replications),
        })
    }

    /// All policies and replications. With `out` a folder gets the files of `--out`, and keeps finished runs, so that
    /// the next call goes on with them.
    #[pyo3(signature = (*, jobs=None, out=None, overwrite=false, progress=None))]
    fn compare(
        &self,
        py: Python<'_>,
        jobs: Option<i64>,
        out: Option<PathBuf>,
        overwrite: bool,
        progress: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Results> {
        let scenario = self.scenario.as_run(&self.overrides);
        let scenario = scenario.map_err(|wrong| error(wrong.render()))?;
        let running = Running { jobs, out, overwrite, progress };
        running.run(py, |options, progress| {
            let comparison = run_comparison(&self.scenario, options, progress)?;
            Ok(Results::of_comparison(comparison, scenario, Claim::of(&self.scenario)))
        })
    }

    /// One policy, by default the last one, which scenarios are about.
    #[pyo3(signature = (policy=None, *, replications=1, jobs=None, out=None, overwrite=false, progress=None))]
    #[expect(clippy::too_many_arguments, reason = "each is one of Python's, by name")]
    fn run(
        &self,
        py: Python<'_>,
        policy: Option<String>,
        replications: u32,
        jobs: Option<i64>,
        out: Option<PathBuf>,
        overwrite: bool,
        progress: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Results> {
        let last = self.scenario.policies.last().map(|policy| policy.name.clone());
        let policies = policy.or(last).into_iter().collect();
        let replications = Some(replications);
        let one =
            self.with(ScenarioOverrides { policies, replications, ..self.overrides.clone() })?;
        one.compare(py, jobs, out, overwrite, progress)
    }

    /// The scenario along axes: lists of values, or a range such as `"50us..5ms/9"`, by paths of
    /// fields (several between commas), with `NAME:` before the path for a name of its own.
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
        let text = self.scenario.text_for_anywhere().map_err(|wrong| error(wrong.render()))?;
        let hash = self.scenario.hash();
        let state = (self.file.as_str(), text.as_ref(), policies, seed, replications, hash);
        Ok((restore, state.into_pyobject(py)?))
    }

    #[staticmethod]
    fn _restore(
        file: &str,
        text: &str,
        policies: Vec<String>,
        seed: Option<u64>,
        replications: Option<u32>,
        hash: &str,
    ) -> PyResult<Self> {
        let overrides = ScenarioOverrides { policies, seed, replications };
        let restored = Self::read(file, text, &[], overrides)?;
        let here = restored.scenario.hash();
        if here == hash {
            return Ok(restored);
        }
        let Self { scenario, .. } = restored;
        Err(error(format!(
            "scenario `{}` is another one here: hash {here} instead of {hash}\n  help: a file that it names holds \
             something else than where the scenario was made, or this is another build of apfsim",
            scenario.name
        )))
    }
}
