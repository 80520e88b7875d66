//! perf.data, as a file and as a stream (`perf record -o -`).

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Seek, SeekFrom};

use models::trace::kernel::{EventError, Header, KernelEvent, Lost, Thread, event_of_fields};

use super::bytes::{Endian, Source};
use super::error::BinaryError;
use super::format::{Formats, Record};
use super::head;
use super::samples::{Attr, Sample};
use crate::logs::check::consumer::LogConsumer;
use crate::logs::check::reader::Session;

/// How a file begins, and how one of a machine with the other order of bytes does.
pub(super) const MAGIC: &[u8] = b"PERFILE2";
pub(super) const MAGIC_SWAPPED: &[u8] = b"2ELIFREP";

/// Size of the head of a stream.
const STREAM_HEAD: u64 = 16;
/// Kinds of records.
const LOST: u32 = 2;
const SAMPLE: u32 = 9;
const LOST_SAMPLES: u32 = 13;
const HEADER_ATTR: u32 = 64;
const TRACING_DATA: u32 = 66;
const FINISHED_ROUND: u32 = 68;
const AUXTRACE: u32 = 71;
const COMPRESSED: [u32; 2] = [81, 83];
/// The number of the feature that holds the formats of tracepoints.
const FEATURE_TRACING_DATA: u32 = 1;
/// Attributes, and numbers of counters of one: some for each processor.
const MAX_ATTRS: u64 = 1 << 16;
const MAX_IDS: u64 = 1 << 20;
/// The largest tracing data.
const MAX_TRACING_DATA: u64 = 1 << 28;
/// Events that wait for earlier ones, if the file does not say where a round ends.
const MAX_WAITING: usize = 1 << 21;

/// An event that earlier ones of other processors may still precede.
struct Waiting {
    time: u64,
    cpu: u32,
    thread: Thread,
    what: What,
}

/// What it is.
enum What {
    /// An event by the number of its name.
    Event(u16, Result<Option<KernelEvent>, EventError>, Option<Box<str>>),
    /// A record of no known event.
    Unknown,
    /// So many events were lost.
    Lost(u64),
}

/// A file that is being read.
struct Perf<'a, C> {
    session: &'a mut Session<C>,
    endian: Endian,
    formats: Formats,
    names: Vec<Vec<u8>>,
    attrs: Vec<Attr>,
    by_id: BTreeMap<u64, usize>,
    alike: bool,
    waiting: Vec<Waiting>,
    /// The latest time so far, and at the end of the round before.
    latest: u64,
    round: u64,
    number: u64,
}

/// A part of the file.
#[derive(Clone, Copy)]
struct Section {
    offset: u64,
    size: u64,
}

/// Reads a file to its end.
pub(super) fn read<C: LogConsumer>(
    mut input: impl Read + Seek,
    session: &mut Session<C>,
) -> Result<(), BinaryError> {
    let mut source = Source::new(&mut input, 0, Endian::Little, "the head of perf.data");
    let magic = source.bytes(8, 8)?;
    let endian = if magic == MAGIC { Endian::Little } else { Endian::Big };
    source.endian = endian;
    let mut perf = Perf {
        session,
        endian,
        formats: Formats::default(),
        names: Vec::new(),
        attrs: Vec::new(),
        by_id: BTreeMap::new(),
        alike: true,
        waiting: Vec::new(),
        latest: 0,
        round: 0,
        number: 0,
    };
    let size = source.number(8)?;
    if size == STREAM_HEAD {
        perf.session.set_source("perf.data, written as a stream");
        perf.records(source, None)?;
    } else {
        perf.session.set_source("perf.data");
        let data = perf.file_head(source)?;
        let source = open(&mut input, data.offset, endian, "the records")?;
        perf.records(source, Some(data.size))?;
    }
    perf.flush(u64::MAX);
    Ok(())
}

fn open<'a, R: Read + Seek>(
    input: &'a mut R,
    offset: u64,
    endian: Endian,
    what: &'static str,
) -> Result<Source<&'a mut R>, BinaryError> {
    let seek = input.seek(SeekFrom::Start(offset));
    seek.map_err(|source| BinaryError::Read { what, offset, source })?;
    Ok(Source::new(input, offset, endian, what))
}

fn part(source: &mut Source<impl Read>) -> Result<Section, BinaryError> {
    Ok(Section { offset: source.number(8)?, size: source.number(8)? })
}

fn no_formats() -> BinaryError {
    BinaryError::Unsupported {
        what: "a perf.data without the formats of tracepoints".to_owned(),
        help: "record tracepoints: `perf record -a -e 'kvm:kvm_*async*' ...`; see \
               docs/check-a-real-host.md",
    }
}

