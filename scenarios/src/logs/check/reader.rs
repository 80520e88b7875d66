//! From a stream to events in their order, and to a report.

use std::collections::BTreeMap;
use std::io::Read;

use models::monitors::log::LogEvent;
use models::trace::kernel::clean::{cleaned, is_quoted_printable, unquoted};
use models::trace::kernel::{
    EventError, Header, KernelEvent, Line, Lost, is_evidence, parse_event, split,
};

use super::compressed::Broken;
use super::consumer::{LogConsumer, deliver};
use super::error::{CheckError, unreadable};
use super::join::{Held, Made};
use super::lines::{End, Lines};
use super::order::{Entry, Order};
use super::report::{Skipped, SkippedKind, excerpt};

/// Names of events that are counted; a kernel has some thousands.
const MAX_NAMES: usize = 4096;
/// Processors that are told apart.
const MAX_CPUS: usize = 1 << 16;
/// By how much the time of a processor may go back, in nanoseconds. An assumption: its buffer is in
/// the order of time, but for events of interrupts within one another.
const BACK: u64 = 10_000_000;

/// What is known of a processor.
#[derive(Clone, Copy, Debug, Default)]
struct Cpu {
    last: u64,
    /// Events were lost since the last one.
    lost: bool,
    /// The last event of those that are understood.
    event: Option<LogEvent>,
}

/// A log that is being read, or was.
pub(crate) struct Session<C> {
    pub(crate) consumer: C,
    pub(super) order: Order,
    pub(super) names: Vec<(Vec<u8>, u64)>,
    last_name: usize,
    pub(super) other_names: u64,
    cpus: BTreeMap<u32, Cpu>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) events: u64,
    pub(super) lost_events: u64,
    pub(super) backwards: u64,
    /// Where time runs backwards first, on which processor and by how much.
    back: Option<(u64, u32, u64)>,
    /// Heads of recordings inside the log, and the line of the first.
    pub(super) heads: (u64, u64),
    pub(super) overwritten: u64,
    comments: u64,
    pub(super) now: u64,
    pub(super) raw_times: u64,
    pub(super) grouped: u64,
    /// Lines that may be one, until it is certain.
    held: Held,
    /// Lines that were joined to the ones before.
    pub(super) joined: u64,
    /// The text is quoted-printable.
    quoted: bool,
    /// Events that only an s390 host has.
    pub(super) s390: u64,
    /// What kind of file it is.
    pub(super) source: String,
    /// Parts of the file that were left alone.
    pub(super) not_read: Vec<String>,
    /// The generation that wrote the log, as its head says.
    pub(super) rules: Option<String>,
    /// The last line, where it has no end.
    unended: Option<u64>,
}

/// Reads a log to its end. Also says how many lines it has.
pub(super) fn read<C: LogConsumer>(
    source: impl Read,
    name: &str,
    consumer: C,
) -> Result<(Session<C>, u64), CheckError> {
    let mut session = Session::new(consumer);
    let mut lines = Lines::new(source);
    let end = lines.for_each(|number, line| session.line(number, line));
    let line = lines.count;
    match end {
        Ok(End::Whole) => {}
        Ok(End::NoNewline) => session.unended = Some(line),
        Ok(End::HalfLine) => session.skip(SkippedKind::HalfLine, line, b""),
        Err(error) if Broken::of(&error) == Some(&Broken::Trailed) => {
            session.skip(SkippedKind::BrokenCompression, line, b"");
        }
        Err(error) if Broken::of(&error) == Some(&Broken::CutShort) && line > 0 => {
            session.release(false);
            // What the rest is made of tells whether it only ends early: there is no checksum.
            if session.skipped.iter().any(|one| one.kind.is_malformed()) {
                return Err(CheckError::Damaged {
                    name: name.to_owned(),
                    line,
                    why: format!("{error}, and lines before its end are malformed"),
                });
            }
            session.skip(SkippedKind::BrokenCompression, line, b"");
        }
        Err(source) => return Err(unreadable(name, line, source)),
    }
    if lines.too_long > 0 {
        for _ in 0..lines.too_long {
            session.skip(SkippedKind::TooLong, line, b"");
        }
    }
    session.end();
    if session.events == 0 {
        return Err(session.nothing(name, line));
    }
    session.hold_order(name)?;
    Ok((session, line))
}

