//! What stands still or goes round at the end of a log, in words.

use super::event::LogEvent;
use super::ledger::StoryLine;
use super::vcpu::VcpuLog;
use crate::base::ids::{Gfn, Token};

/// A request that takes so many times the 99th percentile of the others counts as stalled. An assumption: a full
/// queue of a device, or a worker that waits for its processor, makes a request several times as long.
const TIMES: u64 = 10;
/// What a loaded host may take at any time, in nanoseconds: a runnable thread that waits behind
/// some thirty others for 3 ms each.
pub(super) const LOADED: u64 = 100_000_000;
/// How long something may take beside others of which this is the 99th percentile, in nanoseconds.
pub fn late_beside(p99: u64) -> u64 {
    p99.saturating_mul(TIMES).max(LOADED)
}

/// The step that a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MissingStep {
    /// The read that was sent to the device does not complete.
    Io,
    /// The work item does not begin.
    Worker,
    /// The worker began, and does not say that the page is there.
    Page,
    /// The VMM was told of a missing page, and its handler does not install it.
    Handler,
    /// No completion; the log does not say whether I/O or worker is late.
    Completion,
    /// The page is there, and page ready does not come.
    PageReady,
    /// Page ready was given, and interrupts nobody.
    Interrupt,
    /// Page ready was given, and the guest does not acknowledge it.
    Acknowledgement,
}

impl MissingStep {
    /// The step in a few words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Io => "I/O",
            Self::Worker => "worker",
            Self::Page => "I/O or message, in the worker",
            Self::Handler => "handler of the VMM",
            Self::Completion => "completion",
            Self::PageReady => "page ready",
            Self::Interrupt => "interrupt",
            Self::Acknowledgement => "acknowledgement",
        }
    }

    /// What it means, and where to look.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Io => {
                "the read that was sent to the device does not complete: look at the device and \
                 its queue"
            }
            Self::Worker => {
                "its work item was queued and no worker has begun it: look at the workqueue"
            }
            Self::Page => {
                "its worker began and does not say that the page is there: look at the worker's \
                 stack, at the device, or at the handler of userfaultfd"
            }
            Self::Handler => {
                "the VMM was told of the missing page, and its handler does not install it: look at \
                 the handler's threads, at what they read from, and at their processors"
            }
            Self::Completion => {
                "not page ready is late but kvm_async_pf_completed: the host's read, the message \
                 to a userfaultfd handler, or the worker hangs (block_rq_issue, \
                 block_rq_complete and workqueue_execute_start tell them apart)"
            }
            Self::PageReady => {
                "the page is there, and page ready does not come: its vCPU does not run, or the \
                 host believes that the guest cannot take it"
            }
            Self::Interrupt => "page ready was given, and no interrupt was accepted for it",
            Self::Acknowledgement => {
                "page ready was given, and the guest does not acknowledge it, so that the next \
                 ones wait"
            }
        }
    }
}

/// What stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StallKind {
    /// Requests that stay open.
    OpenRequest(MissingStep),
    /// A vCPU that is halted for a page, and silent though the page is there.
    SilentVcpu,
    /// A vCPU that faults on one address again and again, and never asynchronously.
    Refaults,
    /// A page that is ready and asked for again, over and over.
    AskedAgain,
    /// The guest's write to the register that turns notices on was refused.
    RefusedEn,
    /// Notices were turned off while a page ready was not acknowledged, and none came since.
    UnacknowledgedOff,
    /// Tries of a vCPU that all come to nothing, though it has nothing outstanding and had requests before.
    NoMoreRequests,
    /// A message about a missing page that the VMM does not answer, of a vCPU that waits by itself.
    UnansweredMessage,
}

/// Something that stands still, or goes round without progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stall {
    /// What it is.
    pub kind: StallKind,
    /// What people call the vCPU.
    pub vcpu: String,
    /// Its thread.
    pub thread: u32,
    /// The line where it began.
    pub line: u64,
    /// Its time.
    pub ns: u64,
    /// The token of the first request, if it is about requests.
    pub token: Option<Token>,
    /// The frame, if it is about one.
    pub frame: Option<Gfn>,
    /// Requests, faults, or page readies.
    pub count: u64,
    /// For how long, in nanoseconds.
    pub age: u64,
    /// The 99th percentile of what it is held against, and of how many.
    pub others: Option<(u64, u64)>,
    /// The whole in a sentence.
    pub message: String,
    /// The lines around it.
    pub story: Vec<StoryLine>,
}

impl Stall {
    /// The step that an open request waits for is another one, of which more is known.
    pub fn waits_for(&mut self, step: MissingStep, more: &str) {
        if let StallKind::OpenRequest(before) = self.kind {
            let (from, to) =
                (format!("missing: {}", before.name()), format!("missing: {}", step.name()));
            let text = format!("{} ({more})", first_upper(step.text()));
            self.message = self.message.replacen(&from, &to, 1);
            self.message = self.message.replacen(&first_upper(before.text()), &text, 1);
            self.kind = StallKind::OpenRequest(step);
        }
    }
}

/// The numbers of a stall.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Watched {
    pub(super) token: Option<Token>,
    pub(super) frame: Option<Gfn>,
    pub(super) count: u64,
    pub(super) age: u64,
    pub(super) others: Option<(u64, u64)>,
}

impl Stall {
    /// A stall of a vCPU, with its latest events as story.
    pub(super) fn of_vcpu(
        own: &VcpuLog,
        kind: StallKind,
        event: LogEvent,
        watched: Watched,
        message: String,
    ) -> Self {
        let mut story: Vec<StoryLine> =
            own.recent.values().map(|event| StoryLine::of(&event)).collect();
        if story.iter().all(|line| line.line != event.line) {
            story.insert(0, StoryLine::of(&event));
        }
        Self {
            kind,
            vcpu: own.label(),
            thread: own.thread.pid,
            line: event.line,
            ns: event.ns,
            token: watched.token,
            frame: watched.frame,
            count: watched.count,
            age: watched.age,
            others: watched.others,
            message,
            story,
        }
    }
}

/// A time as people write it.
pub(super) fn time(ns: u64) -> String {
    match ns {
        0..=9_999 => format!("{}.{} us", ns / 1000, ns % 1000 / 100),
        10_000..=9_999_999 => format!("{} us", ns / 1000),
        10_000_000..=9_999_999_999 => format!("{} ms", ns / 1_000_000),
        _ => format!("{} s", ns / 1_000_000_000),
    }
}

pub(super) fn first_upper(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
