//! Monitors of real kernels' logs.
//!
//! A log has what the kernel prints and not what the models say beside it: no list is seen, not
//! present is announced whether the guest is told or not, and the log begins and ends in the
//! middle of things. So these monitors follow each request from `kvm_async_pf_not_present` to its
//! `kvm_async_pf_ready`, and conclude only what a complete log could not show of a correct kernel:
//!
//! - *Before the log.* Tokens of a vCPU count up. A page ready whose token is older than the first
//!   one announced in the log belongs to a request from before it; any other was announced, or
//!   should have been.
//! - *Overtaken.* Completed requests are dequeued in the order of their completion. A request that
//!   was announced after another one was completed cannot be ready before it: if it is, the other
//!   one's page ready is missing. (Both may print `completed` late, so that the order of these
//!   lines alone proves nothing.)
//! - *Losses.* After a loss nothing that may be among the lost is missed, and what was concluded
//!   since the last line of that processor is taken back.
//! - *Turned off.* A guest that turns notices off, or a vCPU that is reset, drops its requests
//!   silently. Without `kvm_msr` a missing page ready counts only when the vCPU is told new not
//!   presents later without a wake-all, which a guest that turns notices on again gets.

mod answers;
mod clocks;
mod completions;
mod course;
mod delivery;
mod ending;
mod groups;
mod ledger;
mod requests;
mod spins;
mod stalls;
mod survey;
mod told;
mod vcpu;
mod watch;

use std::collections::{BTreeMap, VecDeque};

use super::catalogue::{Family, INV_12, InvariantId};
use crate::base::ids::{Gva, Hva};
use crate::trace::kernel::{KernelEvent, Thread};

pub use clocks::ClocksDiffer;
pub use course::{Counted, Course, CourseRow, CourseWindow, Latencies, MOST_ROWS};
use ledger::Ledger;
pub use ledger::{LogFinding, LogWitness, StoryLine, Unjudged};
pub use spins::{SpinCause, Spins};
pub use stalls::{MissingStep, Stall, StallKind};
pub use survey::{LogSurvey, VcpuSurvey};
use told::Ambiguous;
use vcpu::VcpuLog;
use watch::Works;

/// vCPU threads that are followed; more are counted and left alone.
const MOST_VCPUS: usize = 8192;
/// Bits of a token that name the vCPU; the others count.
const VCPU_BITS: u32 = 12;
/// Completed requests that are remembered to recognise a second completion.
const REMEMBERED: usize = 512;

/// An event in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEvent {
    /// Number of the line, from 1.
    pub line: u64,
    /// Time by the log's clock.
    pub ns: u64,
    /// Processor.
    pub cpu: u32,
    /// Thread.
    pub thread: Thread,
    /// What happened.
    pub event: KernelEvent,
}

/// What is known of the kernel that wrote a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// The family of its protocol; found out when not given.
    pub family: Option<Family>,
    /// Requests that a vCPU may have outstanding.
    pub cap: u32,
    /// Invariants that it is known to break.
    pub known: Vec<InvariantId>,
    /// How long what must happen in the end may take, in nanoseconds.
    pub liveness_bound: u64,
}

impl Default for LogConfig {
    fn default() -> Self {
        // The cap of all merged kernels; a second is the bound of simulated runs.
        Self { family: None, cap: 64, known: Vec::new(), liveness_bound: 1_000_000_000 }
    }
}

/// Which events the log has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SeenInLog {
    pub(super) tries: bool,
    pub(super) repeated: bool,
    pub(super) old_name: bool,
    pub(super) with_pfn: bool,
    pub(super) series: bool,
    pub(super) announced: bool,
    pub(super) ready: bool,
    pub(super) completed: bool,
    pub(super) exceptions: bool,
    pub(super) entries: bool,
    pub(super) exits: bool,
    pub(super) interrupts: bool,
    /// Interrupts are recorded when the local APIC takes them.
    pub(super) accepts: bool,
    /// The vector of page ready.
    pub(super) vector: bool,
    /// Writes to registers of any kind.
    pub(super) writes: bool,
    pub(super) page_faults: bool,
    pub(super) hlts: bool,
    pub(super) registers: bool,
    /// The guest's registers or vector of page ready as interrupt.
    pub(super) by_interrupt: bool,
    /// Addresses that are not those of frames: the host translates the guest's page tables (shadow
    /// paging), or the guest has guests.
    pub(super) translated: bool,
    /// The guest has guests.
    pub(super) nested: bool,
    /// The order of events is not that of one clock.
    pub(super) clocks_differ: bool,
    /// A vCPU is run by more than one thread.
    pub(super) wandering: bool,
    /// #PFs right after a page ready, with no not present that they could be for.
    pub(super) ready_exceptions: u64,
}

