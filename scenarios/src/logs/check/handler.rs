//! The VMM's part of a log: probes of userfaultfd, which say whether its handler is the one that is late.
//!
//! A probe is known by the function that it stands in, whatever its name, as the kernel prints it:
//! `(handle_userfault+0x4/0x920)` at the entry, `(caller+0x244/0x370 <- userfaultfd_read_iter)` at the return. Where
//! the log has bare addresses, as binary files do, by the names of the recipe (`uffd_fault`, `uffd_read`, `uffd_copy`,
//! `uffd_copied`) or those that `perf probe` gives. It is read in the order of the lines.

mod promises;

use std::collections::{BTreeMap, VecDeque};

use models::monitors::log::{LogFinding, MissingStep, Stall, StallKind, late_beside};
use sim_core::Histogram;

use promises::{MAX_OPEN, Message, Promises};

/// Bytes of a message (`struct uffd_msg`).
const MESSAGE: i64 = 32;
const PAGE: u64 = 4096;
/// `FAULT_FLAG_RETRY_NOWAIT` (include/linux/mm_types.h of 6.12.117): the lookup sends no message.
const NOWAIT: u64 = 1 << 3;
/// Pages that one copy is followed for.
const MAX_PAGES: u64 = 1 << 16;

/// A message that was not read, or whose page was not installed, when the log ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenMessage {
    /// The line at which it was sent.
    pub line: u64,
    /// When, in nanoseconds.
    pub ns: u64,
    /// For how long it is open at the end of the log, in nanoseconds.
    pub age: u64,
    /// The address in the VMM.
    pub address: u64,
    /// Who sleeps for it.
    pub thread: u32,
    /// A handler has read it.
    pub read: bool,
}

/// What a log has of userfaultfd.
#[derive(Clone, Debug, Default)]
pub struct HandlerSurvey {
    /// Lookups that must not wait, which send no message.
    pub lookups: u64,
    /// Messages about missing pages.
    pub messages: u64,
    /// Messages that handlers have read.
    pub read: u64,
    /// Calls that install pages.
    pub copies: u64,
    /// Pages that they have installed.
    pub installed: u64,
    /// Pages that were there already (EEXIST).
    pub there: u64,
    /// Calls that failed otherwise.
    pub failed: u64,
    /// Pages that nobody had asked for.
    pub unasked: u64,
    /// Messages that may have been answered where events were lost.
    pub uncertain: u64,
    /// Messages whose threads went on though the log has no call that installed their pages.
    pub went_on: u64,
    /// From the message until it is read.
    pub message_to_read: Histogram,
    /// From there until the call that installs its page.
    pub read_to_copy: Histogram,
    /// How long that call takes.
    pub copy: Histogram,
    /// From its end until the worker says that the page is there.
    pub copied_to_completed: Histogram,
    /// Messages without an answer at the end of the log.
    pub open: u64,
    /// Those of them that no handler has read.
    pub unread: u64,
    /// The oldest message without an answer.
    pub oldest: Option<OpenMessage>,
}

impl HandlerSurvey {
    /// Its times by name.
    pub fn times(&self) -> [(&'static str, &Histogram); 4] {
        [
            ("message to read", &self.message_to_read),
            ("read to copy", &self.read_to_copy),
            ("copy", &self.copy),
            ("copied to completed", &self.copied_to_completed),
        ]
    }
}

impl HandlerSurvey {
    /// Whether the oldest message without an answer is open for longer than any other took.
    fn stands_still(&self) -> Option<OpenMessage> {
        let p99 = |times: &Histogram| match times.is_empty() {
            true => 0,
            false => times.value_at_quantile(0.99),
        };
        let usual = self.times()[..3].iter().map(|(_, times)| p99(times)).sum::<u64>();
        self.oldest.filter(|oldest| oldest.age > late_beside(usual))
    }

