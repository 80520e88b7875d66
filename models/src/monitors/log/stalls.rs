//! What stands still at the end of a log: requests that stay open, and vCPUs that stay halted.
//!
//! Neither is a breach: the log may end before what is missing comes. So each is held against the
//! others of the same log, and said with the step that is missing.

use sim_core::Histogram;

use super::ledger::{self, StoryLine};
use super::vcpu::{Request, VcpuLog};
use super::watch::Watched;
use super::{LogEvent, LogMonitors};
use crate::base::ids::{Gfn, Token};
use crate::trace::kernel::KernelExit;

/// So many times the others' 99th percentile is no tail of theirs. An assumption: a full queue of
/// a device, or a worker that waits for its processor, makes a request several times as long.
const TIMES: u64 = 10;
/// What a loaded host may take at any time, in nanoseconds: a runnable thread that waits behind
/// some thirty others for 3 ms each.
const LOADED: u64 = 100_000_000;
/// So few others give no 99th percentile to speak of.
const FEW: u64 = 10;
/// A halted vCPU is silent for so many times the 99th percentile of its silences: its guest's tick
/// ends most of them.
const SILENCES: u64 = 4;

/// The step that a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MissingStep {
    /// The read that was sent to the device does not complete.
    Io,
    /// The work item does not begin.
    Worker,
    /// The worker began, and does not say that the page is there.
    Page,
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

/// The 99th percentile and the number of values.
fn p99(times: &Histogram) -> Option<(u64, u64)> {
    (times.count() >= FEW).then(|| (times.value_at_quantile(0.99), times.count()))
}