/// A completion that belongs to no known request.
#[derive(Clone, Debug)]
struct Orphan {
    event: LogEvent,
    done: Waiting,
    /// vCPUs on which a request announced later was ready since.
    passed: Vec<usize>,
    /// All vCPUs have passed it. Only the page ready of a request from before the log would
    /// explain it now.
    certain: bool,
}

/// What the log must show for a breach to be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Needs {
    /// `kvm_async_pf_not_present`
    Announcements,
    /// `kvm_inj_exception`
    Exceptions,
    /// A kernel whose page ready is an exception.
    ReadyByException,
}

/// A breach that waits for the end of the log.
#[derive(Clone, Debug)]
struct Deferred {
    id: InvariantId,
    needs: Needs,
    event: LogEvent,
    text: String,
    story: Vec<LogEvent>,
}

/// Breaches that wait.
const MOST_DEFERRED: usize = 16;

/// A completion that is not known to be one request's.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    gva: Gva,
    /// Host address of guest address 0 by it.
    base: u64,
    event: LogEvent,
    seq: u64,
}

/// A completion that is remembered.
#[derive(Clone, Copy, Debug)]
struct Done {
    gva: u64,
    address: Hva,
}

/// All monitors of a log, and what they count on the way.
#[derive(Clone, Debug)]
pub struct LogMonitors {
    config: LogConfig,
    vcpus: Vec<VcpuLog>,
    by_pid: BTreeMap<u32, usize>,
    last: (u32, usize),
    /// Requests not completed yet: address and place in the log, and whose they are.
    running: BTreeMap<(u64, u64), usize>,
    done: VecDeque<Done>,
    orphans: Vec<Orphan>,
    /// Completions that may belong to several requests, by address.
    waiting: BTreeMap<u64, Vec<Waiting>>,
    /// Completions of requests that the log does not have.
    strays: VecDeque<Waiting>,
    /// Place in the log of the last completion.
    last_completed: u64,
    /// Breaches that are none if an event is not recorded which the log has not shown yet.
    deferred: Vec<Deferred>,
    /// More of them than are kept.
    deferred_more: BTreeMap<(InvariantId, Needs), u64>,
    /// Exceptions that may be of two kinds.
    ambiguous: Vec<Ambiguous>,
    /// Requests that were dequeued and never completed, besides those that vCPUs remember.
    overdue: u64,
    ledger: Ledger,
    works: Works,
    survey: LogSurvey,
    seen: SeenInLog,
    /// Events so far.
    seq: u64,
    first_ns: Option<u64>,
    now: u64,
    losses: u64,
}

impl LogMonitors {
    /// Monitors at the beginning of a log.
    pub fn new(config: LogConfig) -> Self {
        Self {
            ledger: Ledger::new(),
            config,
            vcpus: Vec::new(),
            by_pid: BTreeMap::new(),
            last: (0, usize::MAX),
            running: BTreeMap::new(),
            done: VecDeque::new(),
            orphans: Vec::new(),
            waiting: BTreeMap::new(),
            strays: VecDeque::new(),
            last_completed: 0,
            overdue: 0,
            deferred: Vec::new(),
            deferred_more: BTreeMap::new(),
            ambiguous: Vec::new(),
            works: Works::default(),
            survey: LogSurvey::default(),
            seen: SeenInLog::default(),
            seq: 0,
            first_ns: None,
            now: 0,
            losses: 0,
        }
    }