    /// Says where requests wait for the VMM, and what vCPUs wait for without a request.
    pub(super) fn explain(&self, stalls: &mut Vec<Stall>) {
        let Some(oldest) = self.stands_still() else { return };
        let what = match oldest.read {
            true => "was read and its page not installed",
            false => "was not read",
        };
        let mut explained = false;
        for stall in stalls.iter_mut() {
            let waits = matches!(
                stall.kind,
                StallKind::OpenRequest(
                    MissingStep::Io | MissingStep::Page | MissingStep::Completion
                )
            );
            // The message comes after the request, and is open for as long but for the worker's way.
            if waits && oldest.ns >= stall.ns && oldest.age >= stall.age / 2 {
                let more = format!("the message at line {} {what}", oldest.line);
                stall.waits_for(MissingStep::Handler, &more);
                explained = true;
            }
        }
        if explained || !stalls.is_empty() {
            return;
        }
        let message = format!(
            "thread {} sleeps since for the page at {:#x}; the message about it {what}: {}",
            oldest.thread,
            oldest.address,
            MissingStep::Handler.text()
        );
        stalls.push(Stall {
            kind: StallKind::UnansweredMessage,
            vcpu: format!("thread {}", oldest.thread),
            thread: oldest.thread,
            line: oldest.line,
            ns: oldest.ns,
            token: None,
            frame: None,
            count: self.open,
            age: oldest.age,
            others: None,
            message,
            story: Vec::new(),
        });
    }
}

/// What a probe shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    /// `handle_userfault` is entered.
    Fault,
    /// A handler's read returns.
    Read,
    /// Pages are about to be installed.
    Copy,
    /// That is over.
    Copied,
}

/// Follows messages.
#[derive(Debug, Default)]
pub(super) struct Handlers {
    survey: HandlerSurvey,
    /// The oldest first.
    unread: VecDeque<Message>,
    /// By address.
    unanswered: BTreeMap<u64, Vec<Message>>,
    /// For which page a thread sleeps, since when.
    sleeping: BTreeMap<u32, (u64, u64)>,
    /// Installed pages of which no worker has said that they are there.
    installed: BTreeMap<u64, u64>,
    /// Calls that have begun, by thread.
    copies: BTreeMap<u32, (u64, u64)>,
    promises: Promises,
    followed: usize,
    now: u64,
    any: bool,
}

impl Handlers {
    /// Takes an event of another kind than those of asynchronous faults.
    pub(super) fn observe(&mut self, line: u64, ns: u64, thread: u32, name: &[u8], fields: &[u8]) {
        self.promises.shows(thread, ns);
        if matches!(name, b"sched_wakeup" | b"sched_waking")
            && let Some(woken) = number(fields, "pid").and_then(|pid| u32::try_from(pid).ok())
        {
            self.promises.shows(woken, ns);
        }
        let Some(probe) = probe_of(name, fields) else { return };
        (self.any, self.now) = (true, self.now.max(ns));
        let address = number(fields, "addr").map(|address| address & !(PAGE - 1));
        let result = signed(fields, "ret");
        self.goes_on(thread, ns);
        match probe {
            Probe::Fault => match number(fields, "flags") {
                Some(flags) if flags & NOWAIT != 0 => self.survey.lookups += 1,
                Some(_) => {
                    let address = address.unwrap_or(0);
                    self.sent(Message { line, ns, thread, address, read: None });
                }
                // Without flags nobody knows which of the two it is.
                None => {}
            },
            Probe::Read => {
                let messages = result.map_or(1, |bytes| (bytes / MESSAGE).clamp(0, 1 << 20));
                let read: Vec<Message> = (0..messages).filter_map(|_| self.read(ns)).collect();
                if messages > 0 {
                    let all = read.len() as i64 == messages && self.unread.is_empty();
                    self.promises.read(thread, read, all, (line, ns));
                }
            }
            Probe::Copy => {
                self.survey.copies += 1;
                if let Some(address) = address {
                    self.begin(ns, thread, address);
                }
            }
            Probe::Copied => self.copied(line, ns, thread, result),
        }
    }

    /// A thread does something.
    pub(super) fn shows(&mut self, thread: u32, ns: u64) {
        self.promises.shows(thread, ns);
    }

