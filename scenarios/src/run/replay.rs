//! Replay files: what is needed to repeat a run that broke an invariant.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::run::checksum::{self, ChecksumError};
use crate::run::error::RunnerError;
use crate::run::files;
use crate::run::results::FindingSummary;
use crate::scenario::canonical;
use crate::scenario::resolve::{Scenario, ScenarioOverrides};
use crate::syntax::error::ScenarioError;

/// Version of the form of replay files.
pub const REPLAY_FORMAT: u32 = 3;

/// A run that broke an invariant. The machine draws all its random numbers from the seed, so
/// scenario, policy and seed are the whole story. The file ends with a checksum over all of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayFile {
    /// Version of this form: [`REPLAY_FORMAT`].
    pub format: u32,
    /// Version of the program that met the breach.
    pub version: String,
    /// Its build: see [`crate::version::BUILD`].
    pub build: String,
    /// Hash of the scenario as it was run.
    pub scenario_hash: String,
    /// The whole scenario file, with devices in it and other files under their whole paths.
    pub scenario: String,
    /// Hash of machine, workload and times in it.
    pub setup_hash: String,
    /// Seed of the scenario. `apfsim compare` with it, the policy and `replication + 1` replications
    /// repeats the run.
    pub scenario_seed: u64,
    /// Number of the point, of a sweep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<u32>,
    /// The policy that was run.
    pub policy: String,
    /// Hash of its rules.
    pub policy_hash: String,
    /// Which replication it was.
    pub replication: u32,
    /// The seed of the run itself (not of the scenario).
    pub seed: u64,
    /// The event queue that was used.
    pub queue: String,
    /// Whether bursts were skipped.
    pub skip: bool,
    /// The first violation.
    pub violation: FindingSummary,
}

/// Why a replay file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It is not a replay file.
    #[error("`{path}` is not a replay file: {message}")]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// It is of another version of the form.
    #[error("`{path}` has replay format {format}; this version reads {REPLAY_FORMAT}")]
    Format {
        /// The file.
        path: PathBuf,
        /// Its version.
        format: u64,
    },
    /// Its checksum does not vouch for it.
    #[error(
        "`{path}` cannot be believed: {source}\n  help: run the scenario again to have it written anew"
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// What is wrong with the checksum.
        source: ChecksumError,
    },
    /// This program makes something else of scenario or policy than the one that wrote the file.
    #[error(
        "{what} is another one in this program (build {}) than in the one that wrote the replay file \
         (build {build})\n  help: replay it with that program, or run the scenario again",
        crate::version::BUILD
    )]
    Other {
        /// What differs.
        what: String,
        /// The build that wrote the file.
        build: String,
    },
    /// Its scenario is not valid for this program.
    #[error("the scenario in the replay file: {0}")]
    Scenario(#[from] ScenarioError),
}

impl ReplayFile {
    /// Reads a replay file.
    ///
    /// # Errors
    /// When it cannot be read, is none, or is of another version.
    pub fn load(path: &Path) -> Result<Self, ReplayError> {
        let text = files::read_named(path)
            .map_err(|source| ReplayError::Read { path: path.into(), source })?;
        let broken = |error: serde_json::Error| ReplayError::Broken {
            path: path.into(),
            message: error.to_string(),
        };
        // The version decides how the rest is read.
        let mut value: Value = serde_json::from_str(&text).map_err(broken)?;
        let format = value.get("format").and_then(Value::as_u64).unwrap_or(0);
        if format != u64::from(REPLAY_FORMAT) {
            return Err(ReplayError::Format { path: path.into(), format });
        }
        checksum::unseal(&mut value)
            .map_err(|source| ReplayError::Changed { path: path.into(), source })?;
        serde_json::from_value(value).map_err(broken)
    }

    /// The scenario with the one policy of the run. Its seed is the scenario's own; the run's seed
    /// is [`Self::seed`].
    ///
    /// # Errors
    /// When the scenario is not valid for this program, or when it, or the policy of that name, is
    /// not what was run.
    pub fn scenario(&self) -> Result<Scenario, ReplayError> {
        let scenario = Scenario::from_str("replay", &self.scenario)?;
        let policies = vec![self.policy.clone()];
        let overrides = ScenarioOverrides { policies, ..ScenarioOverrides::default() };
        let scenario = scenario.with_overrides(&overrides)?;
        let other = |what: String| Err(ReplayError::Other { what, build: self.build.clone() });
        if canonical::setup_hash(&scenario) != self.setup_hash {
            return other("the scenario".into());
        }
        match scenario.policies.first().map(canonical::policy_hash) {
            Some(hash) if hash == self.policy_hash => Ok(scenario),
            _ => other(format!("the policy `{}`", self.policy)),
        }
    }

    /// Name of the file, which no other run of its folder shares. `setup` is that of stored runs:
    /// empty where the folder has only one.
    pub(crate) fn file_name(&self, setup: &str) -> String {
        let Self { policy, replication, .. } = self;
        let part = match (self.point, setup.get(..8)) {
            (Some(point), _) => format!("{point}-"),
            (None, Some(setup)) => format!("{setup}-"),
            (None, None) => String::new(),
        };
        format!("replay-{part}{policy}-{replication}.json")
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), RunnerError> {
        let fail = |source| RunnerError::write(path, source);
        let value = serde_json::to_value(self).map_err(|error| fail(error.into()));
        let mut value = value?;
        checksum::seal(&mut value);
        files::write_file(path, format!("{value:#}\n").as_bytes()).map_err(fail)
    }
}
