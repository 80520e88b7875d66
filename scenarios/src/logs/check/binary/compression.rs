//! Compressed parts of trace.dat, version 7.

use std::io::Read;

use flate2::read::ZlibDecoder;

use super::super::compressed::Zstd;
use super::bytes::Source;
use super::error::BinaryError;

/// The largest compressed part, and the largest that one becomes.
const MAX_COMPRESSED: u64 = 1 << 28;
const MAX_PLAIN: u64 = 1 << 28;

/// How the parts of a file are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Zlib,
    Zstd,
}

impl Compression {
    /// By the name in the head of a file.
    pub(super) fn of(name: &[u8]) -> Result<Self, BinaryError> {
        match name {
            b"none" | b"" => Ok(Self::None),
            b"zlib" => Ok(Self::Zlib),
            b"zstd" => Ok(Self::Zstd),
            other => Err(BinaryError::Unsupported {
                what: format!("its parts are compressed with `{}`", String::from_utf8_lossy(other)),
                help: "`trace-cmd convert --compression none -i trace.dat -o plain.dat`",
            }),
        }
    }

    /// The name for people.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::None => "not compressed",
            Self::Zlib => "zlib",
            Self::Zstd => "zstd",
        }
    }

    /// The next part of a stream: its compressed size, its plain size, and the data.
    pub(super) fn part(self, source: &mut Source<impl Read>) -> Result<Vec<u8>, BinaryError> {
        let (compressed, plain) = (u64::from(source.u32()?), u64::from(source.u32()?));
        let (what, offset) = (source.what, source.at);
        if plain > MAX_PLAIN {
            return Err(BinaryError::TooLarge { what, offset, size: plain, most: MAX_PLAIN });
        }
        let data = source.bytes(compressed, MAX_COMPRESSED)?;
        let bad = |reason: String| BinaryError::Compressed { what, offset, reason };
        let mut out = Vec::new();
        match self {
            Self::None => out = data,
            Self::Zlib => {
                let decoder = ZlibDecoder::new(data.as_slice());
                read_all(decoder, plain, &mut out).map_err(|error| bad(error.to_string()))?;
            }
            Self::Zstd => {
                let decoder = Zstd::new(data.as_slice());
                read_all(decoder, plain, &mut out).map_err(|error| bad(error.to_string()))?;
            }
        }
        if (out.len() as u64) < plain {
            return Err(bad(format!("{} bytes instead of {plain}", out.len())));
        }
        Ok(out)
    }
}

/// Reads a part to its end, where its checksum is.
fn read_all(decoder: impl Read, plain: u64, out: &mut Vec<u8>) -> std::io::Result<()> {
    decoder.take(plain + 1).read_to_end(out)?;
    out.truncate(usize::try_from(plain).unwrap_or(usize::MAX));
    Ok(())
}