    /// A thread does what it cannot while it sleeps for a page: its message was answered by a call that the log
    /// does not have, or it was woken otherwise.
    pub(super) fn goes_on(&mut self, thread: u32, ns: u64) {
        // Events that are put in order first come later than probes.
        let slept = |&&(_, since): &&(u64, u64)| since < ns;
        let Some(&(address, _)) = self.sleeping.get(&thread).filter(slept) else { return };
        self.sleeping.remove(&thread);
        let Some(messages) = self.unanswered.get_mut(&address) else { return };
        let before = messages.len();
        messages.retain(|message| message.thread != thread);
        let gone = before - messages.len();
        if messages.is_empty() {
            self.unanswered.remove(&address);
        }
        self.unread.retain(|message| message.thread != thread);
        self.followed -= gone;
        self.survey.went_on += gone as u64;
    }

    /// A worker says that a page is there.
    pub(super) fn completed(&mut self, ns: u64, address: u64) {
        if let Some(since) = self.installed.remove(&(address & !(PAGE - 1))) {
            self.survey.copied_to_completed.record(ns.saturating_sub(since));
        }
    }

    /// Answers may be among lost events.
    pub(super) fn lost(&mut self) {
        self.survey.uncertain += self.followed as u64;
        self.unread.clear();
        self.unanswered.clear();
        self.sleeping.clear();
        self.copies.clear();
        self.installed.clear();
        self.promises.lost();
        self.followed = 0;
    }

    fn sent(&mut self, message: Message) {
        self.survey.messages += 1;
        if self.followed < MAX_OPEN {
            self.unread.push_back(message);
            self.unanswered.entry(message.address).or_default().push(message);
            self.sleeping.insert(message.thread, (message.address, message.ns));
            self.followed += 1;
        }
    }

    /// The oldest message that nobody has read is.
    fn read(&mut self, ns: u64) -> Option<Message> {
        self.survey.read += 1;
        let message = self.unread.pop_front()?;
        self.survey.message_to_read.record(ns.saturating_sub(message.ns));
        let all = self.unanswered.get_mut(&message.address).into_iter().flatten();
        for one in all.filter(|one| one.line == message.line) {
            one.read = Some(ns);
        }
        Some(message)
    }

    fn begin(&mut self, ns: u64, thread: u32, address: u64) {
        self.copies.insert(thread, (address, ns));
        if self.copies.len() > MAX_OPEN {
            self.copies.pop_first();
        }
        self.time_read_to_copy(ns, address);
    }

    /// From the read of the messages about a page to the call that installs it, unless that began before.
    fn time_read_to_copy(&mut self, begun: u64, address: u64) {
        let messages = self.unanswered.get(&address).into_iter().flatten();
        let read = messages.filter_map(|message| message.read).min();
        if let Some(read) = read.filter(|read| *read <= begun) {
            self.survey.read_to_copy.record(begun - read);
        }
    }

    fn copied(&mut self, line: u64, ns: u64, thread: u32, result: Option<i64>) {
        let Some((first, since)) = self.copies.remove(&thread) else { return };
        self.survey.copy.record(ns.saturating_sub(since));
        let pages = match result {
            Some(bytes @ 1..) => (bytes.unsigned_abs() / PAGE).clamp(1, MAX_PAGES),
            Some(-17) => {
                self.survey.there += 1;
                return self.answer(first, thread, (line, ns));
            }
            Some(_) => {
                self.promises.failed(thread);
                self.survey.failed += 1;
                return;
            }
            None => 1,
        };
        for page in 0..pages {
            let address = first.wrapping_add(page * PAGE);
            self.survey.installed += 1;
            // That of the first page was timed when the call began.
            if page > 0 {
                self.time_read_to_copy(since, address);
            }
            if !self.unanswered.contains_key(&address) {
                self.survey.unasked += 1;
                continue;
            }
            self.answer(address, thread, (line, ns));
            self.installed.insert(address, ns);
            if self.installed.len() > MAX_OPEN {
                self.installed.pop_first();
            }
        }
    }

    /// Whoever sleeps for a page is woken, and his message goes, read or not.
    fn answer(&mut self, address: u64, by: u32, at: (u64, u64)) {
        let Some(messages) = self.unanswered.remove(&address) else { return };
        self.followed -= messages.len();
        for &message in &messages {
            self.sleeping.remove(&message.thread);
            self.promises.installed(message, by, at);
        }
        if messages.iter().any(|message| message.read.is_none()) {
            self.unread.retain(|message| message.address != address);
        }
    }

