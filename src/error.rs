//! Why a command could not be carried out.

use std::io;

use reports::ReportError;
use scenarios::{RunnerError, ScenarioError};

/// Any failure, as told to the user. All lead to exit status 2.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The scenario is missing or wrong.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// A run failed.
    #[error(transparent)]
    Runner(#[from] RunnerError),
    /// A report could not be written.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// There is no processor preset of that name.
    #[error("there is no processor preset `{name}`\n  help: valid: {valid}")]
    Preset {
        /// What was asked for.
        name: String,
        /// The names there are.
        valid: String,
    },
    /// The result could not be printed.
    #[error("cannot write the result to standard output: {0}")]
    Output(#[from] io::Error),
}

impl CliError {
    /// The text for the user, with an excerpt of the scenario file where that helps.
    pub(crate) fn render(&self) -> String {
        match self {
            Self::Scenario(error) => error.render(),
            other => other.to_string(),
        }
    }
}