    /// Reads the next event.
    pub fn observe(&mut self, event: LogEvent) {
        self.seq += 1;
        let first = *self.first_ns.get_or_insert(event.ns);
        self.survey.course.begin(first);
        self.now = self.now.max(event.ns);
        match event.event {
            KernelEvent::Completed { gva, address, with_pfn } => {
                self.seen.with_pfn |= with_pfn;
                self.seen.completed = true;
                self.completed(event, gva, address);
                return;
            }
            KernelEvent::SchedSwitch { prev, sleeps, .. } => {
                if let Some(&at) = self.by_pid.get(&prev)
                    && sleeps
                {
                    self.vcpus[at].slept = true;
                    self.useful(at);
                }
                return;
            }
            KernelEvent::BlockIssue { .. }
            | KernelEvent::BlockComplete { .. }
            | KernelEvent::QueueWork { .. }
            | KernelEvent::ExecuteStart { .. }
            | KernelEvent::ExecuteEnd { .. } => {
                let at = self.by_pid.get(&event.thread.pid);
                let own = at.map(|&at| &mut self.vcpus[at].watch);
                self.works.observe(&event.event, own);
                return;
            }
            // That a page was there says nothing of the protocol.
            KernelEvent::Lookup { .. } => return,
            // Of another protocol.
            KernelEvent::PfaultInit { .. } | KernelEvent::PfaultDone { .. } => return,
            KernelEvent::Nested => {
                self.seen.nested = true;
                return;
            }
            // Whoever sends an interrupt prints these: no vCPU as a rule.
            KernelEvent::AcceptIrq { .. }
            | KernelEvent::AcceptPosted { .. }
            | KernelEvent::Eoi { .. }
                if !self.by_pid.contains_key(&event.thread.pid) =>
            {
                return;
            }
            _ => {}
        }
        let Some(at) = self.vcpu_of(event.thread) else { return };
        self.vcpus[at].note(event, self.seq);
        self.step(at, event);
    }

    fn step(&mut self, at: usize, event: LogEvent) {
        match event.event {
            KernelEvent::Try { gva, gfn } => self.tried(at, event, gva, gfn),
            KernelEvent::RepeatedFault { gfn, old_name, .. } => {
                self.seen.repeated |= !old_name;
                self.seen.old_name |= old_name;
                self.repeated(at, event, gfn);
            }
            KernelEvent::NotPresent { token, gva } => self.announced(at, event, token, gva),
            KernelEvent::Ready { token, gva } => self.ready(at, event, token, gva),
            KernelEvent::SendAsyncPf { token, gva, not_present } => {
                self.seen.series = true;
                if not_present {
                    self.announced(at, event, token, gva);
                } else {
                    self.ready(at, event, token, gva);
                }
            }
            KernelEvent::InjException { vector, error_code, reinjected } => {
                self.exceptions_are_recorded();
                self.exception(at, event, (vector, error_code, reinjected));
            }
            KernelEvent::InjVirq { vector, reinjected } => {
                self.seen.interrupts = true;
                self.interrupt(at, vector, reinjected);
            }
            KernelEvent::AcceptIrq { vector } => {
                self.seen.accepts = true;
                self.accepted(at, event, vector);
            }
            KernelEvent::AcceptPosted { vector } => self.posted(at, vector),
            KernelEvent::Entry { vcpu } => {
                self.seen.entries = true;
                self.runs(at, vcpu);
                self.entered(at);
            }
            KernelEvent::Exit { vcpu, reason } => {
                self.seen.exits = true;
                if let Some(vcpu) = vcpu {
                    self.runs(at, vcpu);
                }
                self.left(at, event, reason);
            }
            KernelEvent::Msr { write: true, ecx, data, failed: false } => {
                self.seen.writes = true;
                self.register(at, event, ecx, data);
            }
            KernelEvent::Msr { write: true, ecx, data, failed: true } => {
                self.refused(at, event, ecx, data);
            }
            KernelEvent::PageFault { address, error_code } => {
                self.seen.page_faults = true;
                self.vcpus[at].watch.faulted(event, address, error_code);
            }
            KernelEvent::Hypercall { nr, target } => self.hypercall(event, nr, target),
            KernelEvent::VcpuWakeup { slept, .. } => {
                self.vcpus[at].slept = true;
                if slept {
                    self.useful(at);
                }
            }
            _ => {}
        }
    }

    /// A thread runs that vCPU. There are programs that run any of theirs in any thread.
    fn runs(&mut self, at: usize, vcpu: u32) {
        if self.vcpus[at].id.is_some_and(|before| before != vcpu) {
            self.becomes_another(at);
        }
        self.vcpus[at].id = Some(vcpu);
    }

    /// What is known of a thread was said of another vCPU.
    fn becomes_another(&mut self, at: usize) {
        while !self.vcpus[at].requests.is_empty() {
            self.drop_request(at, 0);
        }
        self.vcpus[at].resynchronise();
        self.vcpus[at].bases.clear();
        self.vcpus[at].token_id = None;
        self.seen.wandering = true;
    }

    /// The generation is known, as a log of ours says it in its head.
    pub fn set_config(&mut self, config: LogConfig) {
        self.config = config;
    }

