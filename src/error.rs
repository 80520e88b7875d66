//! Why a command could not be carried out.

use std::io;
use std::path::PathBuf;

use reports::ReportError;
use scenarios::experiments::suite::SuiteError;
use scenarios::experiments::why::WhyError;
use scenarios::{
    AnatomyError, CheckError, CrossoverError, DeviceFitError, FitError, PagesError,
    RequestAnatomyError, RunnerError, ScenarioError, ShardError,
};

/// Any failure, as told to the user. All lead to exit status 2.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The scenario is missing or wrong.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// A run failed.
    #[error(transparent)]
    Runner(#[from] RunnerError),
    /// There is no anatomy of a request.
    #[error(transparent)]
    Requests(#[from] RequestAnatomyError),
    /// There is no anatomy of a fault.
    #[error(transparent)]
    Anatomy(#[from] AnatomyError),
    /// There is no request or fault to explain.
    #[error(transparent)]
    Why(#[from] WhyError),
    /// A report could not be written.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// A part of a sweep cannot be run, or parts cannot be merged.
    #[error(transparent)]
    Shard(ShardError),
    /// There is no answer to where policies are equal.
    #[error(transparent)]
    Crossover(CrossoverError),
    /// There is no preset of that name.
    #[error("there is no preset `{name}`\n  help: {help}")]
    Preset {
        /// What was asked for.
        name: String,
        /// The likeliest name and the names there are.
        help: String,
    },
    /// There is no generation of that name.
    #[error("there is no generation `{name}`\n  help: {help}")]
    Generation {
        /// What was asked for.
        name: String,
        /// The likeliest name and the names there are.
        help: String,
    },
    /// There is no invariant of that number.
    #[error("there is no invariant `{name}`\n  help: {help}")]
    Invariant {
        /// What was asked for.
        name: String,
        /// The first and the last of them.
        help: String,
    },
    /// There is no such entry of the zoo.
    #[error("there is no entry `{name}` in the zoo\n  help: {help}")]
    Zoo {
        /// What was asked for.
        name: String,
        /// The likeliest id and the ids there are.
        help: String,
    },
    /// A world cannot be explored as asked, or a file of it cannot be read or written.
    #[error("{0}")]
    Explore(String),
    /// There is nothing to test.
    #[error(transparent)]
    Places(#[from] SuiteError),
    /// Some files of a suite are wrong, or their runs failed.
    #[error("{files} scenario files cannot be run\n{errors}")]
    Suite {
        /// How many.
        files: usize,
        /// What is wrong with each.
        errors: String,
    },
    /// A file that is there is not overwritten.
    #[error("`{path}` is there already\n  help: name another file, or remove it")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file that is there is overwritten only if that is asked for.
    #[error("`{path}` is there already\n  help: name another file, or say --overwrite")]
    NotOverwritten {
        /// The file.
        path: PathBuf,
    },
    /// A folder has results of something else.
    #[error(
        "`{path}` holds results of another scenario, or of other settings or another seed\n  \
         help: name another folder; results of one scenario go into one folder"
    )]
    Mixed {
        /// The folder.
        path: PathBuf,
    },
    /// Questions cannot be asked or answered.
    #[error("cannot ask on this terminal: {0}\n  help: `--yes` asks nothing; flags answer before")]
    Answers(io::Error),
    /// A file could not be written.
    #[error("cannot write `{path}`: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A scenario that failed could not be written, or the search could not be set up.
    #[error("{0}")]
    Fuzz(String),
    /// A log cannot be checked.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// No scenario can be made of a log.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// No device can be made of a measurement.
    #[error(transparent)]
    FitDevice(#[from] DeviceFitError),
    /// No pages can be read out of a log.
    #[error(transparent)]
    FitPages(#[from] PagesError),
    /// The result has nothing that is printed so.
    #[error(
        "this result is nothing that can be printed as `{0}`\n  help: `table` and `json` always can"
    )]
    Format(&'static str),
    /// The result could not be printed.
    #[error("cannot write the result to standard output: {0}")]
    Output(#[from] io::Error),
}

impl From<ShardError> for CliError {
    fn from(error: ShardError) -> Self {
        match error {
            ShardError::Scenario(error) => Self::Scenario(error),
            ShardError::Runner(error) => Self::Runner(error),
            other => Self::Shard(other),
        }
    }
}

impl From<CrossoverError> for CliError {
    fn from(error: CrossoverError) -> Self {
        match error {
            CrossoverError::Scenario(error) => Self::Scenario(error),
            CrossoverError::Runner(error) => Self::Runner(error),
            other => Self::Crossover(other),
        }
    }
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
