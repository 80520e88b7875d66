//! Numbers and texts of a binary file, with their place in it.

use std::io::{self, Read};

use super::error::BinaryError;

/// Byte order of the machine that wrote a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endian {
    Little,
    Big,
}

impl Endian {
    /// The number in the first bytes; nothing if there are fewer, or it is wider than 8.
    pub(super) fn number(self, bytes: &[u8], size: usize) -> Option<u64> {
        let bytes = bytes.get(..size).filter(|_| size <= 8)?;
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(match self {
            Self::Little => bytes.iter().rev().fold(0, add),
            Self::Big => bytes.iter().fold(0, add),
        })
    }
}

/// A stream from which numbers and texts are taken one after another.
pub(super) struct Source<R> {
    inner: R,
    /// Byte order.
    pub(super) endian: Endian,
    /// Bytes taken so far, or the place in the file.
    pub(super) at: u64,
    /// What is being read, for errors.
    pub(super) what: &'static str,
}

impl<R: Read> Source<R> {
    pub(super) fn new(inner: R, at: u64, endian: Endian, what: &'static str) -> Self {
        Self { inner, endian, at, what }
    }

    /// The stream itself, behind what was taken.
    pub(super) fn into_inner(self) -> R {
        self.inner
    }

    fn failed(&self, error: io::Error) -> BinaryError {
        let (what, offset) = (self.what, self.at);
        match error.kind() {
            io::ErrorKind::UnexpectedEof => BinaryError::Truncated { what, offset },
            _ => BinaryError::Read { what, offset, source: error },
        }
    }

    /// An error at this place.
    pub(super) fn bad(&self, expected: &'static str) -> BinaryError {
        BinaryError::Malformed { what: self.what, offset: self.at, expected }
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), BinaryError> {
        self.inner.read_exact(bytes).map_err(|error| self.failed(error))?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// A number of up to 8 bytes.
    pub(super) fn number(&mut self, size: usize) -> Result<u64, BinaryError> {
        let mut bytes = [0; 8];
        let size = size.min(8);
        self.fill(&mut bytes[..size])?;
        self.endian.number(&bytes, size).ok_or_else(|| self.bad("a number"))
    }

    /// A number of four bytes.
    pub(super) fn u32(&mut self) -> Result<u32, BinaryError> {
        let number = self.number(4)?;
        u32::try_from(number).map_err(|_| self.bad("a number of four bytes"))
    }

    /// So many bytes, of which there must be no more than `most`.
    pub(super) fn bytes(&mut self, count: u64, most: u64) -> Result<Vec<u8>, BinaryError> {
        if count > most {
            let (what, offset) = (self.what, self.at);
            return Err(BinaryError::TooLarge { what, offset, size: count, most });
        }
        // Grows with what is there, not with what a damaged file says.
        let mut bytes = Vec::new();
        let read = self.inner.by_ref().take(count).read_to_end(&mut bytes);
        read.map_err(|error| self.failed(error))?;
        self.at += bytes.len() as u64;
        if (bytes.len() as u64) < count {
            return Err(BinaryError::Truncated { what: self.what, offset: self.at });
        }
        Ok(bytes)
    }

    /// Text that ends with a zero, at most `most` bytes.
    pub(super) fn text(&mut self, most: usize) -> Result<Vec<u8>, BinaryError> {
        let mut text = Vec::new();
        loop {
            let mut byte = [0];
            self.fill(&mut byte)?;
            match byte[0] {
                0 => return Ok(text),
                _ if text.len() >= most => return Err(self.bad("a zero behind a text")),
                byte => text.push(byte),
            }
        }
    }

    /// Text that must be this one, with its zero.
    pub(super) fn expect(&mut self, text: &'static str) -> Result<(), BinaryError> {
        let found = self.bytes(text.len() as u64, 64)?;
        if found != text.as_bytes() {
            return Err(self.bad(text));
        }
        Ok(())
    }
}
