//! The directory of a comparison: finished runs, one JSON line each, as they finish.
//!
//! `runs.jsonl` begins with a header that says what the runs are of: program version, setup (hash
//! of machine, workload and times), seed, and settings. A run belongs to a policy and a replication.
//! So an interrupted comparison goes on where it stopped, and one with more replications or other
//! policies of the same setup takes over the runs that it shares. Runs of anything else are refused
//! rather than mixed. The file is locked as long as it is open: two processes never write to one
//! directory.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::RunnerError;
use crate::stored::StoredRun;

/// Version of the form of `runs.jsonl`.
const FORMAT: u32 = 1;

/// Name of the file in the output directory.
pub const RUNS_FILE: &str = "runs.jsonl";

/// What all runs of a file have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    format: u32,
    /// Program version: another one may give other results.
    version: String,
    /// Hash of machine, workload and times.
    setup: String,
    seed: u64,
    /// Event queue and skipping change no result; but whoever asks for another wants it run.
    queue: String,
    skip: bool,
}

impl Header {
    pub(crate) fn new(setup: String, seed: u64, queue: &str, skip: bool) -> Self {
        let version = crate::VERSION.into();
        Self { format: FORMAT, version, setup, seed, queue: queue.into(), skip }
    }

    /// How `self`, which is wanted, differs from what is there.
    fn difference(&self, there: &Self) -> Option<String> {
        let differ = |what: &str, here: &str, there: &str| {
            (here != there).then(|| format!("{what} {there} instead of {here}"))
        };
        differ("file format", &self.format.to_string(), &there.format.to_string())
            .or_else(|| differ("program version", &self.version, &there.version))
            .or_else(|| differ("seed", &self.seed.to_string(), &there.seed.to_string()))
            .or_else(|| differ("event queue", &self.queue, &there.queue))
            .or_else(|| differ("`skip`", &self.skip.to_string(), &there.skip.to_string()))
            .or_else(|| (self.setup != there.setup).then(|| "another scenario".into()))
    }
}

/// Runs by setup (see [`StoredRun::setup`]), policy name, replication and seed.
pub(crate) type StoredRuns = BTreeMap<(String, String, u32, u64), StoredRun>;

/// The open file.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines.
    length: u64,
}

impl Store {
    /// Opens or makes the directory and its file, locks it, and reads the runs that are there. A
    /// last line that was cut off is dropped.
    pub(crate) fn open(dir: &Path, header: &Header) -> Result<(Self, StoredRuns), RunnerError> {
        fs::create_dir_all(dir).map_err(|source| RunnerError::write(dir, source))?;
        let path = dir.join(RUNS_FILE);
        let fail = |source| RunnerError::write(&path, source);
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).open(&path).map_err(fail)?;
        match lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(RunnerError::InUse { path: dir.into() }),
            // A file system without locks: nobody can be kept out.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(source)) => return Err(fail(source)),
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text)
            .map_err(|source| RunnerError::Read { path: path.clone(), source })?;
        // Lines end with a newline; what follows the last one was cut off while it was written.
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let runs = read(&path, &text[..whole], header)?;
        if whole < text.len() {
            file.set_len(whole as u64).map_err(fail)?;
        }
        let mut store = Self { path, file, length: whole as u64 };
        if whole == 0 {
            store.append(&Self::line(header))?;
        }
        Ok((store, runs))
    }

    /// A file that is only written.
    #[cfg(test)]
    pub(crate) fn for_test(path: &Path) -> Self {
        let file = OpenOptions::new().append(true).open(path).expect("the file exists");
        Self { path: path.into(), file, length: 0 }
    }

    /// A line of the file.
    pub(crate) fn line(content: &impl Serialize) -> Vec<u8> {
        let mut bytes = match serde_json::to_vec(content) {
            Ok(bytes) => bytes,
            Err(error) => unreachable!("plain data is always JSON: {error}"),
        };
        bytes.push(b'\n');
        bytes
    }

    /// Adds a line. When the disk refuses, what was written of it is taken back.
    pub(crate) fn append(&mut self, line: &[u8]) -> Result<(), RunnerError> {
        let written = self.file.write_all(line).and_then(|()| self.file.flush());
        if let Err(source) = written {
            // If this fails too, the next reader drops the part of a line.
            let _ = self.file.set_len(self.length);
            return Err(RunnerError::write(&self.path, source));
        }
        self.length += line.len() as u64;
        Ok(())
    }
}

/// Locks a file. A process that has just ended, or was killed, may still be about to let go of it,
/// so the lock is asked for again a few times.
fn lock(file: &File) -> Result<(), TryLockError> {
    const TRIES: u32 = 20;
    const PAUSE: Duration = Duration::from_millis(50);
    for _ in 1..TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
            other => return other,
        }
    }
    file.try_lock()
}

fn read(path: &Path, text: &[u8], header: &Header) -> Result<StoredRuns, RunnerError> {
    let mut runs = StoredRuns::new();
    let lines = text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    for (number, line) in (1..).zip(lines) {
        let broken = |error: serde_json::Error| RunnerError::Broken {
            path: path.into(),
            line: number,
            message: error.to_string(),
        };
        if number == 1 {
            let there: Header = serde_json::from_slice(line).map_err(broken)?;
            if let Some(difference) = header.difference(&there) {
                return Err(RunnerError::OtherRuns { path: path.into(), difference });
            }
            continue;
        }
        let run: StoredRun = serde_json::from_slice(line).map_err(broken)?;
        let key = (run.setup.clone(), run.policy.clone(), run.replication, run.seed);
        runs.insert(key, run);
    }
    Ok(runs)
}