/// How long something may take beside others.
fn bound(others: Option<(u64, u64)>, alone: u64) -> u64 {
    others.map_or(alone, |(p99, _)| p99.saturating_mul(TIMES).max(LOADED))
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

impl LogMonitors {
    /// Finds what stands still. The log is over.
    pub(super) fn find_stalls(&mut self) {
        let mut requests = Histogram::default();
        let total = &self.survey.course.total.latencies;
        requests.merge(&total.told);
        requests.merge(&total.halted);
        let whole = p99(&requests);
        let ready = p99(&total.completed_to_ready);
        let acknowledged = p99(&total.ready_to_ack);
        for at in 0..self.vcpus.len() {
            self.open_requests(at, whole, ready);
            self.unacknowledged(at, acknowledged);
            self.silent(at);
            self.watched(at);
        }
    }

    /// A stall of a vCPU, with its latest events as story.
    pub(super) fn stall(
        &mut self,
        at: usize,
        kind: StallKind,
        event: LogEvent,
        watched: Watched,
        message: String,
    ) {
        let own = &self.vcpus[at];
        let mut story: Vec<StoryLine> = own.recent().map(|event| ledger::told(&event)).collect();
        if story.iter().all(|line| line.line != event.line) {
            story.insert(0, ledger::told(&event));
        }
        self.survey.stalls.push(Stall {
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
        });
    }

    fn open_requests(&mut self, at: usize, whole: Option<(u64, u64)>, ready: Option<(u64, u64)>) {
        if !self.seen.ready || !self.seen.completed {
            return;
        }
        let alone = self.config.liveness_bound;
        let mut found: Vec<(MissingStep, Request, u64)> = Vec::new();
        for request in self.vcpus[at].requests.iter().filter(|one| !one.doubtful) {
            let age = self.now.saturating_sub(request.announced.ns);
            let (late, step) = match request.completed {
                Some(done) => {
                    let waits = self.now.saturating_sub(done.ns);
                    (waits > bound(ready, alone), MissingStep::PageReady)
                }
                None => (age > bound(whole, alone), self.missing(request)),
            };
            if !late {
                continue;
            }
            match found.iter_mut().find(|(known, ..)| *known == step) {
                Some((.., count)) => *count += 1,
                None => found.push((step, *request, 1)),
            }
        }
        for (step, first, count) in found {
            let age = self.now.saturating_sub(first.announced.ns);
            let others = match whole {
                Some((p99, n)) => format!("the 99th percentile of {n} others is {}", time(p99)),
                None => "there are few others to compare with".to_owned(),
            };
            let more = match count {
                1 => String::new(),
                count => format!(" ({} more wait for the same)", count - 1),
            };
            let message = format!(
                "request {} of {} for frame {}, announced at line {}, has been open for {} when \
                 the log ends, while {others}; missing: {}{more}. {}{}",
                first.token,
                self.vcpus[at].label(),
                first.gfn(),
                first.announced.line,
                time(age),
                step.name(),
                first_upper(step.text()),
                self.goes_on(at, &first),
            );
            let watched = Watched {
                token: Some(first.token),
                frame: Some(first.gfn()),
                count,
                age,
                others: whole,
            };
            self.stall(at, StallKind::OpenRequest(step), first.announced, watched, message);
        }
    }

    /// What its vCPU does meanwhile.
    fn goes_on(&self, at: usize, request: &Request) -> String {
        let own = &self.vcpus[at];
        let quiet = self.now.saturating_sub(own.last_ns);
        if own.last_ns <= request.announced.ns + LOADED && quiet > LOADED {
            format!(
                "; the vCPU printed nothing for the last {}: it waits too, or was stopped or \
                 destroyed",
                time(quiet)
            )
        } else {
            String::new()
        }
    }

    /// What a request that is not completed waits for.
    fn missing(&self, request: &Request) -> MissingStep {
        if request.read.is_some_and(|read| self.works.reads.contains(&read)) {
            return MissingStep::Io;
        }
        match request.work.and_then(|work| self.works.items.get(&work)) {
            Some(super::watch::Work::Queued) if self.works.begun => MissingStep::Worker,
            Some(super::watch::Work::Begun) => MissingStep::Page,
            _ => MissingStep::Completion,
        }
    }

    /// The last page ready, which nobody acknowledges.
    fn unacknowledged(&mut self, at: usize, others: Option<(u64, u64)>) {
        let own = &self.vcpus[at];
        let Some(raised) = own.raised.first().copied() else { return };
        let age = self.now.saturating_sub(raised.event.ns);
        if own.acks == 0 || age <= bound(others, self.config.liveness_bound) {
            return;
        }
        let step = match (self.seen.accepts, raised.accepted) {
            (true, false) => MissingStep::Interrupt,
            _ => MissingStep::Acknowledgement,
        };
        let p99 = others.map_or(String::new(), |(p99, n)| {
            format!(" (the 99th percentile of {n} others is {})", time(p99))
        });
        let message = format!(
            "page ready of {} at line {} has not been acknowledged for {}{p99}; missing: {}. {}",
            own.label(),
            raised.event.line,
            time(age),
            step.name(),
            first_upper(step.text()),
        );
        let watched = Watched { token: raised.token, frame: None, count: 1, age, others };
        self.stall(at, StallKind::OpenRequest(step), raised.event, watched, message);
    }

    /// A vCPU that is halted for a page that is there.
    fn silent(&mut self, at: usize) {
        let own = &self.vcpus[at];
        let Some((frame, since)) = own.halted_for else { return };
        let silence = self.now.saturating_sub(own.last_ns);
        let usual = p99(&own.silences);
        let longer = usual.is_some_and(|(p99, _)| silence > p99.saturating_mul(SILENCES));
        let request = own.requests.iter().find(|request| request.gfn() == frame);
        let Some((request, done)) = request.and_then(|one| one.completed.map(|done| (*one, done)))
        else {
            return;
        };
        let known = |stall: &Stall| stall.thread == own.thread.pid;
        if !longer || self.survey.stalls.iter().any(known) {
            return;
        }
        let p99 = usual.map_or(0, |(p99, _)| p99);
        let message = format!(
            "{} is halted for frame {frame} (request {}) and silent since line {} for {}, while \
             the 99th percentile of its silences is {}; the page is there since line {}, and \
             nothing wakes it before the log ends. An event that should have ended the halt was \
             dropped (notices turned off or the vCPU reset meanwhile), it was stopped, or the log \
             ends too early",
            own.label(),
            request.token,
            since.line,
            time(silence),
            time(p99),
            done.line,
        );
        let watched = Watched {
            token: Some(request.token),
            frame: Some(frame),
            count: 1,
            age: silence,
            others: usual,
        };
        self.stall(at, StallKind::SilentVcpu, since, watched, message);
    }
}

impl VcpuLog {
    /// Notes how long the thread was silent before this event.
    pub(super) fn note_silence(&mut self, ns: u64) {
        if self.events > 0 {
            self.silences.record(ns.saturating_sub(self.last_ns));
        }
    }

    /// The vCPU is in the guest, or left it for another reason than a fault.
    pub(super) fn goes_on(&mut self) {
        self.halted_for = None;
    }

    /// Whether an exit is one of those that a vCPU without progress has.
    pub(super) const fn stands(reason: KernelExit) -> bool {
        matches!(reason, KernelExit::NestedFault | KernelExit::Interrupt)
    }
}

fn first_upper(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
