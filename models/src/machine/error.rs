//! Why a run has no result.

use sim_core::SimTime;

use super::world::watchdog::{EndOfTime, PREFILL_STEPS, SPIN_STEPS};
use super::world::{Failure, World};

/// Why a run has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The limit is too small for what the workload needs at one time.
    #[error(
        "at {0} the memory limit was reached and nothing could be reclaimed; \
         raise host.memory_limit or host.swap.size"
    )]
    OutOfMemory(SimTime),
    /// The regions do not fit into the guest.
    #[error("at {0} the guest had no free memory left; raise guest.memory or shrink the regions")]
    GuestOutOfMemory(SimTime),
    /// A service-time law is not a distribution.
    #[error("a service-time law of the swap device is not valid: {0}")]
    Distribution(sim_core::DistributionError),
    /// A law of the workload is not a distribution.
    #[error("a law of the workload is not valid: {0}")]
    Law(sim_core::DistributionError),
    /// Nothing in the scenario takes time.
    #[error(
        "at {time} time stands still: {what} and what it causes go on happening without taking \
         any; give the swap device a latency or the processor costs"
    )]
    TimeStandsStill {
        /// When.
        time: SimTime,
        /// One of the things that go on happening.
        what: String,
    },
    /// A thread goes round and round in next to no time.
    #[error(
        "at {time} {who} spins: {SPIN_STEPS} steps since {since}, and no operation of a task \
         among them; the last was {doing}. Give the processor costs of exits (`host.cpu`, \
         `host.costs`), or take away what makes it spin, such as a `kick`"
    )]
    Spins {
        /// When it was stopped.
        time: SimTime,
        /// When it last got on.
        since: SimTime,
        /// The vCPU with its task, or the worker.
        who: String,
        /// What it did last.
        doing: &'static str,
    },
    /// Interrupts take all the time of a thread.
    #[error(
        "at {time} {who} gets nothing done: {SPIN_STEPS} interrupts came while it was {doing}, \
         and each cost more than the time to the next; raise `host.tick`, or lower `host_tick`, \
         `timer_interrupt` and `exit_interrupt` of `host.costs`"
    )]
    Starved {
        /// When it was stopped.
        time: SimTime,
        /// The vCPU with its task, or the worker.
        who: String,
        /// What it was interrupted in.
        doing: &'static str,
    },
    /// The prefill has no end.
    #[error(
        "at {time} the prefill gets nowhere: {PREFILL_STEPS} steps since the last page was filled, \
         the last by {who} {doing}; compare `host.tick` and `guest.hz` with what a tick costs \
         (`host.costs`)"
    )]
    PrefillWithoutEnd {
        /// When it was stopped.
        time: SimTime,
        /// Who did the last step.
        who: String,
        /// And which.
        doing: &'static str,
    },
    /// A span ends after the end of simulated time.
    #[error(
        "at {time} begins what would be over only after the end of simulated time ({EndOfTime} \
         after power-on): {what}; shorten that, or bound the law that it is drawn from"
    )]
    BeyondTime {
        /// When it began.
        time: SimTime,
        /// What takes so long.
        what: String,
    },
    /// The machine stood still before its time.
    #[error("the event queue ran dry at {0}, before the end of the run")]
    StoodStill(SimTime),
    /// Who watches the records wants no more of them, or whoever asked for the run.
    #[error("stopped from outside")]
    Stopped,
    /// [`events`](super::settings::RunSettings::events) were not enough.
    #[error("at {0} the run had used up the number of events that it was given")]
    OutOfEvents(SimTime),
    /// Something that cannot happen.
    #[error("internal error: {0}")]
    Internal(&'static str),
}

impl RunError {
    /// What to tell of a failure, with the names of who was concerned.
    pub(super) fn of(failure: &Failure, world: &World) -> Self {
        match *failure {
            Failure::OutOfMemory(time) => Self::OutOfMemory(time),
            Failure::GuestOutOfMemory(time) => Self::GuestOutOfMemory(time),
            Failure::TimeStandsStill { time, event } => {
                Self::TimeStandsStill { time, what: world.event_name(event) }
            }
            Failure::Spins { time, since, thread, doing } => {
                Self::Spins { time, since, who: world.thread_name(thread), doing }
            }
            Failure::Starved { time, thread, doing } => {
                Self::Starved { time, who: world.thread_name(thread), doing }
            }
            Failure::PrefillWithoutEnd { time, thread, doing } => {
                Self::PrefillWithoutEnd { time, who: world.thread_name(thread), doing }
            }
            Failure::BeyondTime { time, event } => {
                Self::BeyondTime { time, what: world.event_name(event) }
            }
        }
    }
}
