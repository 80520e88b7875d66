//! trace.dat of trace-cmd, versions 6 and 7.

use std::io::{Cursor, Read, Seek, SeekFrom};

use models::trace::kernel::{Header, Lost, Thread, event_of_fields};

use super::bytes::{Endian, Source};
use super::compression::Compression;
use super::error::BinaryError;
use super::format::{Format, Formats, Record};
use super::head::{self, Begin, PageLayout};
use super::options::{self, Buffer, Options, processors};
use super::stream::{Layout, Next, Streams};
use crate::logs::check::consumer::LogConsumer;
use crate::logs::check::reader::Session;

/// The largest section of version 7 that is not compressed.
const MAX_SECTION: u64 = 1 << 28;
/// Lists of options that follow one another.
const MAX_LISTS: usize = 1024;
/// A section is compressed.
const COMPRESSED: u64 = 1;

/// A file whose head was read.
struct Dat {
    version: u8,
    formats: Formats,
    options: Options,
    layout: Layout,
}

/// Reads a file to its end.
pub(super) fn read<C: LogConsumer>(
    mut input: impl Read + Seek,
    session: &mut Session<C>,
) -> Result<(), BinaryError> {
    let dat = open(&mut input)?;
    let Some(chosen) = choose(&mut input, &dat) else {
        return Ok(());
    };
    session.set_source(&describe(&dat, chosen));
    for (number, buffer) in dat.options.buffers.iter().enumerate() {
        if number != chosen && buffer.cpus.iter().any(|cpu| cpu.size > 0) {
            session.not_read(&format!("the buffer of {}", who(buffer)));
        }
    }
    let ticks = dat.options.has_ticks();
    let buffer = &dat.options.buffers[chosen];
    let endian = dat.layout.endian;
    let mut streams = Streams::new(&mut input, buffer, dat.layout_of(buffer));
    let mut number = 0;
    while let Some(next) = streams.next() {
        match next {
            Next::Lost { cpu, events } => session.lost(Lost { cpu: Some(cpu), events }),
            Next::Damaged { cpu, offset } => session.damaged(number, cpu, offset),
            Next::Record { cpu, time, bytes } => {
                number += 1;
                let Some(format) = dat.formats.of_record(bytes, endian) else {
                    session.unknown_record(number, cpu);
                    continue;
                };
                let pid = dat.formats.thread(bytes, endian).unwrap_or(0);
                let ns = dat.options.tsc.map_or(time, |tsc| tsc.ns(time));
                let header = Header {
                    comm: b"",
                    thread: Thread { pid, tgid: None },
                    cpu,
                    ns,
                    name: &format.name,
                    raw_time: ticks,
                    grouped: false,
                };
                let record = Record { format, formats: &dat.formats, bytes, endian };
                let event = event_of_fields(&format.name, &record);
                session.record(number, &header, event, record.probe().as_deref());
            }
        }
    }
    Ok(())
}

fn who(buffer: &Buffer) -> String {
    match buffer.name.as_slice() {
        b"" => "the whole trace".to_owned(),
        name => format!("the instance `{}`", String::from_utf8_lossy(name)),
    }
}

fn describe(dat: &Dat, chosen: usize) -> String {
    let compression = match dat.layout.compression {
        Some(compression) => format!(", {}", compression.name()),
        None => String::new(),
    };
    let buffer = &dat.options.buffers[chosen];
    let instance =
        if buffer.name.is_empty() { String::new() } else { format!(", {}", who(buffer)) };
    format!("trace.dat version {}{compression}{instance}", dat.version)
}

/// The buffer that is read: the first that has an event of KVM, since what two buffers have of the
/// same event would count twice. Otherwise the first that has any.
fn choose(input: &mut (impl Read + Seek), dat: &Dat) -> Option<usize> {
    let mut any = None;
    for (number, buffer) in dat.options.buffers.iter().enumerate() {
        let mut streams = Streams::new(&mut *input, buffer, dat.layout_of(buffer));
        while let Some(next) = streams.next() {
            let Next::Record { bytes, .. } = next else { continue };
            any = any.or(Some(number));
            let format = dat.formats.of_record(bytes, dat.layout.endian);
            if format.is_some_and(Format::is_of_kvm) {
                return Some(number);
            }
        }
    }
    any
}

impl Dat {
    fn layout_of(&self, buffer: &Buffer) -> Layout {
        Layout { page: buffer.page.unwrap_or(self.layout.page), ..self.layout }
    }
}

fn open(input: &mut (impl Read + Seek)) -> Result<Dat, BinaryError> {
    let mut source = Source::new(&mut *input, 0, Endian::Little, "the head of a trace");
    let begin = head::begin(&mut source)?;
    match begin.version.as_slice() {
        b"6" => version_6(source, &begin),
        b"7" => {
            let (name, _) = (source.text(64)?, source.text(64)?);
            let options = source.number(8)?;
            version_7(input, &begin, &name, options)
        }
        other => Err(BinaryError::Unsupported {
            what: format!("trace.dat of version {}", String::from_utf8_lossy(other)),
            help: "versions 6 and 7 are read; otherwise `trace-cmd report trace.dat > trace.txt`",
        }),
    }
}