impl<C: LogConsumer> Session<C> {
    /// A log of which nothing is read yet.
    pub(crate) fn new(consumer: C) -> Self {
        Self {
            consumer,
            order: Order::default(),
            names: Vec::new(),
            last_name: 0,
            other_names: 0,
            cpus: BTreeMap::new(),
            skipped: Vec::new(),
            events: 0,
            lost_events: 0,
            backwards: 0,
            back: None,
            heads: (0, 0),
            overwritten: 0,
            comments: 0,
            now: 0,
            raw_times: 0,
            grouped: 0,
            held: Held::default(),
            joined: 0,
            quoted: false,
            s390: 0,
            source: "text".to_owned(),
            not_read: Vec::new(),
            rules: None,
            unended: None,
        }
    }

    /// Takes the next line.
    pub(crate) fn line(&mut self, number: u64, line: &[u8]) {
        self.quoted |= is_quoted_printable(line);
        if self.quoted {
            let (text, goes_on) = unquoted(line);
            self.clean_line(number, &text, goes_on);
        } else {
            self.clean_line(number, &cleaned(line), false);
        }
    }

    fn clean_line(&mut self, number: u64, line: &[u8], goes_on: bool) {
        match split(line) {
            Line::Event(header, fields) => {
                self.release(false);
                self.held.hold(number, line, &header, fields);
                if goes_on {
                    self.held.goes_on();
                }
            }
            Line::Lost(lost) => {
                self.release(false);
                self.lost(lost);
            }
            Line::Comment => {
                self.release(false);
                self.comments += 1;
                self.head(number, line);
            }
            Line::Unknown => {
                if !self.held.push(number, line, goes_on) {
                    self.release(true);
                }
            }
        }
    }

    /// Reads the lines that are held; where `more` of the same kind follow, but the last.
    fn release(&mut self, more: bool) {
        if self.held.is_empty() {
            return;
        }
        let mut held = std::mem::take(&mut self.held);
        held.release(more, |made| match made {
            Made::Event(number, line, header, fields, joined) => {
                self.joined += joined;
                self.event(number, line, header, fields);
            }
            Made::Note(number, line, joined) => {
                self.joined += joined;
                match split(line) {
                    Line::Lost(lost) => self.lost(lost),
                    _ => self.skip(SkippedKind::NoEvent, number, line),
                }
            }
            Made::Unknown(number, line) => {
                self.skip(SkippedKind::NoEvent, number, line);
                // A piece of an event, which is as good as lost.
                if line.windows(4).any(|part| part == b"kvm_") {
                    self.lost_somewhere();
                }
            }
        });
        self.held = held;
    }

    fn event(&mut self, number: u64, line: &[u8], header: &Header<'_>, fields: &[u8]) {
        let event = parse_event(header.name, fields);
        if event == Ok(None) {
            self.consumer.other(number, header.thread.pid, header.ns, header.name, fields);
        }
        self.arrive(number, line, header, event);
    }

    /// Takes the next event of a binary file; of a probe, its fields as text.
    pub(super) fn record(
        &mut self,
        number: u64,
        header: &Header<'_>,
        event: Result<Option<KernelEvent>, EventError>,
        probe: Option<&str>,
    ) {
        if let Some(fields) = probe {
            self.consumer.other(
                number,
                header.thread.pid,
                header.ns,
                header.name,
                fields.as_bytes(),
            );
        }
        self.arrive(number, b"", header, event);
    }

