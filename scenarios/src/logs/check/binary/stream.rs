//! The events of a buffer's processors, joined by time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{Read, Seek, SeekFrom};

use super::bytes::{Endian, Source};
use super::compression::Compression;
use super::error::BinaryError;
use super::head::PageLayout;
use super::options::{Buffer, CpuData};
use super::pages::{InPage, Page};

/// How a file keeps pages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) endian: Endian,
    pub(super) page: u64,
    pub(super) pages: PageLayout,
    /// Version 7 keeps the pages of a processor in parts, each compressed.
    pub(super) compression: Option<Compression>,
}

/// What a stream has next.
#[derive(Debug)]
pub(super) enum Next<'a> {
    /// A record of a processor, with its time by the clock of the trace.
    Record { cpu: u32, time: u64, bytes: &'a [u8] },
    /// Events of a processor were lost here; how many, if known.
    Lost { cpu: u32, events: Option<u64> },
    /// What a processor's buffer holds here cannot be read; its place in the file.
    Damaged { cpu: u32, offset: u64 },
}

/// The pages of a processor.
#[derive(Debug, Default)]
struct CpuStream {
    cpu: u32,
    /// Where the next bytes are in the file, and how many there are.
    at: u64,
    left: u64,
    /// Parts that are left, where the data are in parts.
    parts: Option<u64>,
    /// Pages that were read.
    data: Vec<u8>,
    from: usize,
    page: Page,
    bytes: (usize, usize),
    next: Option<InPage>,
    /// What is to be told before the next event.
    lost: Option<Option<u64>>,
    damaged: Option<u64>,
}

/// All processors of a buffer.
pub(super) struct Streams<R> {
    input: R,
    layout: Layout,
    cpus: Vec<CpuStream>,
    /// Times of the next events.
    heap: BinaryHeap<Reverse<(u64, usize)>>,
    /// The processor whose event was given last.
    given: Option<usize>,
    /// Processors that have something to tell before their next event.
    notes: Vec<usize>,
}

impl<R: Read + Seek> Streams<R> {
    /// Begins to read a buffer.
    pub(super) fn new(input: R, buffer: &Buffer, layout: Layout) -> Self {
        let streams = |data: &CpuData| CpuStream {
            cpu: data.cpu,
            at: data.offset,
            left: data.size,
            ..CpuStream::default()
        };
        let cpus = buffer.cpus.iter().filter(|data| data.size > 0).map(streams).collect();
        let mut all =
            Self { input, layout, cpus, heap: BinaryHeap::new(), given: None, notes: Vec::new() };
        for at in 0..all.cpus.len() {
            all.advance(at);
        }
        all
    }

    /// What comes next by time.
    pub(super) fn next(&mut self) -> Option<Next<'_>> {
        if let Some(at) = self.given.take() {
            self.advance(at);
        }
        if let Some(&at) = self.notes.last() {
            let stream = &mut self.cpus[at];
            if let Some(offset) = stream.damaged.take() {
                return Some(Next::Damaged { cpu: stream.cpu, offset });
            }
            if let Some(events) = stream.lost.take() {
                self.notes.pop();
                return Some(Next::Lost { cpu: stream.cpu, events });
            }
            self.notes.pop();
            return self.next();
        }
        let Reverse((time, at)) = self.heap.pop()?;
        self.given = Some(at);
        let stream = &self.cpus[at];
        let InPage { from, to, .. } = stream.next?;
        let page = &stream.data[stream.bytes.0..stream.bytes.1];
        Some(Next::Record { cpu: stream.cpu, time, bytes: &page[from..to] })
    }

    /// Finds the next event of a processor.
    fn advance(&mut self, at: usize) {
        let layout = self.layout;
        loop {
            let stream = &mut self.cpus[at];
            let page = &stream.data[stream.bytes.0..stream.bytes.1];
            stream.next = stream.page.next(page, layout.endian);
            if stream.page.damaged && stream.next.is_none() {
                stream.page.damaged = false;
                stream.damaged = Some(stream.at);
                stream.lost = Some(None);
            }
            if let Some(event) = stream.next {
                self.heap.push(Reverse((event.time, at)));
                break;
            }
            match self.load(at) {
                Ok(true) => {}
                Ok(false) => break,
                Err(_) => {
                    let stream = &mut self.cpus[at];
                    (stream.damaged, stream.lost) = (Some(stream.at), Some(None));
                    (stream.left, stream.parts) = (0, Some(0));
                    (stream.data, stream.from) = (Vec::new(), 0);
                    (stream.page, stream.bytes) = (Page::default(), (0, 0));
                    break;
                }
            }
        }
        let stream = &self.cpus[at];
        if stream.lost.is_some() || stream.damaged.is_some() {
            self.notes.push(at);
        }
    }

    /// Loads the next page of a processor; says whether there is one.
    fn load(&mut self, at: usize) -> Result<bool, BinaryError> {
        let page = usize::try_from(self.layout.page).unwrap_or(usize::MAX);
        if self.cpus[at].from >= self.cpus[at].data.len() && !self.fill(at)? {
            return Ok(false);
        }
        let stream = &mut self.cpus[at];
        let to = stream.from.saturating_add(page).min(stream.data.len());
        stream.bytes = (stream.from, to);
        stream.from = to;
        let bytes = &stream.data[stream.bytes.0..to];
        stream.page = Page::new(bytes, self.layout.pages, self.layout.endian);
        stream.lost = stream.page.lost.or(stream.lost);
        Ok(true)
    }

    /// Reads more of a processor's pages from the file: one, or those of a part.
    fn fill(&mut self, at: usize) -> Result<bool, BinaryError> {
        let Layout { endian, page, compression, .. } = self.layout;
        let stream = &mut self.cpus[at];
        let what = "the events of a processor";
        let offset = stream.at;
        let seek = self.input.seek(SeekFrom::Start(offset));
        seek.map_err(|source| BinaryError::Read { what, offset, source })?;
        let mut source = Source::new(&mut self.input, offset, endian, what);
        stream.from = 0;
        match compression {
            None => {
                if stream.left == 0 {
                    return Ok(false);
                }
                let size = stream.left.min(page);
                stream.data = source.bytes(size, page)?;
                stream.left -= size;
            }
            Some(compression) => {
                let parts = match stream.parts {
                    Some(parts) => parts,
                    None if stream.left == 0 => 0,
                    None => source.u32()?.into(),
                };
                let Some(parts) = parts.checked_sub(1) else { return Ok(false) };
                stream.data = compression.part(&mut source)?;
                stream.parts = Some(parts);
            }
        }
        stream.at = source.at;
        Ok(!stream.data.is_empty())
    }
}