    /// What was found, if the log has anything of it, and what it decides of the invariants of messages.
    pub(super) fn finish(mut self, end: u64) -> Option<(HandlerSurvey, Vec<LogFinding>)> {
        let end = self.now.max(end);
        let open = self.unanswered.values().flatten();
        if let Some(oldest) = open.min_by_key(|message| (message.ns, message.line)) {
            self.survey.oldest = Some(OpenMessage {
                line: oldest.line,
                ns: oldest.ns,
                age: end.saturating_sub(oldest.ns),
                address: oldest.address,
                thread: oldest.thread,
                read: oldest.read.is_some(),
            });
        }
        self.survey.open = self.followed as u64;
        self.survey.unread = self.unread.len() as u64;
        if !self.any {
            return None;
        }
        let findings = match self.survey.messages {
            0 => Vec::new(),
            _ => self.promises.findings(end, self.survey.copies > 0),
        };
        Some((self.survey, findings))
    }
}

/// Whether an event is a message about a missing page, which somebody sleeps for.
pub(crate) fn is_message(name: &[u8], fields: &[u8]) -> bool {
    probe_of(name, fields) == Some(Probe::Fault)
        && number(fields, "flags").is_some_and(|flags| flags & NOWAIT == 0)
}

/// What a probe shows, by the function that it stands in or else by its name.
fn probe_of(name: &[u8], fields: &[u8]) -> Option<Probe> {
    let text = std::str::from_utf8(fields).ok()?.trim_start();
    let Some(place) = text.strip_prefix('(') else {
        // Fields as they are in the record, which is how `trace-cmd report -R` prints them.
        let raw = text.starts_with("__probe_ip=") || text.starts_with("__probe_func=");
        return of_name(name).filter(|_| raw);
    };
    let place = place.split(')').next()?;
    let (function, returns) = match place.split_once("<- ") {
        Some((_, function)) => (function, true),
        None => (place, false),
    };
    let function = function.split('+').next()?.trim();
    let of_function = match (function, returns) {
        ("handle_userfault", false) => Some(Probe::Fault),
        ("userfaultfd_read_iter" | "userfaultfd_read", true) => Some(Probe::Read),
        ("mfill_atomic_copy" | "mcopy_atomic", false) => Some(Probe::Copy),
        ("mfill_atomic_copy" | "mcopy_atomic", true) => Some(Probe::Copied),
        _ => None,
    };
    let bare = function.starts_with(|first: char| first.is_ascii_digit())
        || u64::from_str_radix(function.trim_start_matches("0x"), 16).is_ok();
    of_function.or(of_name(name).filter(|_| bare))
}

/// What a probe shows by its name: that of the recipe, or the one that `perf probe` gives.
fn of_name(name: &[u8]) -> Option<Probe> {
    match name {
        b"uffd_fault" | b"handle_userfault" => Some(Probe::Fault),
        b"uffd_read" | b"userfaultfd_read_iter__return" | b"userfaultfd_read__return" => {
            Some(Probe::Read)
        }
        b"uffd_copy" | b"mfill_atomic_copy" | b"mcopy_atomic" => Some(Probe::Copy),
        b"uffd_copied" | b"mfill_atomic_copy__return" | b"mcopy_atomic__return" => {
            Some(Probe::Copied)
        }
        _ => None,
    }
}

/// The value of a field, as text.
fn value<'a>(fields: &'a [u8], name: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(fields).ok()?;
    let of = |word: &'a str| word.strip_prefix(name)?.strip_prefix('=');
    text.split_ascii_whitespace().find_map(of)
}

fn number(fields: &[u8], name: &str) -> Option<u64> {
    let text = value(fields, name)?;
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// A number that may be negative, or that is printed as its two's complement.
fn signed(fields: &[u8], name: &str) -> Option<i64> {
    let text = value(fields, name)?;
    match text.strip_prefix("0x") {
        Some(hex) if hex.len() <= 8 => {
            u32::from_str_radix(hex, 16).ok().map(|bits| i64::from(bits.cast_signed()))
        }
        Some(hex) => u64::from_str_radix(hex, 16).ok().map(u64::cast_signed),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests;