fn version_6<R: Read + Seek>(
    mut source: Source<&mut R>,
    begin: &Begin,
) -> Result<Dat, BinaryError> {
    let mut formats = Formats::default();
    let pages = head::page_layout(&mut source)?;
    head::own_events(&mut source, &mut formats)?;
    head::events(&mut source, &mut formats)?;
    head::symbols(&mut source, &mut formats)?;
    head::lists(&mut source, true)?;
    source.what = "the number of processors";
    let count = source.u32()?;
    let mut options = Options::default();
    let cpus = flyrecord(&mut source, &mut options, count)?;
    let endian = begin.endian;
    let input = source.into_inner();
    for buffer in &mut options.buffers {
        let (what, offset) = ("the buffer of an instance", buffer.offset);
        let seek = input.seek(SeekFrom::Start(offset));
        seek.map_err(|source| BinaryError::Read { what, offset, source })?;
        let mut source = Source::new(&mut *input, offset, endian, what);
        buffer.cpus = flyrecord(&mut source, &mut Options::default(), count)?;
    }
    options.buffers.insert(0, Buffer { cpus, ..Buffer::default() });
    let layout = Layout { endian, page: begin.page, pages, compression: None };
    Ok(Dat { version: 6, formats, options, layout })
}

/// The list of processors, behind options if there are any.
fn flyrecord(
    source: &mut Source<impl Read>,
    options: &mut Options,
    count: u32,
) -> Result<Vec<options::CpuData>, BinaryError> {
    loop {
        source.what = "what follows the formats";
        match source.bytes(10, 10)?.as_slice() {
            b"options  \0" => {
                options.read(source, false)?;
            }
            b"flyrecord\0" => return processors(source, options.cpus.unwrap_or(count)),
            b"latency  \0" => {
                return Err(BinaryError::Unsupported {
                    what: "the text of a latency tracer in a trace.dat".to_owned(),
                    help: "it has no events; record with `trace-cmd record -e kvm`",
                });
            }
            _ => return Err(source.bad("options, flyrecord or latency")),
        }
    }
}

fn version_7(
    input: &mut (impl Read + Seek),
    begin: &Begin,
    compression: &[u8],
    mut at: u64,
) -> Result<Dat, BinaryError> {
    let (endian, compression) = (begin.endian, Compression::of(compression)?);
    let mut options = Options::default();
    let mut lists = 0;
    while at != 0 {
        lists += 1;
        let mut source = section(input, at, endian, compression, "the options")?;
        if lists > MAX_LISTS {
            return Err(source.bad("an end of the options"));
        }
        at = options.read(&mut source, true)?;
    }
    let (mut formats, mut pages) = (Formats::default(), PageLayout::default());
    let mut open = |at: u64, what| section(input, at, endian, compression, what);
    // In their own order, whatever that of the options.
    options.sections.sort_unstable();
    for &(id, at) in &options.sections {
        match id {
            options::HEADER_INFO => {
                pages = head::page_layout(&mut open(at, "the layout of pages")?)?;
            }
            options::FTRACE_EVENTS => {
                head::own_events(&mut open(at, "formats of events")?, &mut formats)?;
            }
            options::EVENT_FORMATS => {
                head::events(&mut open(at, "formats of events")?, &mut formats)?;
            }
            options::SYMBOLS => {
                head::symbols(&mut open(at, "the kernel's symbols")?, &mut formats)?;
            }
            _ => {}
        }
    }
    let mut layout = Layout { endian, page: begin.page, pages, compression: None };
    if let Some(buffer) = options.buffers.first() {
        // Whether the pages are in parts, the section of each buffer says, alike for all.
        let (_, flags, ..) = section_head(input, buffer.offset, endian, "a buffer")?;
        layout.compression = (flags & COMPRESSED != 0).then_some(compression);
    }
    Ok(Dat { version: 7, formats, options, layout })
}

/// The head of a section: its number, its flags, its size, and where its content is.
fn section_head(
    input: &mut (impl Read + Seek),
    at: u64,
    endian: Endian,
    what: &'static str,
) -> Result<(u64, u64, u64, u64), BinaryError> {
    let seek = input.seek(SeekFrom::Start(at));
    seek.map_err(|source| BinaryError::Read { what, offset: at, source })?;
    let mut source = Source::new(input, at, endian, what);
    let (id, flags) = (source.number(2)?, source.number(2)?);
    source.u32()?;
    let size = source.number(8)?;
    Ok((id, flags, size, source.at))
}

/// The content of a section.
fn section(
    input: &mut (impl Read + Seek),
    at: u64,
    endian: Endian,
    compression: Compression,
    what: &'static str,
) -> Result<Source<Cursor<Vec<u8>>>, BinaryError> {
    let (_, flags, size, at) = section_head(input, at, endian, what)?;
    let mut source = Source::new(input, at, endian, what);
    let content = match flags & COMPRESSED {
        0 => source.bytes(size, MAX_SECTION)?,
        _ => compression.part(&mut source)?,
    };
    Ok(Source::new(Cursor::new(content), at, endian, what))
}
