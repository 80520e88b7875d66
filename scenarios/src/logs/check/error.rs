//! Why a log cannot be checked.

use std::io;

use super::binary::BinaryError;
use super::compressed::Broken;

/// A log that cannot be read, or is none.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The file cannot be opened.
    #[error("cannot open the log `{path}`: {source}")]
    Open {
        /// Its path.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
    /// Reading failed.
    #[error("cannot read {name} after line {line}: {source}")]
    Read {
        /// The log.
        name: String,
        /// Lines read before.
        line: u64,
        /// The system's reason.
        source: io::Error,
    },
    /// Its compressed data is not what was written.
    #[error(
        "{name} is damaged, as is seen after line {line}: {why}; nothing of it is judged\n  help: \
         copy it again from where it was recorded (`gzip -t` and `zstd -t` say whether a file is \
         whole)"
    )]
    Damaged {
        /// The log.
        name: String,
        /// Lines read before.
        line: u64,
        /// What is wrong.
        why: String,
    },
    /// It is a format that another program turns into text.
    #[error("{name} is {what}")]
    Format {
        /// The log.
        name: String,
        /// What it is, and what to do.
        what: &'static str,
    },
    /// It is a binary file that cannot be read.
    #[error("cannot read {name}: {source}")]
    Binary {
        /// The log.
        name: String,
        /// Why, and where.
        source: BinaryError,
    },
    /// Its time runs backwards.
    #[error(
        "time runs backwards in {name}: line {line} is {micros} us before an earlier line of \
         processor {cpu}; nothing of it is judged\n  help: if the newest line is first, \
         `tac LOG | apfsim check -`; if parts are in the wrong order, join them as they were \
         recorded; if it has several recordings, check each by itself"
    )]
    Backwards {
        /// The log.
        name: String,
        /// The line whose time is before an earlier one's.
        line: u64,
        /// Its processor.
        cpu: u32,
        /// By how much, in microseconds.
        micros: u64,
    },
    /// There is nothing in it.
    #[error(
        "{name} is empty: no event is in it\n  help: was tracing on (`cat tracing_on` says 1), and were events \
         enabled while it was recorded? see docs/check-a-real-host.md"
    )]
    Empty {
        /// The log.
        name: String,
    },
    /// No line is an event.
    #[error(
        "{name} has no event: {lines} lines, of which {unreadable} are not trace lines{example}\
         \n  help: trace.dat, perf.data and text of tracefs, `trace-cmd report` or \
         `perf script` are read; see docs/check-a-real-host.md"
    )]
    NoEvents {
        /// The log.
        name: String,
        /// Lines.
        lines: u64,
        /// Lines that are neither events nor comments.
        unreadable: u64,
        /// The first of them.
        example: String,
    },
    /// There is no generation of that name.
    #[error("there is no generation `{name}`\n  help: {help}")]
    Generation {
        /// What was asked for.
        name: String,
        /// The likeliest name and the names there are.
        help: String,
    },
}

/// A log that cannot be read further than to that line.
pub(super) fn unreadable(name: &str, line: u64, source: io::Error) -> CheckError {
    let name = name.to_owned();
    match Broken::of(&source) {
        Some(broken) => CheckError::Damaged { name, line, why: broken.to_string() },
        None => CheckError::Read { name, line, source },
    }
}

/// What a file is by its first bytes, if it is something that must be converted first.
pub(super) fn other_format(head: &[u8]) -> Option<&'static str> {
    let known: [(&[u8], &str); 5] = [
        (b"\xff\xfe", "text in UTF-16\n  help: `iconv -f UTF-16 -t UTF-8 LOG | apfsim check -`"),
        (b"\xfe\xff", "text in UTF-16\n  help: `iconv -f UTF-16 -t UTF-8 LOG | apfsim check -`"),
        (b"\xfd7zXZ", "compressed with xz\n  help: `xzcat LOG | apfsim check -`"),
        (b"BZh", "compressed with bzip2\n  help: `bzcat LOG | apfsim check -`"),
        (b"PK\x03\x04", "a zip archive\n  help: `unzip -p LOG | apfsim check -`"),
    ];
    known.iter().find(|(magic, _)| head.starts_with(magic)).map(|&(_, what)| what)
}
