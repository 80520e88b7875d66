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
//!   vCPU that spins there for minutes is left alone. The visits of a pass of reclaim to the lock do not
//!   count, as there are no more of them than pages.
//! - **A thread that is only interrupted**: [`SPIN_STEPS`] interrupts, and no less left to do.
//! - **A prefill without end**: [`PREFILL_STEPS`] steps, and no page more is filled.

use std::fmt;

use sim_core::{SimDuration, SimTime};

use crate::base::ids::ThreadId;

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
pub(super) struct Progress {
    /// Steps since its task ran, or it began an item.
    pub steps: u32,
    pub since: SimTime,
    /// Interrupts of a stretch of work, and what was left of that before the first.
    pub interrupts: u32,
    pub left: SimDuration,
}

/// How far each thread has come, and the prefill.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::machine) struct Watchdog {
    threads: Vec<Progress>,
    /// Steps of threads since a page was filled.
    pub(super) prefill_steps: u32,
}

impl Watchdog {
    #[inline]
    pub(super) fn of(&mut self, thread: ThreadId) -> &mut Progress {
        if self.threads.len() <= thread.index() {
            self.grow(thread);
        }
        &mut self.threads[thread.index()]
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, thread: ThreadId) {
        self.threads.resize(thread.index() + 1, Progress::default());
    }
}

/// The instant that nothing may lie beyond, for messages.
pub(in crate::machine) struct EndOfTime;

impl fmt::Display for EndOfTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{END_DAYS} days")
    }
}
