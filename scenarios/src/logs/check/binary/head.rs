//! What trace.dat and perf.data have in common: the formats of events, the kernel's symbols.

use std::io::Read;

use super::bytes::{Endian, Source};
use super::error::BinaryError;
use super::format::Formats;

/// How all files of trace-cmd begin, and the tracing data of perf.
pub(super) const MAGIC: &[u8] = b"\x17\x08\x44tracing";

/// The largest text of a format.
const MAX_FORMAT: u64 = 1 << 20;
/// Systems, and events of one. Kernels have some hundred, and some thousand in all.
const MAX_EVENTS: u32 = 1 << 16;
/// The largest list of symbols or threads.
const MAX_LIST: u64 = 1 << 28;

/// The layout of a page of the ring buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageLayout {
    /// Offset and size of the number of bytes in use.
    pub(super) commit: (usize, usize),
    /// Where events begin.
    pub(super) data: usize,
}

impl Default for PageLayout {
    fn default() -> Self {
        Self { commit: (8, 8), data: 16 }
    }
}

/// What stands at the beginning of a file.
#[derive(Clone, Debug)]
pub(super) struct Begin {
    pub(super) version: Vec<u8>,
    pub(super) endian: Endian,
    /// Bytes of a page of its ring buffer.
    pub(super) page: u64,
}

/// Reads the magic, the version, and the machine's sizes.
pub(super) fn begin(source: &mut Source<impl Read>) -> Result<Begin, BinaryError> {
    source.what = "the head of a trace";
    let magic = source.bytes(MAGIC.len() as u64, 64)?;
    if magic != MAGIC {
        return Err(source.bad("the magic of a trace"));
    }
    let version = source.text(16)?;
    source.endian = match source.number(1)? {
        0 => Endian::Little,
        1 => Endian::Big,
        _ => return Err(source.bad("0 or 1 for the order of bytes")),
    };
    if !matches!(source.number(1)?, 4 | 8) {
        return Err(source.bad("4 or 8 bytes of a long"));
    }
    let page = source.u32()?.into();
    if !(512..=1 << 26).contains(&page) {
        return Err(source.bad("the size of a page"));
    }
    Ok(Begin { version, endian: source.endian, page })
}

/// `header_page` and `header_event`: how pages are laid out.
pub(super) fn page_layout(source: &mut Source<impl Read>) -> Result<PageLayout, BinaryError> {
    source.what = "the layout of pages";
    source.expect("header_page\0")?;
    let size = source.number(8)?;
    let text = source.bytes(size, MAX_FORMAT)?;
    source.expect("header_event\0")?;
    let size = source.number(8)?;
    source.bytes(size, MAX_FORMAT)?;
    let text = String::from_utf8_lossy(&text);
    let place = |name: &str| {
        let line = text.lines().find(|line| {
            let declared = line.split(';').next().unwrap_or("");
            declared.rsplit([' ', '*']).next() == Some(name)
        })?;
        let number = |key: &str| -> Option<usize> {
            line.split(';').find_map(|part| part.trim().strip_prefix(key)?.trim().parse().ok())
        };
        Some((number("offset:")?, number("size:")?))
    };
    let fine = |place: &(usize, usize)| place.0 <= 64 && (1..=8).contains(&place.1);
    let commit = place("commit").filter(fine).ok_or_else(|| source.bad("the field commit"))?;
    let data = place("data").filter(|(at, _)| (1..=64).contains(at));
    let (data, _) = data.ok_or_else(|| source.bad("the field data"))?;
    Ok(PageLayout { commit, data })
}

/// Formats of ftrace's own events.
pub(super) fn own_events(
    source: &mut Source<impl Read>,
    formats: &mut Formats,
) -> Result<(), BinaryError> {
    source.what = "the formats of ftrace's events";
    for _ in 0..count(source)? {
        let size = source.number(8)?;
        let text = source.bytes(size, MAX_FORMAT)?;
        formats.add(b"ftrace", &text);
    }
    Ok(())
}

/// Formats of all other events, by their systems.
pub(super) fn events(
    source: &mut Source<impl Read>,
    formats: &mut Formats,
) -> Result<(), BinaryError> {
    source.what = "the formats of events";
    for _ in 0..count(source)? {
        let system = source.text(256)?;
        for _ in 0..count(source)? {
            let size = source.number(8)?;
            let text = source.bytes(size, MAX_FORMAT)?;
            formats.add(&system, &text);
        }
    }
    Ok(())
}

fn count(source: &mut Source<impl Read>) -> Result<u32, BinaryError> {
    let count = source.u32()?;
    if count > MAX_EVENTS {
        return Err(source.bad("a number of events"));
    }
    Ok(count)
}

/// The kernel's symbols.
pub(super) fn symbols(
    source: &mut Source<impl Read>,
    formats: &mut Formats,
) -> Result<(), BinaryError> {
    source.what = "the kernel's symbols";
    let size = source.u32()?;
    let text = source.bytes(size.into(), MAX_LIST)?;
    formats.symbols(&text);
    Ok(())
}

/// Formats of `trace_printk`, and behind them, where `threads` says so, names of threads: both are
/// not needed.
pub(super) fn lists(source: &mut Source<impl Read>, threads: bool) -> Result<(), BinaryError> {
    source.what = "lists behind the formats";
    let size = source.u32()?;
    source.bytes(size.into(), MAX_LIST)?;
    if threads {
        let size = source.number(8)?;
        source.bytes(size, MAX_LIST)?;
    }
    Ok(())
}
