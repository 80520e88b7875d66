//! What a lookup finds.

use sim_core::Cycles;

use super::tlb::TlbLevel;
use crate::base::ids::Gfn;

/// Result of looking up a translation for one access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Translation {
    /// In the TLB.
    Hit(TlbLevel),
    /// Found by a walk that took so long; the TLB now has it.
    Walked(Cycles),
    /// The guest's tables have no entry: a page fault of the guest's own.
    GuestFault,
    /// The second-stage tables have no entry for this frame: the vCPU exits.
    EptViolation {
        /// The frame.
        gfn: Gfn,
        /// Whether it has a table of the guest's, at which the walk stopped.
        walk: bool,
    },
}
