//! What becomes of an operation that is to begin.

use sim_core::{Cycles, SimDuration};

use crate::machine::world::Flow;

/// The longest time that a law gives: longer ones of a heavy tail would lie behind the end of any run.
pub(super) const LONGEST: SimDuration = SimDuration::from_secs(24 * 60 * 60);

/// What became of an operation that was to begin now.
///
/// A function `begin_<name>` moves the position in the program past the operation, unless the
/// operation begins again later, and says which of these it is. [`Self::Reschedule`] lets no time
/// pass: a program of such operations alone would never end, and a scenario file refuses it.
pub(in crate::machine::guest) enum Begin {
    /// It takes so long, a cycle at least, in the mode that the task is in.
    Takes(Cycles),
    /// It counts until something interrupts it.
    Counts,
    /// It has left guest mode; the thread of the vCPU goes on so.
    Left(Flow),
    /// It is over, or cannot begin yet: the guest's kernel looks again at what the vCPU is to do.
    Reschedule,
}
