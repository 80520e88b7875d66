//! Runs of the first way.

use models::machine::RunError;

use crate::run::stored::StoredRun;

/// A run of the first way.
pub(super) struct Ran {
    pub(super) stored: StoredRun,
    /// What waited at its end was not followed to the end.
    pub(super) cut: bool,
    /// Its trace as a kernel prints it.
    pub(super) text: Vec<u8>,
    /// Requests that were announced, and page readies, in the trace.
    pub(super) not_present: u64,
    pub(super) ready: u64,
}

/// All runs of the first way.
pub(super) type Results = Vec<Result<Ran, RunError>>;
