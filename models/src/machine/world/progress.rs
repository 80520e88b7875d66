//! Runs that would go on for ever: what is looked out for, and who is named.
//!
//! All bounds are counts of what happens against simulated time and against the progress of
//! programs, so that a run stops at the same event on every machine, ahead or stepped:
//!
//! - **An event beyond [`END_OF_TIME`]** stops the run when it is scheduled, where its cause is
//!   known. Sums of spans do not wrap, they stay at the end of the range, which lies beyond.
//! - **An instant without end**: an event that causes others at its own time, 255 deep.
//! - **A thread that spins**: [`SPIN_STEPS`] steps, each of less than [`SPIN_STEP`] on average,
//!   between which no task of the vCPU ran, and the worker began no item. A turn of the vCPU's loop
//!   has several steps. An exit and an entry alone take a real processor a microsecond, so that a
//!   vCPU that spins there for minutes is left alone.
//! - **A thread that is only interrupted**: [`SPIN_STEPS`] interrupts, and no less left to do.
//! - **A prefill without end**: [`PREFILL_STEPS`] steps, and no page more is filled.

use std::fmt;

use sim_core::{EventQueue, SimDuration, SimTime};

use super::cx::Cx;
use super::event::MachineEvent;
use super::failure::Failure;
use super::flow::Then;
use super::steps::thread_of;
use crate::base::ids::{ThreadId, VcpuId};

/// Nothing happens so late: a hundred days after power-on. An experiment of a day, after a day of
/// warm-up and whatever its prefill takes, is over long before.
pub const END_OF_TIME: SimTime =
    SimTime::from_ps(SimDuration::from_secs(END_DAYS * 24 * 60 * 60).as_ps());
const END_DAYS: u64 = 100;
/// Steps of a thread after which it is asked how much time they took.
pub const SPIN_STEPS: u32 = 1 << 20;
/// With less than this for a step it spins.
pub const SPIN_STEP: SimDuration = SimDuration::from_ns(20);
/// Steps of the prefill from one page to the next. A page may take a second, and the host's tick
/// may come every microsecond: three steps each.
pub const PREFILL_STEPS: u32 = 1 << 24;

/// How far a thread has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Progress {
    /// Steps since its task ran, or it began an item.
    steps: u32,
    since: SimTime,
    /// Interrupts of a stretch of work, and what was left of that before the first.
    interrupts: u32,
    left: SimDuration,
}

/// How far each thread has come, and the prefill.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::machine) struct Watchdog {
    threads: Vec<Progress>,
    /// Steps of threads since a page was filled.
    prefill_steps: u32,
}

impl Watchdog {
    fn of(&mut self, thread: ThreadId) -> &mut Progress {
        if self.threads.len() <= thread.index() {
            self.threads.resize(thread.index() + 1, Progress::default());
        }
        &mut self.threads[thread.index()]
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The thread gets on: a task of its vCPU has run, or it begins an item.
    pub(in crate::machine) fn gets_on(&mut self, thread: ThreadId) {
        let since = self.now();
        let progress = self.w.watchdog.of(thread);
        (progress.steps, progress.since) = (0, since);
        self.w.watchdog.prefill_steps = 0;
    }

    /// As [`Self::gets_on`], for the thread of a vCPU.
    pub(in crate::machine) fn vcpu_gets_on(&mut self, vcpu: VcpuId) {
        self.gets_on(thread_of(vcpu));
    }

    /// Counts a step of a thread. False: there have been too many.
    pub(in crate::machine) fn count_step(&mut self, thread: ThreadId, then: Then) -> bool {
        let time = self.now();
        let progress = self.w.watchdog.of(thread);
        progress.interrupts = 0;
        progress.steps += 1;
        let Progress { steps, since, .. } = *progress;
        if self.w.setup.policy.is_none() {
            self.w.watchdog.prefill_steps += 1;
            if self.w.watchdog.prefill_steps >= PREFILL_STEPS {
                return self.fail(Failure::PrefillWithoutEnd { time, thread, doing: then.doing() });
            }
        }
        if steps < SPIN_STEPS {
            return true;
        }
        if time.saturating_since(since) < SPIN_STEP.times(SPIN_STEPS.into()) {
            return self.fail(Failure::Spins { time, since, thread, doing: then.doing() });
        }
        let progress = self.w.watchdog.of(thread);
        (progress.steps, progress.since) = (0, time);
        true
    }

    /// Counts an interrupt of a stretch of work of which so much is left.
    pub(in crate::machine) fn count_interrupt(
        &mut self,
        thread: ThreadId,
        left: SimDuration,
        doing: Then,
    ) {
        let time = self.now();
        let progress = self.w.watchdog.of(thread);
        if progress.interrupts == 0 {
            progress.left = left;
        }
        progress.interrupts += 1;
        if progress.interrupts < SPIN_STEPS {
            return;
        }
        progress.interrupts = 0;
        if left >= progress.left {
            self.fail(Failure::Starved { time, thread, doing: doing.doing() });
        }
    }
}

/// The instant that nothing may lie beyond, for messages.
pub(in crate::machine) struct EndOfTime;

impl fmt::Display for EndOfTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{END_DAYS} days")
    }
}
