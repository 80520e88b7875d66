//! What monitors have to know of a run.

use serde::{Deserialize, Serialize};
use sim_core::SimDuration;

use super::catalogue::{Family, InvariantId};

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
    /// A vCPU that is to be halted for a frame is given completed items first, and not halted then.
    pub looks_before_halt: bool,
}
