//! What a log tells of a host: spans of each path, the device, who waits for what.
//!
//! The same code measures the log of a real kernel and that of a simulated one, so that both have
//! the same words and the same blind spots. Memory is bounded: spans go into histograms, and of
//! what is under way only so much is kept.

use std::collections::{BTreeMap, BTreeSet};

use models::monitors::Family;
use models::monitors::log::{LogConfig, LogEvent, LogMonitors};
use models::trace::kernel::{KernelEvent, KernelExit};
use sim_core::Histogram;

use super::device::{Device, Done, Issued};
use super::exit::{Entered, Exit};
use super::paths::PathId;
use super::samples::{Samples, Summary};
use crate::logs::check::reader::LogConsumer;

/// vCPU threads, requests and faults that are followed at once.
pub(super) const MOST: usize = 1 << 16;
/// The thread that runs when nobody does.
const IDLE: u32 = 0;
/// `#PF`
const PAGE_FAULT: u8 = 14;
/// `HYPERVISOR_CALLBACK_VECTOR`, which Linux guests take for page ready.
pub(super) const READY_VECTOR: u8 = 0xf3;
/// `LOCAL_TIMER_VECTOR` of Linux: now, and before 6.9.
pub(super) const TIMER_VECTORS: [u8; 2] = [0xec, 0xef];
/// `MSR_KVM_ASYNC_PF_ACK`
pub(super) const MSR_ACK: u32 = 0x4b56_4d07;
/// `MSR_IA32_TSC_DEADLINE`
pub(super) const MSR_DEADLINE: u32 = 0x6e0;
/// Shortest and longest time between two ticks, in nanoseconds.
pub(super) const SHORTEST_TICK: u64 = 500_000;
const LONGEST_TICK: u64 = 20_000_000;
/// Bits of a token that are all ones for wake-all.
const WAKE_ALL: u32 = u32::MAX;

/// An asynchronous fault under way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fault {
    announced: Option<u64>,
    pub(super) done: Option<Done>,
    completed: Option<u64>,
}

/// A vCPU thread.
#[derive(Clone, Debug, Default)]
pub(super) struct Vcpu {
    pub(super) number: Option<u32>,
    pub(super) exit: Option<Exit>,
    pub(super) entered: Option<Entered>,
    /// Time in the guest since its last fault that needed I/O.
    pub(super) thinking: Option<u64>,
    pub(super) last_timer: Option<u64>,
    /// Last write of its timer's deadline, and what was written.
    deadline: Option<(u64, u64)>,
}

/// How often things happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Asynchronous faults that were set up.
    pub announced: u64,
    /// Those of which the guest was told.
    pub told: u64,
    /// Page ready is an exception, as before Linux 5.8.
    pub by_exception: bool,
    /// `#PF`s injected.
    pub exceptions: u64,
    /// Exceptions of any kind: without them the log does not say itself who was told.
    pub injections: u64,
    /// Page ready raised as interrupt, which hosts since 5.9 do only for faults that were told.
    pub ready_raised: u64,
    /// Interrupts of any kind, raised or injected.
    pub interrupts: u64,
    /// Acknowledgements of page ready, likewise.
    pub acknowledged: u64,
    /// Wake-alls, which are raised and acknowledged like page ready.
    pub wake_alls: u64,
    /// Faults on pages that are under way.
    pub repeated: u64,
    /// Tries.
    pub tries: u64,
    /// Faults for which the vCPU thread read and waited itself.
    pub synchronous: u64,
    /// Those in which it kept its processor.
    pub polled: u64,
    /// Reads by vCPU threads before they tried.
    pub reads_before_try: u64,
    /// Reads by workers.
    pub reads_by_worker: u64,
    /// Page ready interrupts.
    pub ready_interrupts: u64,
    /// Page ready.
    pub ready: u64,
    /// HLT exits.
    pub hlt: u64,
    /// Writes of the deadline of a timer.
    pub deadlines: u64,
    /// Exits of whatever kind.
    pub exits: u64,
    /// Events of KVM.
    pub kvm: u64,
    /// Events of block devices.
    pub block: u64,
    /// Places where events were lost.
    pub losses: u64,
    /// The name that `kvm_async_pf_repeated_fault` had before 6.1.
    pub old_names: u64,
}

