//! Text that is compressed with gzip or zstd, member after member, with the checksums held.
//!
//! What ends early is read up to its end, and says so. What is damaged is an error: its text may
//! say anything, and a kernel must not be accused by it.

use std::fmt;
use std::io::{self, BufRead as _, BufReader, Cursor, ErrorKind, Read};

use flate2::bufread::GzDecoder;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use xxhash_rust::xxh64::Xxh64;

/// The first bytes of a frame of zstd.
pub(super) const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
/// The first bytes of a member of gzip.
pub(super) const GZIP: &[u8] = b"\x1f\x8b";
/// The first four bytes of a frame that holds no data, but for the last four bits.
const SKIPPABLE: u32 = 0x184d_2a50;
/// A last block of a frame that is empty, and room for a checksum: what is missing of a frame that
/// ends between its blocks.
const LAST_BLOCK: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

/// Why compressed data cannot be read further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// It ends early.
    CutShort,
    /// It is whole, and something else is behind it.
    Trailed,
    /// It is not what was written.
    Damaged(String),
}

impl Broken {
    /// What an error of a stream says of it, if it is one of these.
    pub(super) fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref().and_then(|inner| inner.downcast_ref())
    }

    fn error(self) -> io::Error {
        let kind = match self {
            Self::CutShort => ErrorKind::UnexpectedEof,
            Self::Trailed | Self::Damaged(_) => ErrorKind::InvalidData,
        };
        io::Error::new(kind, self)
    }
}

impl std::error::Error for Broken {}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutShort => f.write_str("the compressed data ends early"),
            Self::Trailed => f.write_str("something else is behind the compressed data"),
            Self::Damaged(why) => f.write_str(why),
        }
    }
}

/// The text of gzip's members.
pub(super) struct Gzip<R> {
    /// The member that is read; none behind the last.
    member: Option<GzDecoder<BufReader<R>>>,
}

impl<R: Read> Gzip<R> {
    pub(super) fn new(source: R) -> Self {
        Self { member: Some(GzDecoder::new(BufReader::new(source))) }
    }
}

impl<R: Read> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(mut member) = self.member.take() {
            let read = member.read(buffer).map_err(|error| match error.kind() {
                ErrorKind::UnexpectedEof => Broken::CutShort.error(),
                ErrorKind::InvalidInput | ErrorKind::InvalidData => {
                    Broken::Damaged(error.to_string()).error()
                }
                _ => error,
            });
            if buffer.is_empty() || !matches!(read, Ok(0)) {
                self.member = Some(member);
                return read;
            }
            let mut source = member.into_inner();
            match source.fill_buf()? {
                [] => {}
                [first, ..] if *first == GZIP[0] => self.member = Some(GzDecoder::new(source)),
                _ => return Err(Broken::Trailed.error()),
            }
        }
        Ok(0)
    }
}

/// A stream that remembers its end.
struct Ending<R> {
    source: BufReader<R>,
    ended: bool,
    failed: Option<io::Error>,
}

impl<R: Read> Read for Ending<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.source.read(buffer) {
            Ok(0) if !buffer.is_empty() => self.ended = true,
            Ok(read) => return Ok(read),
            Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
            Err(error) => self.failed = Some(error),
        }
        Ok(0)
    }
}

/// The text of zstd's frames.
pub(super) struct Zstd<R> {
    source: Ending<R>,
    frame: FrameDecoder,
    /// Frames so far.
    frames: u64,
    /// Within a frame.
    inside: bool,
    /// The frame ends early: nothing is behind it.
    cut: bool,
    sum: Xxh64,
}

impl<R: Read> Zstd<R> {
    pub(super) fn new(source: R) -> Self {
        let source = Ending { source: BufReader::new(source), ended: false, failed: None };
        let (frame, sum) = (FrameDecoder::new(), Xxh64::new(0));
        Self { source, frame, frames: 0, inside: false, cut: false, sum }
    }

    /// Begins the next frame. Says whether there is one.
    fn begin(&mut self) -> io::Result<bool> {
        loop {
            let mut magic = Vec::new();
            self.source.by_ref().take(4).read_to_end(&mut magic)?;
            if magic.is_empty() {
                return self.source.failed.take().map_or(Ok(false), Err);
            }
            let number = magic.first_chunk().copied().map(u32::from_le_bytes);
            if number.is_some_and(|number| number & !0xf == SKIPPABLE) {
                let mut size = [0; 4];
                self.source.read_exact(&mut size).map_err(|_| Broken::CutShort.error())?;
                let size = u64::from(u32::from_le_bytes(size));
                io::copy(&mut self.source.by_ref().take(size), &mut io::sink())?;
                continue;
            }
            if self.frames > 0 && magic != ZSTD {
                return Err(Broken::Trailed.error());
            }
            self.frames += 1;
            let begun = self.frame.init(Cursor::new(magic).chain(&mut self.source));
            if let Err(error) = begun {
                return Err(self.broken(&error));
            }
            (self.inside, self.sum) = (true, Xxh64::new(0));
            return Ok(true);
        }
    }

    /// Decodes until there is something to take, or the frame is over.
    fn decode(&mut self) -> io::Result<()> {
        while self.frame.can_collect() == 0 && !self.frame.is_finished() {
            let one = || BlockDecodingStrategy::UptoBlocks(1);
            let Err(error) = self.frame.decode_blocks(&mut self.source, one()) else { continue };
            let error = self.broken(&error);
            if Broken::of(&error) != Some(&Broken::CutShort) {
                return Err(error);
            }
            // What was decoded before is kept for the blocks behind it, of which there are none.
            let ended = self.frame.decode_blocks(LAST_BLOCK.as_slice(), one());
            ended.map_err(|_| Broken::CutShort.error())?;
            self.cut = true;
        }
        Ok(())
    }

    /// What an error of the decoder means.
    fn broken(&mut self, error: &impl fmt::Display) -> io::Error {
        if let Some(error) = self.source.failed.take() {
            return error;
        }
        match self.source.ended {
            true => Broken::CutShort.error(),
            false => Broken::Damaged(error.to_string()).error(),
        }
    }

    /// The frame is over.
    fn finish(&mut self) -> io::Result<()> {
        self.inside = false;
        if self.cut {
            return Err(Broken::CutShort.error());
        }
        // The lower half of the hash is what a frame has.
        let low = u32::try_from(self.sum.digest() & 0xffff_ffff).unwrap_or_default();
        match self.frame.get_checksum_from_data() {
            Some(sum) if sum != low => {
                Err(Broken::Damaged("the content has another checksum".to_owned()).error())
            }
            _ => Ok(()),
        }
    }
}

impl<R: Read> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.inside && !self.begin()? {
                return Ok(0);
            }
            self.decode()?;
            let read = self.frame.read(buffer)?;
            if read > 0 {
                self.sum.update(&buffer[..read]);
                return Ok(read);
            }
            self.finish()?;
        }
    }
}
