//! Why a run cannot go on, and state invariants that did not hold.

use sim_core::SimTime;

use crate::base::ids::ThreadId;
use crate::base::invariant::InvariantId;
use crate::base::record::Record;
use crate::machine::world::event::MachineEvent;

/// Why the machine cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::machine) enum Failure {
    /// The limit is reached and nothing can be reclaimed.
    OutOfMemory(SimTime),
    /// The guest has no free frame left.
    GuestOutOfMemory(SimTime),
    /// Things go on happening at one instant for ever.
    TimeStandsStill { time: SimTime, event: MachineEvent },
    /// A thread goes round and round.
    Spins { time: SimTime, since: SimTime, thread: ThreadId, doing: &'static str },
    /// A thread is interrupted so often that it gets nothing done.
    Starved { time: SimTime, thread: ThreadId, doing: &'static str },
    /// No page is filled any more.
    PrefillWithoutEnd { time: SimTime, thread: ThreadId, doing: &'static str },
    /// Something would happen after the end of time.
    BeyondTime { time: SimTime, event: MachineEvent },
}

/// A state invariant that did not hold after a step of the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::machine) struct StateViolation {
    /// The invariant.
    pub id: InvariantId,
    /// After the first step that broke it.
    pub time: SimTime,
    /// What was wrong.
    pub message: String,
    /// Checks that it failed.
    pub count: u64,
    /// The records before.
    pub story: Vec<Record>,
}