/// Everything that is measured of a log.
#[derive(Clone, Debug)]
pub(crate) struct Measure {
    pub(super) paths: Vec<Samples>,
    pub(crate) counts: Counts,
    pub(super) vcpus: BTreeMap<u32, Vcpu>,
    /// Processors on which anything happened, and when somebody last got one that was idle.
    pub(super) processors: BTreeMap<u32, Option<u64>>,
    pub(super) requests: BTreeMap<(u32, u64), Issued>,
    pub(super) faults: BTreeMap<u64, Fault>,
    pub(super) devices: BTreeMap<u32, Device>,
    pub(super) executing: BTreeSet<u32>,
    /// Requests and items completed so far.
    pub(super) seen: (u64, u64),
    /// Requests outstanding at each announcement.
    pub(super) outstanding: Samples,
    outstanding_now: u64,
    pub(super) most_outstanding: u64,
    /// Time in the guest from one fault that needs I/O to the next.
    pub(super) thinks: Samples,
    /// Rate of the guest's time-stamp counter in kHz.
    khz: Samples,
    pub(super) guest_tick: Samples,
    pub(super) host_tick: Samples,
    pub(super) last_bare: Option<u64>,
    /// Time in exits in which the vCPU thread did not sleep, in nanoseconds.
    pub(super) awake: u64,
    /// Who was told is concluded where `check` does.
    monitors: LogMonitors,
    pub(crate) first: Option<u64>,
    pub(crate) last: u64,
    pub(crate) whole_us: bool,
    pub(crate) ticks: bool,
}

impl Default for Measure {
    fn default() -> Self {
        Self {
            paths: vec![Samples::default(); PathId::ALL.len()],
            counts: Counts::default(),
            vcpus: BTreeMap::new(),
            processors: BTreeMap::new(),
            requests: BTreeMap::new(),
            faults: BTreeMap::new(),
            devices: BTreeMap::new(),
            executing: BTreeSet::new(),
            seen: (0, 0),
            outstanding: Samples::default(),
            outstanding_now: 0,
            most_outstanding: 0,
            thinks: Samples::default(),
            khz: Samples::default(),
            guest_tick: Samples::default(),
            host_tick: Samples::default(),
            last_bare: None,
            awake: 0,
            monitors: LogMonitors::new(LogConfig::default()),
            first: None,
            last: 0,
            whole_us: true,
            ticks: false,
        }
    }
}

impl LogConsumer for Measure {
    fn event(&mut self, event: LogEvent) {
        self.first.get_or_insert(event.ns);
        self.last = self.last.max(event.ns);
        self.whole_us &= event.ns.is_multiple_of(1000);
        if self.processors.len() < MOST {
            self.processors.entry(event.cpu).or_default();
        }
        self.observe(&event);
        self.monitors.observe(event);
    }

    fn written_by(&mut self, rules: &str) -> bool {
        let Some(config) = crate::logs::check::config_of(rules) else { return false };
        self.monitors.set_config(config);
        true
    }

    /// What was under way may have ended among the lost.
    fn lost(&mut self, since: u64) {
        self.monitors.lost(since);
        self.counts.losses += 1;
        for vcpu in self.vcpus.values_mut() {
            (vcpu.exit, vcpu.entered, vcpu.thinking) = (None, None, None);
            vcpu.last_timer = None;
        }
        self.outstanding_now = 0;
        self.requests.clear();
        self.faults.clear();
        self.executing.clear();
        self.last_bare = None;
        for device in self.devices.values_mut() {
            device.in_flight = 0;
        }
    }

    fn ticks(&mut self) {
        self.ticks = true;
        self.monitors.ticks_are_short();
    }
}

impl Measure {
    /// The log is over: who was told.
    pub(crate) fn conclude(&mut self) {
        let monitors =
            std::mem::replace(&mut self.monitors, LogMonitors::new(LogConfig::default()));
        self.counts.by_exception = monitors.family() == (Family::V7, true);
        let (_, survey) = monitors.finish();
        self.counts.told = survey.told;
    }

