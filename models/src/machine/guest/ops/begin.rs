//! What becomes of an operation that is to begin.

use crate::machine::guest::state::BurstOp;
use crate::machine::world::Flow;

/// What became of an operation that was to begin now.
pub(in crate::machine::guest) enum Begin {
    /// It takes so long.
    Takes(BurstOp),
    /// It counts until something interrupts it.
    Counts,
    /// It has left guest mode.
    Left(Flow),
    /// It has changed what the vCPU is to do next.
    Changed,
}
