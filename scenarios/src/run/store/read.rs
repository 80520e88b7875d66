//! Reading stored runs back: what is not plainly a run of this file is refused with its place.

use std::collections::BTreeMap;
use std::path::Path;

use models::trace::digest::DigestValue;
use serde_json::Value;

use super::line::{FORMAT, HEADER_BEGIN, Header, RUN_BEGIN, RunLine, StoredRuns};
use crate::run::checksum::{self, ChecksumError};
use crate::run::error::RunnerError;
use crate::run::folder::RUNS_FILE;
use crate::run::stored::{RunKey, StoredRun};

/// What a file holds.
#[derive(Default)]
pub(super) struct Content {
    pub(super) runs: StoredRuns,
    /// Place in the file and digest of each run.
    pub(super) there: BTreeMap<RunKey, (u64, DigestValue)>,
    /// The highest number of a line.
    pub(super) last: u64,
    /// Bytes of whole lines.
    pub(super) length: usize,
}

pub(super) struct Reader<'a> {
    pub(super) path: &'a Path,
    /// The header that is wanted.
    pub(super) header: &'a Header,
    /// What lines under that header are bound to.
    pub(super) context: &'a str,
}

impl Reader<'_> {
    pub(super) fn read(&self, text: &[u8]) -> Result<Content, RunnerError> {
        // Lines end with a newline; what follows the last one was cut off while it was written.
        let length = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let mut content = Content { length, last: 1, ..Content::default() };
        let mut number = 0;
        for line in text[..length].split_inclusive(|byte| *byte == b'\n') {
            number += 1;
            let line = str::from_utf8(line).map(str::trim);
            let line = line.map_err(|_| self.broken(number, "it is not UTF-8 text"))?;
            match number {
                1 => self.header(line)?,
                _ if line.is_empty() => {}
                _ => self.run(number, line, &mut content)?,
            }
        }
        self.cut_off(number + 1, &text[length..])?;
        Ok(content)
    }

    /// What was cut off must be the beginning of a line of ours: nobody's text is thrown away.
    fn cut_off(&self, number: u64, rest: &[u8]) -> Result<(), RunnerError> {
        let begin = if number == 1 { HEADER_BEGIN } else { RUN_BEGIN };
        let common = begin.len().min(rest.len());
        match rest[..common] == begin.as_bytes()[..common] {
            true => Ok(()),
            false => Err(self.broken(number, "this is no line of stored runs")),
        }
    }

    fn broken(&self, line: u64, message: impl Into<String>) -> RunnerError {
        RunnerError::Broken { path: self.path.into(), line, message: message.into() }
    }

    fn header(&self, line: &str) -> Result<(), RunnerError> {
        let broken = |error: serde_json::Error| self.broken(1, error.to_string());
        let other = |difference| RunnerError::OtherRuns { path: self.path.into(), difference };
        if !line.starts_with(HEADER_BEGIN) {
            return Err(self.broken(1, "this is not the header of stored runs"));
        }
        // The format decides how the rest is read.
        let value: Value = serde_json::from_str(line).map_err(broken)?;
        let format = &value["format"];
        if *format != FORMAT {
            return Err(other(format!("file format {format} instead of {FORMAT}")));
        }
        let object = checksum::open_line(RUNS_FILE, line);
        let object = object.map_err(|error| self.broken(1, error.to_string()))?;
        let there: Header = serde_json::from_str(&object).map_err(broken)?;
        self.header.difference(&there).map_or(Ok(()), |difference| Err(other(difference)))
    }

    fn run(&self, number: u64, line: &str, content: &mut Content) -> Result<(), RunnerError> {
        if line.starts_with(HEADER_BEGIN) {
            return Err(self.broken(number, "this is the header of another file"));
        }
        let object = checksum::open_line(self.context, line).map_err(|error| match error {
            ChecksumError::Missing => self.broken(number, "this is no stored run"),
            ChecksumError::Wrong => {
                self.broken(number, "it was changed after it was written, or is of another file")
            }
        })?;
        let stored: RunLine<StoredRun> = serde_json::from_str(&object)
            .map_err(|error| self.broken(number, error.to_string()))?;
        if stored.line <= content.last {
            let message = format!(
                "it was written as line {} and stands behind line {}: lines were moved or copied",
                stored.line, content.last
            );
            return Err(self.broken(number, message));
        }
        content.last = stored.line;
        let run = stored.run;
        let key = run.key();
        if let Some((first, digest)) = content.there.insert(key.clone(), (number, run.digest))
            && digest != run.digest
        {
            return Err(
                self.broken(number, format!("it is another result of the run in line {first}"))
            );
        }
        content.runs.insert(key, run);
        Ok(())
    }
}