    /// A span of a path.
    pub(super) fn span(&mut self, path: PathId, ns: u64) {
        self.paths[path as usize].record(ns);
    }

    fn observe(&mut self, e: &LogEvent) {
        let (ns, pid) = (e.ns, e.thread.pid);
        self.counts.kvm += u64::from(e.event.name().starts_with("kvm_"));
        match e.event {
            KernelEvent::Entry { vcpu } => self.enter(ns, pid, e.cpu, vcpu),
            KernelEvent::Exit { vcpu, reason } => self.leave(ns, pid, e.cpu, vcpu, reason),
            KernelEvent::Try { gva, .. } => self.tries(ns, pid, gva.0),
            KernelEvent::RepeatedFault { old_name, .. } => {
                self.counts.repeated += 1;
                self.counts.old_names += u64::from(old_name);
                self.in_exit(pid, |exit| exit.repeated = true);
            }
            KernelEvent::NotPresent { gva, .. } => self.announce(ns, pid, gva.0),
            KernelEvent::Ready { token, gva } if token.0 != WAKE_ALL => {
                self.ready(ns, pid, gva.0);
            }
            KernelEvent::Completed { gva, .. } => self.complete_item(ns, e.cpu, gva.0),
            KernelEvent::Ready { .. } => self.counts.wake_alls += 1,
            KernelEvent::InjException { vector, reinjected: false, .. } => {
                self.counts.injections += 1;
                if vector != PAGE_FAULT {
                    return;
                }
                self.counts.exceptions += 1;
                self.in_exit(pid, |exit| exit.told = true);
            }
            KernelEvent::AcceptIrq { vector } | KernelEvent::AcceptPosted { vector } => {
                self.counts.interrupts += 1;
                self.counts.ready_raised += u64::from(vector == READY_VECTOR);
            }
            KernelEvent::InjVirq { vector, reinjected: false } => {
                self.counts.interrupts += 1;
                self.counts.ready_interrupts += u64::from(vector == READY_VECTOR);
                self.in_exit(pid, |exit| exit.inject(vector));
            }
            KernelEvent::Msr { write: true, ecx, data, .. } => self.register(ns, pid, ecx, data),
            KernelEvent::SchedSwitch { prev, sleeps, next } => {
                if prev == IDLE && next != IDLE {
                    self.processors.entry(e.cpu).and_modify(|woken| *woken = Some(ns));
                }
                self.switch(ns, prev, sleeps);
            }
            KernelEvent::BlockIssue { read, at, sectors } => self.issue(e, read, at, sectors),
            KernelEvent::BlockComplete { at } => self.done(ns, e.cpu, at),
            KernelEvent::ExecuteStart { .. } => {
                if self.executing.len() < MOST {
                    self.executing.insert(pid);
                }
                self.on_processor(e.cpu, |exit| {
                    exit.starts += 1;
                    exit.started.get_or_insert(ns);
                });
            }
            KernelEvent::ExecuteEnd { .. } => {
                self.executing.remove(&pid);
            }
            _ => {}
        }
    }

    /// Faults of which the guest was told: by their exceptions, or, where no exception was recorded,
    /// by the page readies that were raised for them.
    pub(crate) fn told(&self) -> u64 {
        let Counts { announced, ready, told, injections, .. } = self.counts;
        match self.seen_by_ready() {
            _ if injections > 0 => told,
            // All of those that are over, so that those under way are taken for told, too.
            seen if seen > 0 && seen >= ready => announced,
            seen => seen.min(announced),
        }
    }

    /// Whether the log says who was told at all.
    pub(super) fn says_who_was_told(&self) -> bool {
        let Counts { injections, interrupts, acknowledged, .. } = self.counts;
        // One that is halted sleeps; where interrupts are recorded, page ready's would be.
        let halted = self.path(PathId::FaultHalted).is_some_and(|summary| summary.count > 0);
        injections + interrupts + acknowledged > 0 || halted
    }

    fn seen_by_ready(&self) -> u64 {
        let Counts { ready_raised, acknowledged, ready_interrupts, wake_alls, .. } = self.counts;
        let raised = ready_raised.max(acknowledged).max(ready_interrupts);
        raised.saturating_sub(wake_alls)
    }