    /// Times are ticks of an unknown length, no longer than a nanosecond and not shorter than an
    /// eighth of one.
    pub fn ticks_are_short(&mut self) {
        self.config.liveness_bound = self.config.liveness_bound.saturating_mul(8);
    }

    /// Events were lost: those of `cpu` since `since`, or of an unknown processor.
    pub fn lost(&mut self, since: u64) {
        self.losses += 1;
        self.ledger.take_back(since);
        self.settle_overdue(since);
        for own in &mut self.vcpus {
            own.resynchronise();
        }
        self.deferred.clear();
        self.deferred_more.clear();
        self.done.clear();
        self.waiting.clear();
        self.strays.clear();
    }

    fn vcpu_of(&mut self, thread: Thread) -> Option<usize> {
        if self.last.0 == thread.pid && self.last.1 < self.vcpus.len() {
            return Some(self.last.1);
        }
        let at = match self.by_pid.get(&thread.pid) {
            Some(&at) => at,
            None if self.vcpus.len() >= MOST_VCPUS => {
                self.survey.threads_left_out += 1;
                return None;
            }
            None => {
                self.vcpus.push(VcpuLog::new(thread));
                self.by_pid.insert(thread.pid, self.vcpus.len() - 1);
                self.vcpus.len() - 1
            }
        };
        self.vcpus[at].tgid = self.vcpus[at].tgid.or(thread.tgid);
        self.last = (thread.pid, at);
        Some(at)
    }

    /// The family that the log shows, and whether it shows it.
    pub fn family(&self) -> (Family, bool) {
        if let Some(family) = self.config.family {
            return (family, true);
        }
        let told = self.survey.told;
        if self.seen.series {
            (Family::V5, true)
        } else if self.seen.by_interrupt {
            (Family::Int, true)
        } else if self.seen.with_pfn || self.seen.ready_exceptions > self.may_lack() {
            (Family::V7, true)
        } else {
            // What 5.8 and later print, unless something speaks against it.
            (Family::Int, self.seen.repeated || told > 0)
        }
    }

    /// Exceptions whose not present may be missing: a vCPU's first, and one after each loss.
    fn may_lack(&self) -> u64 {
        (self.vcpus.len() as u64).saturating_mul(1 + self.losses)
    }

    /// The kernels that print what the log has, in words.
    pub fn kernels(&self) -> &'static str {
        match self.family().0 {
            Family::V5 => "the series of 2010",
            Family::V7 if self.seen.with_pfn => "2.6.38 to 3.12",
            Family::V7 => "3.13 to 5.7",
            Family::Int if self.seen.repeated => "6.1 or later",
            Family::Int if self.seen.old_name => "5.8 to 6.2",
            Family::Int => "5.8 or later",
        }
    }

    /// Whether the log has any event of an asynchronous fault.
    pub fn has_faults(&self) -> bool {
        let SeenInLog { tries, repeated, old_name, announced, ready, completed, .. } = self.seen;
        tries || repeated || old_name || announced || ready || completed
    }

    /// Whether an invariant is broken so far.
    pub fn is_broken(&self, id: InvariantId) -> bool {
        self.ledger.is_broken(id)
    }

    /// Places in the log where events were lost.
    pub fn losses(&self) -> u64 {
        self.losses
    }

    /// The conclusions, by rising number, and what was counted.
    pub fn finish(mut self) -> (Vec<LogFinding>, LogSurvey) {
        self.close();
        self.settle_spins();
        let vms = groups::vms(&self.vcpus);
        self.survey.course.finish(self.now);
        if self.survey.clocks.is_none() {
            self.find_stalls();
        }
        let mut survey = std::mem::take(&mut self.survey);
        survey.span = self.now - self.first_ns.unwrap_or(self.now);
        survey.page_faults = self.seen.page_faults;
        survey.cap = self.config.cap;
        survey.exceptions = self.seen.exceptions;
        survey.finish(&self.vcpus, &vms);
        let family = self.family().0;
        if survey.clocks.is_some() {
            self.seen.clocks_differ = true;
            self.ledger.leave_open(clocks::DIFFER, clocks::rests_on_order);
        }
        let mut known = self.config.known.clone();
        if self.config.family.is_none() && family == Family::V7 {
            // All of them tell page ready of requests that were not told.
            known.push(INV_12);
        }
        let findings = self.ledger.findings(family, &known, self.seen);
        (findings, survey)
    }
}
