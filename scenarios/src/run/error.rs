//! Why runs fail, and what becomes of those that were finished.

use std::any::Any;
use std::io;
use std::path::{Path, PathBuf};

/// Why a comparison could not be finished. Runs that finished before are kept.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// The machine gave up a run.
    #[error("policy `{policy}`, replication {replication} (seed {seed}): {source}")]
    Run {
        /// The policy; the word `prefill` before policies part.
        policy: String,
        /// The replication, from 0.
        replication: u32,
        /// The seed of the run.
        seed: u64,
        /// The machine's reason.
        source: models::machine::RunError,
    },
    /// The machine failed in a way that it should not: a mistake in the program.
    #[error(
        "the simulator failed in policy `{policy}`, replication {replication} (seed {seed}): \
         {message}\n  help: this is a mistake in apfsim; the seed and the scenario repeat it"
    )]
    Panic {
        /// The policy; the word `prefill` before policies part.
        policy: String,
        /// The replication, from 0.
        replication: u32,
        /// The seed of the run.
        seed: u64,
        /// What the panic said.
        message: String,
    },
    /// Results cannot be written.
    #[error("cannot write `{path}`: {source}")]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Results cannot be written, after some were.
    #[error(
        "cannot write `{path}`: {source}\n  help: finished runs are kept; the same command goes on with them"
    )]
    WriteMore {
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The directory for results cannot be made.
    #[error("cannot make the directory `{path}`: {source}")]
    Folder {
        /// The directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The trace of a run cannot be written.
    #[error(
        "cannot write the trace `{path}`: {source}\n  help: the run was stopped; name a file that can \
         be written, with room for about 130 bytes a line, or end its name in .gz"
    )]
    Trace {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Stored runs cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A stored run is damaged.
    #[error(
        "`{path}`, line {line}: {message}\n  \
         help: remove the line to have its run repeated, or the file to run all anew"
    )]
    Broken {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        message: String,
    },
    /// The directory holds runs of something else.
    #[error(
        "`{path}` holds runs of {difference}\n  help: choose another directory, remove the file, or give --overwrite"
    )]
    OtherRuns {
        /// The file.
        path: PathBuf,
        /// What differs.
        difference: String,
    },
    /// Another process writes to the directory.
    #[error(
        "another apfsim is writing to `{path}`\n  help: wait for it, or choose another directory"
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// One of several scenarios failed: a point of a sweep, or a file of a suite.
    #[error("{label}: {source}")]
    Point {
        /// Number and values of the point, or the file.
        label: String,
        /// What happened.
        source: Box<RunnerError>,
    },
    /// Whoever asked for the runs ended them.
    #[error("stopped; runs that were finished before are kept")]
    Stopped,
    /// Threads could not be started.
    #[error("cannot start {jobs} threads: {source}")]
    Threads {
        /// How many were asked for.
        jobs: usize,
        /// The reason.
        source: rayon::ThreadPoolBuildError,
    },
}

impl RunnerError {
    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        Self::Write { path: path.into(), source }
    }

    /// That a file of a folder cannot be written, which may keep finished runs.
    pub(crate) fn write_in(keeps_runs: bool, path: &Path, source: io::Error) -> Self {
        match keeps_runs {
            true => Self::WriteMore { path: path.into(), source },
            false => Self::write(path, source),
        }
    }

    pub(crate) fn trace(path: &Path, source: io::Error) -> Self {
        Self::Trace { path: path.into(), source }
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").into()
}
