//! What became of a scenario.

use std::fmt;

use serde::Serialize;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The program failed in a way that it should not.
    Panic,
    /// A run has no end, and does not stop with what spins.
    Bound,
    /// Running ahead or another queue gives another result.
    Difference,
    /// The runner, with several jobs, gives another result.
    Jobs,
    /// Another build of the program gives another result.
    Build,
    /// A built-in policy violates an invariant.
    Violation,
    /// `check` accuses the trace of a run that is clean, or counts other requests in it.
    Check,
    /// A refusal that does not say where or what would be right.
    Refusal,
}

impl FailureKind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Panic,
        Self::Bound,
        Self::Difference,
        Self::Jobs,
        Self::Build,
        Self::Violation,
        Self::Check,
        Self::Refusal,
    ];

    /// A word for file names and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Bound => "bound",
            Self::Difference => "difference",
            Self::Jobs => "jobs",
            Self::Build => "build",
            Self::Violation => "violation",
            Self::Check => "check",
            Self::Refusal => "refusal",
        }
    }

    /// What it means.
    pub const fn describes(self) -> &'static str {
        match self {
            Self::Panic => "the program failed where it must not",
            Self::Bound => "a run has no end and does not say what spins",
            Self::Difference => "stepped and ahead, or two queues, differ",
            Self::Jobs => "several jobs give another result",
            Self::Build => "the other build gives another result",
            Self::Violation => "a built-in policy violates an invariant",
            Self::Check => "check accuses or miscounts the trace of a clean run",
            Self::Refusal => "a refusal without place or help",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A failure and how it shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What is wrong.
    pub kind: FailureKind,
    /// Which way, which policy, what was found.
    pub message: String,
}

impl Failure {
    pub(super) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// What became of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All ways agree.
    Agreed {
        /// Runs of one way.
        runs: u64,
        /// Runs whose end was not followed to the bound of liveness.
        cut: u64,
    },
    /// The scenario was refused, with its place and what would be right.
    Refused(String),
    /// All ways stop with the same error.
    Stopped(String),
    /// It ends, but its prefill alone takes more events than a run may have.
    TooLong,
    /// Something is wrong.
    Failed(Failure),
}
