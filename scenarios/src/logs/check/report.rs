//! What a check found.

use models::monitors::Verdict;
use models::monitors::log::{LogFinding, LogSurvey};

use super::backports::BackportNote;
use super::handler::HandlerSurvey;
use super::pfault::PfaultSurvey;

/// How often an event is in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventCount {
    /// Its name.
    pub name: String,
    /// How often.
    pub count: u64,
}

/// Why a part of a log was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SkippedKind {
    /// The line is none of a trace.
    NoEvent,
    /// The fields of a known event are not as any kernel prints them.
    BadFields,
    /// The line is too long.
    TooLong,
    /// The log ends in the middle of a line.
    HalfLine,
    /// The compressed data ends early, or something else follows it.
    BrokenCompression,
    /// A page of a binary file cannot be read.
    Damaged,
    /// A record of a binary file is of no event whose format it has.
    UnknownRecord,
    /// A binary file ends within its records.
    CutShort,
}

impl SkippedKind {
    /// Whether a part of it is not what a kernel prints.
    pub(super) const fn is_malformed(self) -> bool {
        matches!(self, Self::NoEvent | Self::BadFields | Self::TooLong)
    }

    /// In words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::NoEvent => "not a trace line",
            Self::BadFields => "malformed fields of a known event",
            Self::TooLong => "longer than 65 536 bytes",
            Self::HalfLine => "the log ends in the middle of a line",
            Self::BrokenCompression => {
                "the compressed data ends early, or something else follows it"
            }
            Self::Damaged => "events of a processor that cannot be read: the file is damaged",
            Self::UnknownRecord => "records of events whose format the file does not have",
            Self::CutShort => "the file ends within its records",
        }
    }
}

/// What of a log was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Why.
    pub kind: SkippedKind,
    /// Name of the event whose fields are not understood.
    pub event: Option<String>,
    /// How often.
    pub count: u64,
    /// The line of the first.
    pub line: u64,
    /// Its beginning, where there is one.
    pub text: String,
}

impl Skipped {
    /// In words, with the name of the event.
    pub fn what(&self) -> String {
        match &self.event {
            Some(event) => format!("malformed fields of {event}"),
            None => self.kind.text().to_owned(),
        }
    }
}

/// What a check found.
#[derive(Clone, Debug)]
pub struct CheckReport {
    /// The log.
    pub name: String,
    /// Lines; of a binary file its events, whose numbers then stand for those of lines.
    pub lines: u64,
    /// What kind of file it is: `text`, or what a binary one says of itself.
    pub source: String,
    /// Parts of the file that were left alone.
    pub not_read: Vec<String>,
    /// Events.
    pub events: u64,
    /// Events by name, the most frequent first.
    pub counts: Vec<EventCount>,
    /// What was left out.
    pub skipped: Vec<Skipped>,
    /// Places where events were lost, and how many the log says.
    pub losses: (u64, u64),
    /// Events that were put before others by their time.
    pub reordered: u64,
    /// Events whose time is before that of their processor's last one; left where they are.
    pub backwards: u64,
    /// Events that were recorded twice, and taken once.
    pub twice: u64,
    /// Heads of further recordings inside the log, and the line of the first.
    pub heads: (u64, u64),
    /// Events of the log that its buffer had overwritten before it was read, as its head says.
    pub overwritten: u64,
    /// The kernels that print what the log has.
    pub kernels: &'static str,
    /// The log shows it; otherwise it is assumed.
    pub kernels_shown: bool,
    /// The generation that wrote it, where its head says so, as in traces of ours.
    pub rules: Option<String>,
    /// Lines that were joined to the ones before, because a mail program or a terminal had wrapped
    /// them.
    pub joined: u64,
    /// Times are ticks whose length the log does not say; they are shown as nanoseconds.
    pub ticks: bool,
    /// It is text of `perf script`, which shows losses only when it is told to, and has none.
    pub may_hide_losses: bool,
    /// What it has of pfaults, if it is of an s390 host.
    pub pfaults: Option<PfaultSurvey>,
    /// What it has of userfaultfd, if anything.
    pub handler: Option<HandlerSurvey>,
    /// Whether there is any event of an asynchronous fault.
    pub has_faults: bool,
    /// What was concluded.
    pub findings: Vec<LogFinding>,
    /// Findings that depend on what a later release of the kernel's tree has changed.
    pub backports: Vec<BackportNote>,
    /// What was counted.
    pub survey: LogSurvey,
}

impl CheckReport {
    /// Whether something stands still or goes round without progress.
    pub fn has_stalls(&self) -> bool {
        !self.survey.stalls.is_empty()
    }

    /// Whether an invariant was violated.
    pub fn is_violated(&self) -> bool {
        self.findings.iter().any(|finding| finding.verdict == Verdict::Violation)
    }
}

/// The beginning of a line, as it can be shown.
pub(super) fn excerpt(text: &[u8]) -> String {
    const MOST: usize = 60;
    let text = String::from_utf8_lossy(&text[..text.len().min(MOST)]);
    text.trim().chars().map(|c| if c.is_control() { '.' } else { c }).collect()
}