    fn arrive(
        &mut self,
        number: u64,
        line: &[u8],
        header: &Header<'_>,
        event: Result<Option<KernelEvent>, EventError>,
    ) {
        self.events += 1;
        self.grouped += u64::from(header.grouped);
        if header.raw_time {
            self.raw_times += 1;
            if self.raw_times == 1 {
                self.consumer.ticks();
            }
        }
        self.count(header.name);
        self.s390 += u64::from(header.name.starts_with(b"kvm_s390_"));
        let ns = header.ns;
        let mut before = 0;
        let known = self.cpus.len() < MAX_CPUS || self.cpus.contains_key(&header.cpu);
        if known {
            let cpu = self.cpus.entry(header.cpu).or_default();
            self.backwards += u64::from(ns < cpu.last);
            if cpu.last.saturating_sub(ns) > BACK {
                self.back.get_or_insert((number, header.cpu, cpu.last - ns));
            }
            let (since, lost) = (cpu.last, std::mem::take(&mut cpu.lost));
            before = since;
            cpu.last = cpu.last.max(ns);
            if lost {
                self.enter(Entry::Lost { since, cpu: Some(header.cpu), ns });
            }
        }
        self.now = self.now.max(ns);
        match event {
            Ok(Some(event)) => {
                let Header { thread, cpu, .. } = *header;
                let event = LogEvent { line: number, ns, cpu, thread, event };
                let again = self.is_again(event);
                self.order.count(event, again);
                self.enter(if again { Entry::Again(event) } else { Entry::Event(event) });
            }
            Ok(None) => {}
            Err(_) => {
                self.skip_event(number, line, header.name);
                // It may say anything: as good as lost.
                if is_evidence(header.name) {
                    self.enter(Entry::Lost { since: before, cpu: Some(header.cpu), ns });
                }
            }
        }
    }

    /// Whether an event is the same as the last one of its processor, which may be recorded twice.
    fn is_again(&mut self, event: LogEvent) -> bool {
        let Some(cpu) = self.cpus.get_mut(&event.cpu) else { return false };
        let before = cpu.event.replace(event);
        before.is_some_and(|before| LogEvent { line: event.line, ..before } == event)
    }

    /// What kind of file it is, where it is no text.
    pub(super) fn set_source(&mut self, what: &str) {
        what.clone_into(&mut self.source);
    }

    /// A part of the file is left alone.
    pub(super) fn not_read(&mut self, what: &str) {
        self.not_read.push(what.to_owned());
    }

    /// Events of a processor at a place in the file cannot be read.
    pub(super) fn damaged(&mut self, number: u64, cpu: u32, offset: u64) {
        let text = format!("processor {cpu}, before byte {offset}");
        self.skip(SkippedKind::Damaged, number, text.as_bytes());
    }

    /// A record is of no event whose format the file has.
    pub(super) fn unknown_record(&mut self, number: u64, cpu: u32) {
        self.skip(SkippedKind::UnknownRecord, number, b"");
        self.lost(Lost { cpu: Some(cpu), events: None });
    }

    /// The file ends within its records.
    pub(super) fn cut_short(&mut self, number: u64) {
        self.skip(SkippedKind::CutShort, number, b"");
        self.lost_somewhere();
    }

    /// Events so far.
    pub(super) fn events(&self) -> u64 {
        self.events
    }

    /// Takes a note that events were lost.
    pub(super) fn lost(&mut self, lost: Lost) {
        self.lost_events = self.lost_events.saturating_add(lost.events.unwrap_or(0));
        if let Some(cpu) = lost.cpu {
            if self.cpus.len() < MAX_CPUS || self.cpus.contains_key(&cpu) {
                self.cpus.entry(cpu).or_default().lost = true;
            }
            return;
        }
        self.lost_somewhere();
    }

    /// Events were lost on some processor.
    fn lost_somewhere(&mut self) {
        // Since the last event of whichever processor has been silent longest.
        let since = self.cpus.values().map(|cpu| cpu.last).min().unwrap_or(0);
        self.enter(Entry::Lost { since, cpu: None, ns: self.now });
    }

    fn enter(&mut self, entry: Entry) {
        if let Some(entry) = self.order.push(entry) {
            deliver(&mut self.consumer, entry);
        }
    }

    fn count(&mut self, name: &[u8]) {
        if let Some((last, count)) = self.names.get_mut(self.last_name)
            && last == name
        {
            *count += 1;
            return;
        }
        if let Some(at) = self.names.iter().position(|(known, _)| known == name) {
            self.names[at].1 += 1;
            self.last_name = at;
        } else if self.names.len() < MAX_NAMES {
            self.names.push((name.to_vec(), 1));
        } else {
            self.other_names += 1;
        }
    }

