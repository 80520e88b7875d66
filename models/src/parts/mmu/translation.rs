//! What a lookup finds.

use super::tlb::TlbLevel;
use crate::base::ids::Gfn;

/// Result of looking up a translation for one access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Translation {
    /// In the TLB.
    Hit(TlbLevel),
    /// Found by a walk; the TLB now has it.
    Walked,
    /// The guest's tables have no entry: a page fault of the guest's own.
    GuestFault,
    /// The second-stage tables have no entry for this frame: the vCPU exits.
    EptViolation(Gfn),
}