    /// Whether a processor was idle at a time, and somebody has got it since.
    pub(super) fn was_idle(&self, cpu: u32, at: u64) -> bool {
        self.processors.get(&cpu).copied().flatten().is_some_and(|woken| woken >= at)
    }

    pub(super) fn in_exit(&mut self, pid: u32, act: impl FnOnce(&mut Exit)) {
        if let Some(exit) = self.vcpus.get_mut(&pid).and_then(|vcpu| vcpu.exit.as_mut()) {
            act(exit);
        }
    }

    /// The exits that are being handled on a processor, or wait for it.
    pub(super) fn on_processor(&mut self, cpu: u32, mut act: impl FnMut(&mut Exit)) {
        for exit in self.vcpus.values_mut().filter_map(|vcpu| vcpu.exit.as_mut()) {
            if exit.cpu == cpu {
                act(exit);
            }
        }
    }

    pub(super) fn vcpu(&mut self, pid: u32, number: Option<u32>) -> Option<&mut Vcpu> {
        if self.vcpus.len() >= MOST && !self.vcpus.contains_key(&pid) {
            return None;
        }
        let vcpu = self.vcpus.entry(pid).or_default();
        vcpu.number = number.or(vcpu.number);
        Some(vcpu)
    }

    fn tries(&mut self, ns: u64, pid: u32, gva: u64) {
        self.counts.tries += 1;
        let mut read = None;
        let mut spans = [None; 3];
        self.in_exit(pid, |exit| {
            exit.tried = Some(ns);
            read = exit.read;
            if exit.reason == KernelExit::NestedFault && exit.is_undisturbed() {
                spans = match exit.read {
                    Some((_, at)) => {
                        [Some(ns.saturating_sub(at)), Some(ns.saturating_sub(exit.ns)), None]
                    }
                    None => [None, None, Some(ns.saturating_sub(exit.ns))],
                };
            }
        });
        let paths = [PathId::ReadTry, PathId::FaultTry, PathId::FaultTryWithoutRead];
        for (path, span) in paths.into_iter().zip(spans) {
            if let Some(span) = span {
                self.span(path, span);
            }
        }
        if let Some((at, _)) = read {
            self.counts.reads_before_try += 1;
            if let Some(issued) = self.requests.get_mut(&at) {
                (issued.gva, issued.waiter) = (Some(gva), None);
            }
        }
    }

    fn announce(&mut self, ns: u64, pid: u32, gva: u64) {
        self.counts.announced += 1;
        self.in_exit(pid, |exit| exit.announced = true);
        if self.vcpu(pid, None).is_none() {
            return;
        }
        self.outstanding_now += 1;
        self.outstanding.record(self.outstanding_now);
        self.most_outstanding = self.most_outstanding.max(self.outstanding_now);
        if self.faults.len() < MOST {
            self.faults.insert(gva, Fault { announced: Some(ns), ..Fault::default() });
        }
    }

    fn complete_item(&mut self, ns: u64, cpu: u32, gva: u64) {
        let seen = self.seen;
        self.seen.1 += 1;
        self.on_processor(cpu, |exit| {
            exit.completed += 1;
            exit.completed_at = Some(ns);
        });
        let Some(fault) = self.faults.get_mut(&gva) else { return };
        fault.completed = Some(ns);
        let Fault { announced, done, .. } = *fault;
        if let Some(announced) = announced {
            self.span(PathId::NotPresentCompleted, ns.saturating_sub(announced));
        }
        // Nothing else was completed meanwhile: the worker had nobody to wait for.
        if let Some(done) = done.filter(|done| done.seen == seen) {
            let path = match self.was_idle(cpu, done.ns) {
                true => PathId::DoneCompletedIdle,
                false => PathId::DoneCompleted,
            };
            self.span(path, ns.saturating_sub(done.ns));
        }
    }

