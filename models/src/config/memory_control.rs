//! Who controls the host's memory during a run, besides the threads that need a page.

use sim_core::SimDuration;

use crate::base::ids::VmId;

/// What is done to memory containers during a run. Nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryControl {
    /// Limits that somebody writes, in the order of their times within each container.
    pub limits: Vec<LimitChange>,
}

impl MemoryControl {
    /// Whether nothing is done.
    pub fn is_empty(&self) -> bool {
        let Self { limits } = self;
        limits.is_empty()
    }
}

/// A limit that a container gets: somebody writes its `memory.max`, or `memory.limit_in_bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitChange {
    /// Time after the start barrier.
    pub at: SimDuration,
    /// The first virtual machine of the container.
    pub vm: VmId,
    /// Pages that it may hold from then on, what is never reclaimed included.
    pub limit_pages: u64,
}
