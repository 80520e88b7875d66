//! What is kept of background reclaimers: kswapd, writers of limits, and agents that ask for reclaim. What they do is
//! in `reclaimers`.

use std::collections::VecDeque;

use sim_core::{SimDuration, SimTime};

use crate::base::ids::{ThreadId, VmId};
use crate::base::record::MemcgFile;
use crate::config::{
    Balloon, BalloonTarget, LimitChange, MachineConfig, MemoryControl, ProactiveReclaim,
};
use crate::machine::world::BalloonQueue;
use crate::parts::memory::prefetch::PageRun;

/// A background reclaimer.
#[derive(Clone, Debug)]
pub(super) struct Reclaimer {
    pub(super) thread: ThreadId,
    /// The first virtual machine of its container.
    pub(super) vm: VmId,
    pub(super) duty: Duty,
    /// When the start barrier was passed.
    pub(super) began: SimTime,
    /// Passes without success that are left.
    pub(super) tries: u32,
}

/// What such a thread is for.
#[derive(Clone, Debug)]
pub(super) enum Duty {
    /// It writes limits.
    Limits(LimitWriter),
    /// It writes `memory.reclaim`, for so many pages that are left, the next time after so many.
    Agent { what: ProactiveReclaim, left: u64, round: u64 },
    /// It keeps pages of the host free: woken below the lower mark, up to the higher one.
    Kswapd { low: u64, high: u64 },
    /// It is of a VMM, and serves the balloon of its guest.
    Balloon(BalloonThread),
    /// It is of a VMM, and protects memory of its guest.
    Protect(Protector),
}

/// A thread that protects memory, saves it and lifts the protection.
#[derive(Clone, Debug)]
pub(super) struct Protector {
    /// What it protects, by its place among all.
    pub(super) place: usize,
    /// When, after the start barrier, if it is the first thread of it.
    pub(super) at: Option<SimDuration>,
}

/// What the thread of a balloon has to do.
#[derive(Clone, Debug)]
pub(super) struct BalloonThread {
    /// Sizes to be set, the next one last.
    pub(super) targets: Vec<BalloonTarget>,
    /// What the guest has told it, the first first.
    pub(super) jobs: VecDeque<BalloonJob>,
    /// What it gives back at the moment.
    pub(super) at: Option<PageRun>,
}

/// What was in a queue of a balloon's device.
#[derive(Clone, Debug)]
pub(super) struct BalloonJob {
    pub(super) queue: BalloonQueue,
    /// Pages that are to be given back.
    pub(super) runs: VecDeque<PageRun>,
}

impl BalloonThread {
    fn new(balloon: &Balloon) -> Self {
        Self {
            targets: balloon.targets.iter().rev().copied().collect(),
            jobs: VecDeque::new(),
            at: None,
        }
    }
}

/// Those of a machine: one for each container whose limits change, then one for each agent, then that of the host's
/// memory as a whole.
pub(super) fn reclaimers(config: &MachineConfig, first: ThreadId) -> Vec<Reclaimer> {
    let control = &config.host.memory_control;
    let thread = |vm, duty| Reclaimer { thread: first, vm, duty, began: SimTime::ZERO, tries: 0 };
    let writers =
        control.written().map(|vm| thread(vm, Duty::Limits(LimitWriter::new(control, vm))));
    let agents = control.proactive.iter();
    let agents = agents.map(|&what| thread(what.vm, Duty::Agent { what, left: 0, round: 0 }));
    let kswapd = control
        .kswapd
        .as_ref()
        .zip(config.first_of_host())
        .map(|(marks, vm)| thread(vm, Duty::Kswapd { low: marks.low, high: marks.high }));
    let balloons = control.balloons.iter();
    let balloons =
        balloons.map(|balloon| thread(balloon.vm, Duty::Balloon(BalloonThread::new(balloon))));
    let protectors = control.protections.iter().enumerate().flat_map(|(place, what)| {
        let at = |number| (number == 0).then_some(what.at);
        let one = move |number| thread(what.vm, Duty::Protect(Protector { place, at: at(number) }));
        (0..what.threads).map(one)
    });
    let mut all: Vec<Reclaimer> =
        writers.chain(agents).chain(kswapd).chain(balloons).chain(protectors).collect();
    for (own, thread) in all.iter_mut().zip(first.0..) {
        own.thread = ThreadId(thread);
    }
    all
}

impl Reclaimer {
    /// Whether it is the kernel's thread that keeps pages free.
    pub(super) fn is_kswapd(&self) -> bool {
        matches!(self.duty, Duty::Kswapd { .. })
    }

    /// Whether it serves a balloon.
    pub(super) fn serves_balloon(&self) -> bool {
        matches!(self.duty, Duty::Balloon(_))
    }

    /// When its time comes next.
    pub(super) fn due(&self) -> Option<SimTime> {
        match &self.duty {
            Duty::Limits(writer) => writer.next().map(|at| self.began + at),
            Duty::Agent { what, round, .. } => {
                Some(self.began + what.at + what.every.times(*round))
            }
            Duty::Kswapd { .. } => None,
            Duty::Balloon(thread) => thread.targets.last().map(|next| self.began + next.at),
            Duty::Protect(thread) => thread.at.map(|at| self.began + at),
        }
    }
}

/// The limits that a thread has to write.
#[derive(Clone, Debug)]
pub(super) struct LimitWriter {
    /// The next one last.
    pub(super) changes: Vec<LimitChange>,
    /// What it writes at the moment, in pages of the virtual machines.
    pub(super) writes: Option<(MemcgFile, u64)>,
}

impl LimitWriter {
    /// That of the container of a virtual machine.
    fn new(control: &MemoryControl, vm: VmId) -> Self {
        let own = control.limits.iter().rev().filter(|change| change.vm == vm);
        Self { changes: own.copied().collect(), writes: None }
    }

    /// The time of the next one, after the start barrier.
    fn next(&self) -> Option<SimDuration> {
        self.changes.last().map(|change| change.at)
    }
}
