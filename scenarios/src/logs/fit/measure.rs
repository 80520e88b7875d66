//! What is measured of a log: spans of each path, the device, who waits for what.
//!
//! The same code measures the log of a real kernel and that of a simulated one, so that both have
//! the same words and the same blind spots. Memory is bounded: spans go into histograms, and of
//! what is under way only so much is kept.

use std::collections::{BTreeMap, BTreeSet};

use models::monitors::log::{LogConfig, LogMonitors};

use super::device::{Device, Done, Issued};
use super::exit::{Entered, Exit};
use super::paths::PathId;
use super::samples::Samples;

/// vCPU threads, requests and faults that are followed at once.
pub(super) const MOST: usize = 1 << 16;
/// Shortest and longest time between two ticks, in nanoseconds.
pub(super) const SHORTEST_TICK: u64 = 500_000;

/// An asynchronous fault under way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fault {
    pub(super) announced: Option<u64>,
    pub(super) done: Option<Done>,
    pub(super) completed: Option<u64>,
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
    pub(super) deadline: Option<(u64, u64)>,
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
    /// Messages to a VMM about missing pages (userfaultfd), as far as they are probed.
    pub messages: u64,
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
    /// Those that issue a request.
    pub issues: u64,
    /// Entries into the guest.
    pub entries: u64,
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
    pub(super) outstanding_now: u64,
    pub(super) most_outstanding: u64,
    /// Time in the guest from one fault that needs I/O to the next.
    pub(super) thinks: Samples,
    /// Rate of the guest's time-stamp counter in kHz.
    pub(super) khz: Samples,
    pub(super) guest_tick: Samples,
    pub(super) host_tick: Samples,
    pub(super) last_bare: Option<u64>,
    /// Time in exits in which the vCPU thread did not sleep, in nanoseconds.
    pub(super) awake: u64,
    /// Who was told is concluded where `check` does.
    pub(super) monitors: LogMonitors,
    /// Two threads were in the guest at once as the same vCPU: those of two guests.
    pub(super) overlaps: bool,
    /// How often a thread entered the guest as a vCPU while another one was in the kernel with a fault of a vCPU of
    /// that number.
    pub(super) beside_faults: u64,
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
            overlaps: false,
            beside_faults: 0,
            first: None,
            last: 0,
            whole_us: true,
            ticks: false,
        }
    }
}

impl Measure {
    /// A span of a path.
    pub(super) fn span(&mut self, path: PathId, ns: u64) {
        self.paths[path as usize].record(ns);
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
}
