//! What monitors have to know of a run.

use serde::{Deserialize, Serialize};
use sim_core::SimDuration;

use super::catalogue::{Family, InvariantId};

/// How a generation may lose a page ready on its way to the guest, so that a task sleeps for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Losses {
    /// A vCPU sleeps in HLT with the exception queued: nothing but an interrupt ends that.
    pub in_hlt: bool,
    /// A token may be zero, which is what a free slot holds: the next page ready is written over it.
    pub of_token_zero: bool,
}

/// What monitors have to know of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonitorConfig {
    /// Virtual processors; more are made room for as records name them.
    pub vcpus: u16,
    /// The family of the protocol's generation: which invariants are promised.
    pub family: Family,
    /// Outstanding items that a vCPU may have; `None` for no bound.
    pub cap: Option<u32>,
    /// Whether an item is handed to a worker before it is linked (until 5.8), so that it may be
    /// completed first.
    pub schedules_first: bool,
    /// Invariants that the generation is known to break.
    pub known: Vec<InvariantId>,
    /// How long what must happen in the end may take.
    pub liveness_bound: SimDuration,
    /// The end of a system management interrupt drops the vCPU's items (RSM writes CR0, and CR0.PG
    /// changes).
    pub rsm_drops_items: bool,
    /// How the generation is known to lose a page ready that was told.
    pub loses: Losses,
    /// A vCPU that is to be halted for a frame is given completed items first, and not halted then.
    pub looks_before_halt: bool,
}
