//! What trace.dat says of itself in its options.

use std::io::{Cursor, Read};

use super::bytes::Source;
use super::error::BinaryError;

/// Bytes of all options together. Statistics and maps of processes are long texts.
const MAX_BYTES: u64 = 1 << 26;
/// The most options of a file.
const MAX_OPTIONS: usize = 1 << 16;
/// Processors.
const MAX_CPUS: u64 = 1 << 16;

/// Where the events of a processor are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CpuData {
    pub(super) cpu: u32,
    pub(super) offset: u64,
    pub(super) size: u64,
}

/// A buffer: that of the whole trace, or of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Buffer {
    /// Its name; empty for that of the whole trace.
    pub(super) name: Vec<u8>,
    /// Bytes of a page, if it says so.
    pub(super) page: Option<u64>,
    /// Where it is in the file; of version 6 the list of its processors, of version 7 its section.
    pub(super) offset: u64,
    pub(super) cpus: Vec<CpuData>,
}

/// From ticks of the time-stamp counter to nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TscToNs {
    pub(super) mult: u32,
    pub(super) shift: u32,
    pub(super) offset: u64,
}

impl TscToNs {
    /// Nanoseconds of a number of ticks.
    pub(super) fn ns(self, ticks: u64) -> u64 {
        let span = u128::from(ticks.saturating_sub(self.offset)) * u128::from(self.mult);
        u64::try_from(span >> self.shift.min(127)).unwrap_or(u64::MAX)
    }
}

/// What the options say, as far as it is needed.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    pub(super) buffers: Vec<Buffer>,
    /// The clock, as `trace_clock` names it.
    pub(super) clock: Vec<u8>,
    pub(super) tsc: Option<TscToNs>,
    pub(super) cpus: Option<u32>,
    /// Sections of version 7 by the number of their option: where they are.
    pub(super) sections: Vec<(u16, u64)>,
    count: usize,
    /// Bytes of the options so far.
    bytes: u64,
}

const DONE: u16 = 0;
const BUFFER: u16 = 3;
const CLOCK: u16 = 4;
const CPUS: u16 = 8;
const TSC2NSEC: u16 = 14;
/// Options of version 7 that say where a section is.
pub(super) const HEADER_INFO: u16 = 16;
pub(super) const FTRACE_EVENTS: u16 = 17;
pub(super) const EVENT_FORMATS: u16 = 18;
pub(super) const SYMBOLS: u16 = 19;

impl Options {
    /// Reads options up to the last. Of version 7 it says where more of them are, or 0.
    pub(super) fn read(
        &mut self,
        source: &mut Source<impl Read>,
        sections: bool,
    ) -> Result<u64, BinaryError> {
        source.what = "the options";
        loop {
            let id = u16::try_from(source.number(2)?).unwrap_or(u16::MAX);
            if id == DONE && !sections {
                return Ok(0);
            }
            let size = source.u32()?.into();
            let data = source.bytes(size, MAX_BYTES - self.bytes)?;
            self.bytes += size;
            let mut data =
                Source::new(Cursor::new(data), source.at - size, source.endian, "an option");
            self.count += 1;
            if self.count > MAX_OPTIONS {
                return Err(source.bad("fewer options"));
            }
            match id {
                DONE => return data.number(8),
                BUFFER if sections => self.section_buffer(&mut data)?,
                BUFFER => {
                    let offset = data.number(8)?;
                    let name = rest(data);
                    let name = name.split(|&b| b == 0).next().unwrap_or(&name).to_vec();
                    self.buffers.push(Buffer { name, offset, ..Buffer::default() });
                }
                CLOCK => self.clock = chosen(&rest(data)),
                CPUS => self.cpus = Some(data.u32()?),
                TSC2NSEC => {
                    let (mult, shift, offset) = (data.u32()?, data.u32()?, data.number(8)?);
                    self.tsc = Some(TscToNs { mult, shift, offset });
                }
                HEADER_INFO..=SYMBOLS => self.sections.push((id, data.number(8)?)),
                _ => {}
            }
        }
    }

    /// A buffer of version 7, with its processors.
    fn section_buffer(&mut self, data: &mut Source<Cursor<Vec<u8>>>) -> Result<(), BinaryError> {
        let offset = data.number(8)?;
        let (name, clock) = (data.text(4096)?, data.text(256)?);
        let page = u64::from(data.u32()?);
        let count = u64::from(data.u32()?);
        if count > MAX_CPUS || !(512..=1 << 26).contains(&page) {
            return Err(data.bad("a number of processors, and the size of a page"));
        }
        let mut cpus = Vec::new();
        for _ in 0..count {
            let cpu = data.u32()?;
            let (offset, size) = (data.number(8)?, data.number(8)?);
            cpus.push(CpuData { cpu, offset, size });
        }
        if self.clock.is_empty() {
            self.clock = clock;
        }
        self.buffers.push(Buffer { name, page: Some(page), offset, cpus });
        Ok(())
    }

    /// The times are ticks whose length nothing says.
    pub(super) fn has_ticks(&self) -> bool {
        let counts = [&b"x86-tsc"[..], b"counter", b"ppc-tb", b"s390-tod"];
        self.tsc.is_none() && counts.contains(&self.clock.as_slice())
    }
}

fn rest(data: Source<Cursor<Vec<u8>>>) -> Vec<u8> {
    let cursor = data.into_inner();
    let from = usize::try_from(cursor.position()).unwrap_or(usize::MAX);
    cursor.into_inner().get(from..).unwrap_or_default().to_vec()
}

/// `local [mono] boot`: the one in brackets.
fn chosen(text: &[u8]) -> Vec<u8> {
    let inner =
        text.split(|&b| b == b'[').nth(1).and_then(|rest| rest.split(|&b| b == b']').next());
    inner.unwrap_or_default().to_vec()
}

/// A list of where the events of processors are, as version 6 has it.
pub(super) fn processors(
    source: &mut Source<impl Read>,
    count: u32,
) -> Result<Vec<CpuData>, BinaryError> {
    source.what = "where the events of processors are";
    if u64::from(count) > MAX_CPUS {
        return Err(source.bad("a number of processors"));
    }
    (0..count)
        .map(|cpu| Ok(CpuData { cpu, offset: source.number(8)?, size: source.number(8)? }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::bytes::Endian;
    use super::*;

    #[test]
    fn clocks_and_ticks() {
        assert_eq!(chosen(b"local global [mono] boot x86-tsc"), b"mono");
        assert_eq!(chosen(b"no brackets"), b"");
        let tsc = TscToNs { mult: 1 << 31, shift: 32, offset: 100 };
        assert_eq!((tsc.ns(300), tsc.ns(50)), (100, 0));
        let clock = |clock: &[u8]| Options { clock: clock.to_vec(), ..Options::default() };
        assert!(clock(b"x86-tsc").has_ticks() && !clock(b"mono").has_ticks());
        assert!(!Options { tsc: Some(tsc), ..clock(b"x86-tsc") }.has_ticks());
    }

    #[test]
    fn endless_options_end() {
        let mut source = Source::new(std::io::repeat(0), 0, Endian::Little, "x");
        // Each is the end of one of version 6; of version 7 its data are missing.
        assert_eq!(Options::default().read(&mut source, false).expect("ends"), 0);
        assert!(Options::default().read(&mut source, true).is_err());
        let mut source = Source::new(std::io::repeat(1), 0, Endian::Little, "x");
        assert!(Options::default().read(&mut source, false).is_err());
    }
}