    fn ready(&mut self, ns: u64, pid: u32, gva: u64) {
        self.counts.ready += 1;
        self.outstanding_now = self.outstanding_now.saturating_sub(1);
        let fault = self.faults.remove(&gva);
        let mut path = None;
        self.in_exit(pid, |exit| {
            exit.ready += 1;
            exit.ready_at = Some(ns);
            let alone = exit.completed == 1 && exit.ready == 1;
            path = match exit.reason {
                _ if !alone || exit.completed_at.is_none() => None,
                KernelExit::Interrupt if exit.slept.is_none() => Some(PathId::CompletedReady),
                KernelExit::NestedFault if exit.slept.is_some() => {
                    Some(PathId::CompletedReadyHalted)
                }
                _ => None,
            };
        });
        let Some(fault) = fault else { return };
        if let (Some(path), Some(completed)) = (path, fault.completed) {
            self.span(path, ns.saturating_sub(completed));
        }
        if let Some(announced) = fault.announced {
            self.span(PathId::NotPresentReady, ns.saturating_sub(announced));
        }
    }

    fn register(&mut self, ns: u64, pid: u32, ecx: u32, data: u64) {
        if ecx == MSR_DEADLINE && data > 0 {
            self.counts.deadlines += 1;
            let before = self.vcpus.get_mut(&pid).and_then(|v| v.deadline.replace((ns, data)));
            if let Some((at, deadline)) = before
                && let (Some(span), Some(cycles)) = (ns.checked_sub(at), data.checked_sub(deadline))
                && (SHORTEST_TICK..LONGEST_TICK).contains(&span)
            {
                let khz = u128::from(cycles) * 1_000_000 / u128::from(span);
                self.khz.record(u64::try_from(khz).unwrap_or(u64::MAX));
            }
        }
        self.counts.acknowledged += u64::from(ecx == MSR_ACK && data > 0);
        let mut handler = None;
        self.in_exit(pid, |exit| {
            exit.register = Some((ecx, ns));
            handler = exit.handler.filter(|_| ecx == MSR_ACK || ecx == MSR_DEADLINE);
        });
        if let Some((vector, span)) = handler {
            if vector == READY_VECTOR && ecx == MSR_ACK {
                self.span(PathId::GuestReady, span);
            } else if TIMER_VECTORS.contains(&vector) && ecx == MSR_DEADLINE {
                self.span(PathId::GuestTick, span);
            }
        }
    }

    fn switch(&mut self, ns: u64, prev: u32, sleeps: bool) {
        let mut path = None;
        self.in_exit(prev, |exit| {
            if sleeps {
                path = exit.sleeps(ns);
            }
            exit.switches += 1;
        });
        if let Some((path, span)) = path {
            self.span(path, span);
        }
    }
}

impl Measure {
    /// The spans of a path.
    fn samples(&self, path: PathId) -> Option<&Samples> {
        match path {
            PathId::Read => self.swap_device().map(|(_, device)| &device.read),
            PathId::Write => self.swap_device().map(|(_, device)| &device.write),
            _ => self.paths.get(path as usize),
        }
    }

    /// The spans of a path summed up.
    pub(crate) fn path(&self, path: PathId) -> Option<Summary> {
        self.samples(path)?.summary(self.whole_us)
    }

    /// The spans of a path, each.
    pub(crate) fn times(&self, path: PathId) -> Histogram {
        self.samples(path).map_or_else(Histogram::new, |samples| samples.counts().clone())
    }

    /// Faults that needed I/O for the first time.
    pub(crate) fn faults(&self) -> u64 {
        self.counts.announced + self.counts.synchronous
    }

    /// Length of the log in nanoseconds.
    pub(crate) fn length(&self) -> u64 {
        self.last - self.first.unwrap_or(self.last)
    }

    /// Rate of a guest's time-stamp counter in kHz, from the deadlines that it wrote: from one tick
    /// to the next both the deadline and the time of its write go on by a tick.
    pub(crate) fn tsc(&self) -> Option<f64> {
        let summary = self.khz.summary(false)?;
        (summary.count >= 3).then_some(summary.p50)
    }

    /// Whether two threads run the vCPU of one number, as those of two guests do.
    pub(crate) fn several_guests(&self) -> bool {
        let mut numbers: Vec<u32> = self.vcpus.values().filter_map(|vcpu| vcpu.number).collect();
        let threads = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.len() < threads
    }
}
