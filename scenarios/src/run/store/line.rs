//! The lines of stored runs: a header, and a run each.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::run::checksum;
use crate::run::folder::RUNS_FILE;
use crate::run::stored::{RunKey, StoredRun};

/// Version of the form of `runs.jsonl`.
pub(super) const FORMAT: u32 = 2;
/// What every header begins with, also one of another format.
pub(super) const HEADER_BEGIN: &str = "{\"format\":";
/// What every run begins with.
pub(super) const RUN_BEGIN: &str = "{\"line\":";

/// What all runs of a file have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    format: u32,
    /// Program version: another one may give other results.
    version: String,
    /// Hash of the program's sources: so may another build.
    build: String,
    /// Hash of machine, workload and times.
    setup: String,
    seed: u64,
    /// Event queue and skipping change no result; but a run asked for with another one must
    /// be executed.
    queue: String,
    skip: bool,
}

impl Header {
    pub(crate) fn new(setup: String, seed: u64, queue: &str, skip: bool) -> Self {
        let (version, build) = (crate::version::VERSION.into(), crate::version::BUILD.into());
        Self { format: FORMAT, version, build, setup, seed, queue: queue.into(), skip }
    }

    /// How `self`, which is wanted, differs from what is there.
    pub(super) fn difference(&self, there: &Self) -> Option<String> {
        let differ = |what: &str, here: &str, there: &str| {
            (here != there).then(|| format!("{what} {there} instead of {here}"))
        };
        differ("program version", &self.version, &there.version)
            .or_else(|| differ("another build of this program,", &self.build, &there.build))
            .or_else(|| differ("seed", &self.seed.to_string(), &there.seed.to_string()))
            .or_else(|| differ("event queue", &self.queue, &there.queue))
            .or_else(|| differ("`skip`", &self.skip.to_string(), &there.skip.to_string()))
            .or_else(|| (self.setup != there.setup).then(|| "another scenario".into()))
    }

    /// The header as a line, and what its runs are bound to.
    pub(crate) fn line(&self) -> (String, String) {
        let line = checksum::seal_line(RUNS_FILE, &json(self));
        let context = checksum::of_line(&line).unwrap_or_default().to_owned();
        (line + "\n", context)
    }
}

pub(super) fn json(content: &impl Serialize) -> String {
    match serde_json::to_string(content) {
        Ok(text) => text,
        Err(error) => unreachable!("plain data is always JSON: {error}"),
    }
}

/// A run as a line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RunLine<R> {
    pub(super) line: u64,
    pub(super) run: R,
}

/// The runs of a file.
pub(crate) type StoredRuns = BTreeMap<RunKey, StoredRun>;

/// A run as it is stored, made before the file is waited for.
pub(crate) struct RunText(pub(super) String);

impl RunText {
    pub(crate) fn of(run: &StoredRun) -> Self {
        Self(json(run))
    }
}