    /// The head of tracefs says how much its buffer has overwritten, that of our own traces which
    /// rules they follow.
    fn head(&mut self, number: u64, line: &[u8]) {
        if line.starts_with(b"# tracer:") && self.events > 0 {
            self.begin_again(number);
        }
        if self.events == 0 && self.rules.is_none() && line.starts_with(b"# run=") {
            let text = String::from_utf8_lossy(line);
            let word =
                |name: &str| text.split_whitespace().find_map(|word| word.strip_prefix(name));
            if let (Some(rules), Some(_)) = (word("rules="), word("apfsim="))
                && self.consumer.written_by(rules)
            {
                self.rules = Some(rules.to_owned());
            }
        }
        let Some(numbers) = line.strip_prefix(b"# entries-in-buffer/entries-written: ") else {
            return;
        };
        let text = String::from_utf8_lossy(numbers);
        let mut numbers = text.split(|c: char| !c.is_ascii_digit());
        let mut next = || numbers.next().and_then(|digits| digits.parse::<u64>().ok());
        if let (Some(kept), Some(written)) = (next(), next()) {
            self.overwritten = written.saturating_sub(kept);
        }
    }

    /// Another recording begins here: what is between them is lost.
    fn begin_again(&mut self, number: u64) {
        self.heads.0 += 1;
        if self.heads.0 == 1 {
            self.heads.1 = number;
        }
        for cpu in self.cpus.values_mut() {
            (cpu.lost, cpu.event) = (false, None);
        }
        // The one before is whole up to its end.
        self.enter(Entry::Lost { since: self.now, cpu: None, ns: self.now });
    }

    /// Whether time runs forward in the log.
    pub(super) fn hold_order(&self, name: &str) -> Result<(), CheckError> {
        let Some((line, cpu, ns)) = self.back else { return Ok(()) };
        let name = name.to_owned();
        Err(CheckError::Backwards { name, line, cpu, micros: ns / 1000 })
    }

    fn skip(&mut self, kind: SkippedKind, line: u64, text: &[u8]) {
        if let Some(known) = self.skipped.iter_mut().find(|skipped| skipped.kind == kind) {
            known.count += 1;
            return;
        }
        let text = excerpt(text);
        self.skipped.push(Skipped { kind, event: None, count: 1, line, text });
    }

    /// Leaves out an event whose fields are not understood; counted by its name.
    fn skip_event(&mut self, line: u64, text: &[u8], name: &[u8]) {
        let kind = SkippedKind::BadFields;
        let same = |skipped: &&mut Skipped| {
            skipped.kind == kind
                && skipped.event.as_ref().is_some_and(|event| event.as_bytes() == name)
        };
        if let Some(known) = self.skipped.iter_mut().find(same) {
            known.count += 1;
            return;
        }
        let event = Some(String::from_utf8_lossy(name).into_owned());
        // What is before its name is known to be well.
        let begin = match name {
            [] => 0,
            name => text.windows(name.len()).position(|part| part == name).unwrap_or(0),
        };
        self.skipped.push(Skipped { kind, event, count: 1, line, text: excerpt(&text[begin..]) });
    }

    /// Hands on what was held back.
    pub(crate) fn end(&mut self) {
        self.release(false);
        let ns = self.now;
        for (&cpu, state) in &self.cpus {
            if state.lost {
                let entry = Entry::Lost { since: state.last, cpu: Some(cpu), ns };
                if let Some(entry) = self.order.push(entry) {
                    deliver(&mut self.consumer, entry);
                }
            }
        }
        for entry in self.order.drain() {
            deliver(&mut self.consumer, entry);
        }
        if let Some(line) = self.unended {
            self.consumer.doubt(line);
        }
    }

    /// Whether the log is of an s390 host, whose faults go by another protocol.
    pub(crate) fn is_s390(&self) -> bool {
        self.s390 > 0
    }

    /// What of the log was left out.
    pub(crate) fn left_out(&self) -> &[Skipped] {
        &self.skipped
    }

    fn nothing(&self, name: &str, lines: u64) -> CheckError {
        let name = name.to_owned();
        if lines == 0 || self.comments == lines {
            return CheckError::Empty { name };
        }
        let unreadable = lines - self.comments.min(lines);
        let first = self.skipped.iter().find(|skipped| !skipped.text.is_empty());
        let example =
            first.map_or_else(String::new, |s| format!("; line {}: `{}`", s.line, s.text));
        CheckError::NoEvents { name, lines, unreadable, example }
    }
}
