//! Binary files of trace-cmd (`trace.dat`, versions 6 and 7) and perf (`perf.data`), read without
//! the programs: the files say themselves where the fields of their events are.
//!
//! Sizes and offsets come from the file and are not trusted: what is read is bounded, a place that
//! cannot be read is an error that names it, and a damaged page of events counts as lost.

mod bytes;
mod compression;
mod dat;
mod error;
mod format;
mod head;
mod options;
mod pages;
mod perf;
mod samples;
mod stream;

use std::io::{Read, Seek};

pub use self::error::BinaryError;
use super::consumer::LogConsumer;
use super::error::CheckError;
use super::reader::Session;

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
    session.hold_order(name)?;
    Ok((session, events))
}
