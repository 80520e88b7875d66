//! The directory of a comparison: finished runs, one JSON line each, as they finish.
//!
//! `runs.jsonl` begins with a header that says what the runs are of: program version and build,
//! setup (hash of machine, workload and times), seed, and settings. A run belongs to a policy and a
//! replication. So an interrupted comparison goes on where it stopped, and one with more
//! replications or other policies of the same setup takes over the runs that it shares. Runs of
//! anything else are refused rather than mixed. The file is locked as long as it is open: two
//! processes never write to one directory.
//!
//! Every line ends with a checksum over its content and the header, so a line that was changed, or
//! that is of another file, is refused with its place. Lines are numbered and their numbers rise, so
//! one that was moved or copied is refused too. One that was taken out is run again.

mod line;
mod read;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use models::trace::digest::DigestValue;

use self::line::RUN_BEGIN;
pub(crate) use self::line::{Header, RunText, StoredRuns};
use self::read::{Content, Reader};
use crate::run::checksum;
use crate::run::error::RunnerError;
use crate::run::files;
use crate::run::folder::{self, RUNS_FILE};
use crate::run::stored::{RunKey, StoredRun};

/// The open file.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines.
    length: u64,
    /// What lines are bound to: the checksum of the header.
    context: String,
    /// The number of the last line.
    last: u64,
    /// Number of the line and digest of each run: one that is run again must come out the same.
    there: BTreeMap<RunKey, (u64, DigestValue)>,
}

impl Store {
    /// Opens or makes the directory and its file, locks it, and reads the runs that are there. A
    /// last line that was cut off is dropped.
    pub(crate) fn open(dir: &Path, header: &Header) -> Result<(Self, StoredRuns), RunnerError> {
        fs::create_dir_all(dir).map_err(|source| RunnerError::write(dir, source))?;
        let path = dir.join(RUNS_FILE);
        let fail = |source| RunnerError::write(&path, source);
        if let Ok(there) = fs::metadata(&path) {
            // A device may never end.
            let read = |source| RunnerError::Read { path: path.clone(), source };
            files::refuse_special(&there).map_err(read)?;
        }
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).open(&path).map_err(fail)?;
        match folder::lock_file(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(RunnerError::InUse { path: dir.into() }),
            Err(TryLockError::Error(source)) => return Err(fail(source)),
        }
        let text = files::read_bounded(&mut file, files::MOST_BYTES)
            .map_err(|source| RunnerError::Read { path: path.clone(), source })?;
        let (line, context) = header.line();
        let reader = Reader { path: &path, header, context: &context };
        let Content { runs, there, last, length } = reader.read(&text)?;
        if length < text.len() {
            file.set_len(length as u64).map_err(fail)?;
        }
        let length = length as u64;
        let mut store = Self { path, file, length, context, last, there };
        if length == 0 {
            store.write(line.as_bytes())?;
            store.last = 1;
        }
        Ok((store, runs))
    }

    /// The runs of a directory that is only read: whoever asks keeps others from writing to it.
    pub(crate) fn read(dir: &Path, header: &Header) -> Result<StoredRuns, RunnerError> {
        let path = dir.join(RUNS_FILE);
        let text = files::read_file(&path)
            .map_err(|source| RunnerError::Read { path: path.clone(), source })?;
        let (_, context) = header.line();
        let reader = Reader { path: &path, header, context: &context };
        Ok(reader.read(&text)?.runs)
    }

    /// A file that is only written.
    #[cfg(test)]
    pub(crate) fn for_test(path: &Path) -> Self {
        let file = OpenOptions::new().append(true).open(path).expect("the file exists");
        let (context, there) = (String::new(), BTreeMap::new());
        Self { path: path.into(), file, length: 0, context, last: 1, there }
    }

    /// Adds a run. One that is there already, and came out the same, is not added again.
    pub(crate) fn append(&mut self, run: &StoredRun, text: &RunText) -> Result<(), RunnerError> {
        let key = run.key();
        match self.there.get(&key) {
            Some((_, digest)) if *digest == run.digest => return Ok(()),
            Some((line, digest)) => {
                let message =
                    format!("it has digest {digest}; the same run now gave {}", run.digest);
                return Err(RunnerError::Broken { path: self.path.clone(), line: *line, message });
            }
            None => {}
        }
        let number = self.last + 1;
        let object = format!("{RUN_BEGIN}{number},\"run\":{}}}", text.0);
        self.write((checksum::seal_line(&self.context, &object) + "\n").as_bytes())?;
        self.last = number;
        self.there.insert(key, (number, run.digest));
        Ok(())
    }

    /// Adds whole lines. When the disk refuses, what was written of them is taken back.
    pub(crate) fn write(&mut self, lines: &[u8]) -> Result<(), RunnerError> {
        let written = self.file.write_all(lines).and_then(|()| self.file.flush());
        if let Err(source) = written {
            // If this fails too, the next reader drops the part of a line.
            let _ = self.file.set_len(self.length);
            let path = self.path.clone();
            return Err(match self.there.is_empty() {
                true => RunnerError::Write { path, source },
                false => RunnerError::WriteMore { path, source },
            });
        }
        self.length += lines.len() as u64;
        Ok(())
    }

    /// Makes sure that all runs are on the disk.
    pub(crate) fn close(self) -> Result<(), RunnerError> {
        self.file.sync_all().map_err(|source| RunnerError::write(&self.path, source))
    }
}
