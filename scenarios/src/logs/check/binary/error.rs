//! Why a binary file cannot be read.

use std::io;

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
