//! Replay files: what is needed to repeat a run that broke an invariant.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{RunnerError, ScenarioError};
use crate::resolve::{Scenario, ScenarioOverrides};
use crate::results::FindingSummary;

/// Version of the form of replay files.
pub const REPLAY_FORMAT: u32 = 1;

/// A run that broke an invariant. The machine draws all its random numbers from the seed, so
/// scenario, policy and seed are the whole story.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayFile {
    /// Version of this form: [`REPLAY_FORMAT`].
    pub format: u32,
    /// Version of the program that met the breach.
    pub version: String,
    /// Hash of the scenario as it was run.
    pub scenario_hash: String,
    /// The whole scenario file.
    pub scenario: String,
    /// The policy that was run.
    pub policy: String,
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
        let text = fs::read_to_string(path)
            .map_err(|source| ReplayError::Read { path: path.into(), source })?;
        let broken = |error: serde_json::Error| ReplayError::Broken {
            path: path.into(),
            message: error.to_string(),
        };
        // The version decides how the rest is read.
        let value: serde_json::Value = serde_json::from_str(&text).map_err(broken)?;
        let format = value.get("format").and_then(serde_json::Value::as_u64).unwrap_or(0);
        if format != u64::from(REPLAY_FORMAT) {
            return Err(ReplayError::Format { path: path.into(), format });
        }
        serde_json::from_value(value).map_err(broken)
    }

    /// The scenario with the one policy of the run. Its seed is the scenario's own; the run's seed
    /// is [`Self::seed`].
    ///
    /// # Errors
    /// When the scenario is not valid for this program.
    pub fn scenario(&self) -> Result<Scenario, ReplayError> {
        let scenario = Scenario::from_str("replay", &self.scenario)?;
        let policies = vec![self.policy.clone()];
        let overrides = ScenarioOverrides { policies, ..ScenarioOverrides::default() };
        Ok(scenario.with_overrides(&overrides)?)
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), RunnerError> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| RunnerError::write(path, std::io::Error::other(error)))?;
        fs::write(path, text + "\n").map_err(|source| RunnerError::write(path, source))
    }
}