impl<C: LogConsumer> Perf<'_, C> {
    /// The head of a file: attributes, formats; says where the records are.
    fn file_head<R: Read + Seek>(
        &mut self,
        mut source: Source<&mut R>,
    ) -> Result<Section, BinaryError> {
        let attr_size = source.number(8)?;
        let (attrs, data, _) = (part(&mut source)?, part(&mut source)?, part(&mut source)?);
        let features = [source.number(8)?, source.number(8)?, source.number(8)?, source.number(8)?];
        if data.size == 0 {
            return Err(BinaryError::Unsupported {
                what: "a perf.data whose recording was not finished".to_owned(),
                help: "end `perf record` with Ctrl-C, so that it writes the head of its file",
            });
        }
        if !(80..=4096).contains(&attr_size) || attrs.size / attr_size > MAX_ATTRS {
            return Err(source.bad("the size of an attribute"));
        }
        let input = source.into_inner();
        for number in 0..attrs.size / attr_size {
            let at = attrs.offset.saturating_add(number * attr_size);
            let mut source = open(input, at, self.endian, "the attributes")?;
            let bytes = source.bytes(attr_size - 16, 4096)?;
            let ids = part(&mut source)?;
            let (mut attr, _) =
                Attr::of(&bytes, self.endian).ok_or_else(|| source.bad("an attribute"))?;
            let count = ids.size / 8;
            if count > MAX_IDS {
                return Err(source.bad("the numbers of an event"));
            }
            let mut source = open(input, ids.offset, self.endian, "the numbers of an event")?;
            for _ in 0..count {
                attr.ids.push(source.number(8)?);
            }
            self.attr(attr);
        }
        if features[0] & 1 << FEATURE_TRACING_DATA == 0 {
            return Err(no_formats());
        }
        // The parts of features follow the records, in the order of their numbers; the first
        // number is that of no feature.
        let before = u64::from((features[0] & ((1 << FEATURE_TRACING_DATA) - 1)).count_ones());
        let table = data.offset.saturating_add(data.size).saturating_add(16 * before);
        let mut source = open(input, table, self.endian, "the table of features")?;
        let formats = part(&mut source)?;
        let mut source = open(input, formats.offset, self.endian, "the formats of events")?;
        self.tracing_data(&mut source)?;
        Ok(data)
    }

    fn attr(&mut self, attr: Attr) {
        let number = self.attrs.len();
        for &id in &attr.ids {
            self.by_id.insert(id, number);
        }
        self.alike &= self.attrs.first().is_none_or(|first| first.is_like(&attr));
        self.attrs.push(attr);
    }

    fn tracing_data(&mut self, source: &mut Source<impl Read>) -> Result<(), BinaryError> {
        let begin = head::begin(source)?;
        head::page_layout(source)?;
        head::own_events(source, &mut self.formats)?;
        head::events(source, &mut self.formats)?;
        head::symbols(source, &mut self.formats)?;
        let old = begin.version.starts_with(b"0.") && begin.version.as_slice() < b"0.6".as_slice();
        head::lists(source, !old)
    }

    /// Reads records, so many bytes or to the end.
    fn records<R: Read>(
        &mut self,
        mut source: Source<R>,
        size: Option<u64>,
    ) -> Result<(), BinaryError> {
        source.what = "the records";
        let end = size.map(|size| source.at.saturating_add(size));
        while end.is_none_or(|end| source.at < end) {
            let kind = match source.u32() {
                Ok(kind) => kind,
                // The recording, or the file, was cut short between two records.
                Err(BinaryError::Truncated { .. }) => {
                    if end.is_some() {
                        self.session.cut_short(self.number);
                    }
                    break;
                }
                Err(error) => return Err(error),
            };
            source.number(2)?;
            let Some(length) = source.number(2)?.checked_sub(8) else {
                return Err(source.bad("the size of a record"));
            };
            let body = match source.bytes(length, 1 << 16) {
                Ok(body) => body,
                Err(BinaryError::Truncated { .. }) => {
                    self.session.cut_short(self.number);
                    break;
                }
                Err(error) => return Err(error),
            };
            self.record(kind, &body, &mut source)?;
        }
        Ok(())
    }

    fn record<R: Read>(
        &mut self,
        kind: u32,
        body: &[u8],
        source: &mut Source<R>,
    ) -> Result<(), BinaryError> {
        let endian = self.endian;
        let number = |at: usize, size| body.get(at..).and_then(|rest| endian.number(rest, size));
        match kind {
            SAMPLE => self.sample(body, source)?,
            LOST => self.lost(body, number(8, 8).unwrap_or(0)),
            LOST_SAMPLES => self.lost(body, number(0, 8).unwrap_or(0)),
            FINISHED_ROUND => {
                let round = std::mem::replace(&mut self.round, self.latest);
                self.flush(round);
            }
            HEADER_ATTR => {
                let (mut attr, size) =
                    Attr::of(body, endian).ok_or_else(|| source.bad("an attribute"))?;
                let ids = body.get(size..).unwrap_or_default();
                attr.ids = ids.chunks_exact(8).filter_map(|id| endian.number(id, 8)).collect();
                self.attr(attr);
            }
            TRACING_DATA => {
                let size = number(0, 4).ok_or_else(|| source.bad("the size of the formats"))?;
                let at = source.at;
                let data = source.bytes(size, MAX_TRACING_DATA)?;
                self.tracing_data(&mut Source::new(Cursor::new(data), at, endian, "formats"))?;
            }
            AUXTRACE => {
                // Its data follow it.
                let mut left = number(0, 8).ok_or_else(|| source.bad("the size of a trace"))?;
                while left > 0 {
                    let step = left.min(1 << 20);
                    source.bytes(step, step)?;
                    left -= step;
                }
            }
            kind if COMPRESSED.contains(&kind) => {
                return Err(BinaryError::Unsupported {
                    what: "a perf.data with compressed records (`perf record -z`)".to_owned(),
                    help: "`perf inject -i perf.data -o plain.data`, or record without -z",
                });
            }
            _ => {}
        }
        Ok(())
    }

    /// How the event of a sample is sampled.
    fn attr_of(&self, body: &[u8]) -> Option<&Attr> {
        let first = self.attrs.first()?;
        if self.alike {
            return Some(first);
        }
        let id = self.endian.number(body, 8).filter(|_| first.is_identified())?;
        self.attrs.get(*self.by_id.get(&id)?)
    }

    fn sample(&mut self, body: &[u8], source: &Source<impl Read>) -> Result<(), BinaryError> {
        if self.formats.is_empty() {
            return Err(no_formats());
        }
        let Some(attr) = self.attr_of(body) else {
            return Err(BinaryError::Unsupported {
                what: "a perf.data whose samples do not say of which event they are".to_owned(),
                help: "record the events of one command line together, or use `perf script`",
            });
        };
        let is_trace = attr.is_trace();
        let sample = attr.sample(body, self.endian).ok_or_else(|| source.bad("a whole sample"))?;
        let Sample { pid, tid, time: Some(time), cpu, raw: Some(raw) } = sample else {
            // Of another kind of event than a tracepoint.
            return Ok(());
        };
        if !is_trace {
            return Ok(());
        }
        let what = match self.formats.of_record(raw, self.endian) {
            None => What::Unknown,
            Some(format) => {
                let record =
                    Record { format, formats: &self.formats, bytes: raw, endian: self.endian };
                let event = event_of_fields(&format.name, &record);
                let known = self.names.iter().position(|name| *name == format.name);
                let at = known.unwrap_or_else(|| {
                    self.names.push(format.name.clone());
                    self.names.len() - 1
                });
                let probe = record.probe().map(String::into_boxed_str);
                u16::try_from(at).map_or(What::Unknown, |at| What::Event(at, event, probe))
            }
        };
        let thread = Thread { pid: tid.unwrap_or(0), tgid: pid };
        self.wait(Waiting { time, cpu: cpu.unwrap_or(0), thread, what });
        Ok(())
    }

    fn lost(&mut self, body: &[u8], events: u64) {
        let behind = self.attrs.first().and_then(|attr| attr.behind(body, self.endian));
        let behind = behind.unwrap_or_default();
        let (time, thread) = (behind.time.unwrap_or(self.latest), Thread::default());
        match behind.cpu {
            Some(cpu) => self.wait(Waiting { time, cpu, thread, what: What::Lost(events) }),
            None => self.session.lost(Lost { cpu: None, events: Some(events) }),
        }
    }

    fn wait(&mut self, waiting: Waiting) {
        self.latest = self.latest.max(waiting.time);
        self.waiting.push(waiting);
        if self.waiting.len() >= MAX_WAITING {
            let half = self.waiting[MAX_WAITING / 2].time;
            self.flush(half);
        }
    }

    /// Hands on what no later record can precede.
    fn flush(&mut self, until: u64) {
        // Those of equal time keep their order.
        self.waiting.sort_by_key(|waiting| waiting.time);
        let count = self.waiting.partition_point(|waiting| waiting.time <= until);
        for waiting in self.waiting.drain(..count) {
            let Waiting { time, cpu, thread, what } = waiting;
            match what {
                What::Lost(events) => {
                    self.session.lost(Lost { cpu: Some(cpu), events: Some(events) });
                }
                What::Unknown => {
                    self.number += 1;
                    self.session.unknown_record(self.number, cpu);
                }
                What::Event(name, event, probe) => {
                    self.number += 1;
                    let header = Header {
                        comm: b"",
                        thread,
                        cpu,
                        ns: time,
                        name: &self.names[usize::from(name)],
                        raw_time: false,
                        grouped: false,
                    };
                    self.session.record(self.number, &header, event, probe.as_deref());
                }
            }
        }
    }
}
