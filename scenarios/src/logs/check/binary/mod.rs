//! Binary files of trace-cmd (`trace.dat`, versions 6 and 7) and perf (`perf.data`), read without
//! the programs: the files say themselves where the fields of their events are.
//!
//! Sizes and offsets come from the file and are not trusted: what is read is bounded, a place that
//! cannot be read is an error that names it, and a damaged page of events counts as lost.

mod bytes;
mod compression;
mod dat;
mod format;
mod head;
mod options;
mod pages;
mod perf;
mod samples;
mod stream;

use std::io::{self, Read, Seek};

use super::error::CheckError;
use super::reader::{LogConsumer, Session};

/// A binary file that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BinaryError {
    /// It ends too early.
    #[error("the file ends at byte {offset}, within {what}")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Where.
        offset: u64,
    },
    /// It is not as its format says.
    #[error("{what}, byte {offset}: expected {expected}\n  help: is the file damaged?")]
    Malformed {
        /// What was being read.
        what: &'static str,
        /// Where.
        offset: u64,
        /// What should be there.
        expected: &'static str,
    },
    /// A size that no such file has.
    #[error(
        "{what}, byte {offset}: {size} bytes, and at most {most} are read\n  \
         help: is the file damaged?"
    )]
    TooLarge {
        /// What was being read.
        what: &'static str,
        /// Where.
        offset: u64,
        /// What the file says.
        size: u64,
        /// What is read at most.
        most: u64,
    },
    /// The system cannot read it.
    #[error("{what}, byte {offset}: {source}")]
    Read {
        /// What was being read.
        what: &'static str,
        /// Where.
        offset: u64,
        /// The system's reason.
        source: io::Error,
    },
    /// A part is damaged.
    #[error("{what}, byte {offset}: the compressed data are damaged: {reason}")]
    Compressed {
        /// What was being read.
        what: &'static str,
        /// Where.
        offset: u64,
        /// What the decoder says.
        reason: String,
    },
    /// A kind of file that is not read.
    #[error("{what}\n  help: {help}")]
    Unsupported {
        /// What it is.
        what: String,
        /// What to do.
        help: &'static str,
    },
}

/// The kinds of binary files that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BinaryKind {
    /// Of trace-cmd.
    Dat,
    /// Of perf.
    Perf,
}

impl BinaryKind {
    /// The kind of a file by its first bytes.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        if head.starts_with(head::MAGIC) {
            Some(Self::Dat)
        } else if head.starts_with(perf::MAGIC) || head.starts_with(perf::MAGIC_SWAPPED) {
            Some(Self::Perf)
        } else {
            None
        }
    }
}

/// Reads a binary file to its end. Also says how many events it has.
pub(super) fn read<C: LogConsumer>(
    kind: BinaryKind,
    input: impl Read + Seek,
    name: &str,
    consumer: C,
) -> Result<(Session<C>, u64), CheckError> {
    let mut session = Session::new(consumer);
    let read = match kind {
        BinaryKind::Dat => dat::read(input, &mut session),
        BinaryKind::Perf => perf::read(input, &mut session),
    };
    read.map_err(|source| CheckError::Binary { name: name.to_owned(), source })?;
    session.end();
    let events = session.events();
    if events == 0 {
        return Err(CheckError::Empty { name: name.to_owned() });
    }
    Ok((session, events))
}
