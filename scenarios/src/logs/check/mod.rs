//! A real kernel's log, read and held against the invariants.

mod backports;
mod binary;
pub(crate) mod checker;
mod compressed;
pub(in crate::logs) mod consumer;
mod error;
pub(crate) mod handler;
mod join;
mod lines;
mod order;
mod pfault;
pub(crate) mod reader;
mod report;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::Path;

use models::apf::rules;
use models::monitors::log::{LogConfig, LogMonitors};

use crate::syntax::error::help_for_unknown;

pub use backports::{BackportNote, ChangedMechanism, Difference, Subject};
pub use binary::BinaryError;
use binary::BinaryKind;
use checker::{Checker, config_of};
use compressed::{GZIP, Gzip, ZSTD, Zstd};
use consumer::LogConsumer;
pub use error::CheckError;
use handler::Handlers;
pub use handler::{HandlerSurvey, OpenMessage};
use pfault::Pfaults;
pub use pfault::{OpenPfault, PfaultSurvey};
use reader::Session;
pub use report::{CheckReport, EventCount, Skipped, SkippedKind};

/// How a log is to be held against the invariants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckOptions {
    /// Name of the generation that wrote it; found out when not given.
    pub rules: Option<String>,
}

impl CheckOptions {
    fn checker(&self) -> Result<Checker, CheckError> {
        let monitors = LogMonitors::new(self.config()?);
        let (pfaults, handlers) = (Pfaults::default(), Handlers::default());
        Ok(Checker { monitors, given: self.rules.clone(), pfaults, handlers })
    }

    fn config(&self) -> Result<LogConfig, CheckError> {
        let Some(name) = &self.rules else { return Ok(LogConfig::default()) };
        config_of(name).ok_or_else(|| {
            let names: Vec<&str> = rules::generations().iter().map(|one| one.name).collect();
            CheckError::Generation { name: name.clone(), help: help_for_unknown(name, &names) }
        })
    }
}

/// Checks the log at a path; `-` is standard input.
///
/// # Errors
/// When it cannot be read, or is no log.
pub fn check_path(path: &str, options: &CheckOptions) -> Result<CheckReport, CheckError> {
    let (name, session, lines) = read_path(path, options.checker()?)?;
    Ok(session.report(&name, lines))
}

/// Checks a log that is read from a stream, which may be compressed with gzip or zstd.
///
/// # Errors
/// When it cannot be read, or is no log.
pub fn check(
    source: impl Read,
    name: &str,
    options: &CheckOptions,
) -> Result<CheckReport, CheckError> {
    let (session, lines) = read_stream(source, name, options.checker()?)?;
    Ok(session.report(name, lines))
}

/// Reads the log at a path to its end; `-` is standard input. Gives its name and the number of
/// its lines, too.
pub(crate) fn read_path<C: LogConsumer>(
    path: &str,
    consumer: C,
) -> Result<(String, Session<C>, u64), CheckError> {
    let named = |name: &str, (session, lines)| (name.to_owned(), session, lines);
    if path == "-" {
        let name = "standard input";
        return read_stream(io::stdin().lock(), name, consumer).map(|read| named(name, read));
    }
    let failed = |source| CheckError::Open { path: path.to_owned(), source };
    let mut file = File::open(Path::new(path)).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(failed(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory")));
    }
    // A file of trace-cmd or perf is read in place; a pipe has no places.
    if metadata.is_file() {
        let head = head_of(&mut file, path)?;
        file.rewind().map_err(failed)?;
        if let Some(kind) = BinaryKind::of(&head) {
            return binary::read(kind, BufReader::new(file), path, consumer)
                .map(|read| named(path, read));
        }
    }
    read_stream(file, path, consumer).map(|read| named(path, read))
}

/// Reads a log from a stream to its end. Gives the number of its lines, too.
pub(crate) fn read_stream<C: LogConsumer>(
    mut source: impl Read,
    name: &str,
    consumer: C,
) -> Result<(Session<C>, u64), CheckError> {
    let head = head_of(&mut source, name)?;
    let whole = Cursor::new(head.clone()).chain(source);
    if head.starts_with(GZIP) {
        return read_plain(Gzip::new(whole), name, consumer);
    }
    if head.starts_with(ZSTD) {
        return read_plain(Zstd::new(whole), name, consumer);
    }
    read_plain(whole, name, consumer)
}

/// The first bytes of a stream.
fn head_of(source: &mut impl Read, name: &str) -> Result<Vec<u8>, CheckError> {
    let mut head = Vec::new();
    let begun = source.by_ref().take(16).read_to_end(&mut head);
    begun.map_err(|source| error::unreadable(name, 0, source))?;
    Ok(head)
}

/// Reads what is no longer compressed.
fn read_plain<C: LogConsumer>(
    mut source: impl Read,
    name: &str,
    consumer: C,
) -> Result<(Session<C>, u64), CheckError> {
    let head = head_of(&mut source, name)?;
    if let Some(kind) = BinaryKind::of(&head) {
        // Its parts are read in another order than they stand in.
        let mut all = head;
        let read = source.read_to_end(&mut all);
        read.map_err(|source| error::unreadable(name, 0, source))?;
        return binary::read(kind, Cursor::new(all), name, consumer);
    }
    if let Some(what) = error::other_format(&head) {
        return Err(CheckError::Format { name: name.to_owned(), what });
    }
    reader::read(Cursor::new(head).chain(source), name, consumer)
}
