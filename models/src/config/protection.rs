//! Memory that a VMM write-protects while its guest runs (userfaultfd, `UFFDIO_WRITEPROTECT`): a live snapshot, or the
//! tracking of writes.

use sim_core::SimDuration;

use super::device::DeviceConfig;
use crate::base::ids::VmId;
use crate::base::named::named;

/// What a VMM protects, once, and what it does with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteProtection {
    /// Whose memory: all of it that is in memory or in the swap area.
    pub vm: VmId,
    /// Time after the start barrier at which the virtual machine is stopped for it.
    pub at: SimDuration,
    /// What every page is saved to; none: nothing is saved, and each first write is only noticed.
    pub sink: Option<DeviceConfig>,
    /// Threads that read messages, save and lift.
    pub threads: u16,
    /// Writes to the sink that are under way at one time, at most.
    pub depth: u32,
    /// Pages a second that are saved without being asked for, at most; none: as many as go.
    pub rate: Option<u64>,
    /// When the protection of a page is lifted.
    pub lift: Lift,
}

named! {
    /// When the protection of a page that is to be saved is lifted.
    #[derive(Default)]
    Lift {
        /// The sink has it.
        #[default]
        Saved => "saved",
        /// It is copied to a buffer of the VMM's, from which the sink gets it.
        Copied => "copied",
        /// A mistake: as soon as its message is read, before it is saved.
        First => "first",
    }
}
