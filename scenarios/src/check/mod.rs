//! A real kernel's log, read and held against the invariants.

mod error;
mod lines;
mod order;
mod reader;
mod report;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use models::apf::rules;
use models::machine::{family_of, known_violations};
use models::monitors::log::LogConfig;

pub use error::CheckError;
pub use report::{CheckReport, EventCount, Skipped, SkippedKind};

/// How a log is to be held against the invariants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckOptions {
    /// Name of the generation that wrote it; found out when not given.
    pub rules: Option<String>,
}

impl CheckOptions {
    fn config(&self) -> Result<LogConfig, CheckError> {
        let Some(name) = &self.rules else { return Ok(LogConfig::default()) };
        config_of(name).ok_or_else(|| CheckError::Generation {
            name: name.clone(),
            valid: rules::generations().iter().map(|one| one.name).collect::<Vec<_>>().join(", "),
        })
    }
}

/// What a generation means for its logs.
fn config_of(name: &str) -> Option<LogConfig> {
    let rules = rules::generation(name)?;
    let (family, known) = (Some(family_of(&rules)), known_violations(&rules));
    Some(LogConfig { family, cap: rules.cap, known, ..LogConfig::default() })
}

/// Checks the log at a path; `-` is standard input.
///
/// # Errors
/// When it cannot be read, or is no log.
pub fn check_path(path: &str, options: &CheckOptions) -> Result<CheckReport, CheckError> {
    if path == "-" {
        return check(io::stdin().lock(), "standard input", options);
    }
    let failed = |source| CheckError::Open { path: path.to_owned(), source };
    let file = File::open(Path::new(path)).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(failed(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory")));
    }
    check(file, path, options)
}

/// Checks a log that is read from a stream, which may be compressed with gzip.
///
/// # Errors
/// When it cannot be read, or is no log.
pub fn check(
    mut source: impl Read,
    name: &str,
    options: &CheckOptions,
) -> Result<CheckReport, CheckError> {
    let (config, given) = (options.config()?, options.rules.is_some());
    let mut head = Vec::new();
    let begun = source.by_ref().take(16).read_to_end(&mut head);
    begun.map_err(|source| CheckError::Read { name: name.to_owned(), line: 0, source })?;
    let whole = io::Cursor::new(head.clone()).chain(source);
    if head.starts_with(&[0x1f, 0x8b]) {
        return reader::read(MultiGzDecoder::new(whole), true, name, config, given);
    }
    if let Some(what) = error::other_format(&head) {
        return Err(CheckError::Format { name: name.to_owned(), what });
    }
    reader::read(whole, false, name, config, given)
}
