//! What happens to vCPUs meanwhile.

use sim_core::SimDuration;

use crate::base::ids::VcpuId;
use crate::base::record::DisturbanceName;

/// Something that happens to a vCPU at a given time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disturbance {
    /// Time after the start barrier.
    pub at: SimDuration,
    /// Time from one occurrence to the next; none: it happens once.
    pub every: Option<SimDuration>,
    /// To which vCPU.
    pub vcpu: VcpuId,
    /// What.
    pub kind: DisturbanceKind,
}

/// What can happen to a vCPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisturbanceKind {
    /// The guest takes it offline: notices off, sleepers woken, tasks elsewhere.
    Offline,
    /// The guest starts it again.
    Online,
    /// A system management interrupt.
    Smi {
        /// Time that its handler takes, of the vCPU's own.
        span: SimDuration,
    },
    /// Another vCPU kicks it (the paravirtual KICK_CPU call), whether or not it is in HLT.
    Kick,
    /// The VMM deletes or moves a memory slot; the vCPU's shared area lies elsewhere from then on, and
    /// the VM's second-stage entries are gone.
    MemslotChange,
    /// The guest switches its local APIC off, or has not switched it on yet.
    LapicOff,
    /// The guest switches its local APIC on.
    LapicOn,
    /// Another thread of the VMM changes its memory map (`madvise`, `munmap`), not that of the guest's
    /// memory: it holds the map's lock for writing. No vCPU has a part in it.
    MapWrite {
        /// How long.
        span: SimDuration,
    },
    /// The guest writes EN with an address at which it has no memory, while notices are on: the
    /// write is refused.
    RefusedEn,
    /// There is no memory for the wake-all of the vCPU's next write of EN that switches notices on.
    WakeAllFails,
    /// The process ends whose threads bring the pages of the vCPU's virtual machine. The VMM keeps the descriptors
    /// of userfaultfd open, so that who misses a page sleeps. No vCPU has a part in it, nor in the next two.
    HandlerDies,
    /// A new process takes these descriptors over, wakes all who sleep, and serves what is missed from then on.
    HandlerRestarts,
    /// The last reference to the descriptors is closed (`userfaultfd_release`), with the process that had it: pages
    /// that are missing are the kernel's from then on.
    DescriptorCloses,
}

impl DisturbanceKind {
    /// Whether it happens to the handlers of a virtual machine's memory, and to no vCPU.
    pub const fn is_of_handler(self) -> bool {
        matches!(self, Self::HandlerDies | Self::HandlerRestarts | Self::DescriptorCloses)
    }

    /// Which kind it is, without what belongs to it.
    pub const fn name_of(self) -> DisturbanceName {
        match self {
            Self::Offline => DisturbanceName::Offline,
            Self::Online => DisturbanceName::Online,
            Self::Smi { .. } => DisturbanceName::Smi,
            Self::Kick => DisturbanceName::Kick,
            Self::MemslotChange => DisturbanceName::MemslotChange,
            Self::LapicOff => DisturbanceName::LapicOff,
            Self::LapicOn => DisturbanceName::LapicOn,
            Self::MapWrite { .. } => DisturbanceName::MapWrite,
            Self::RefusedEn => DisturbanceName::RefusedEn,
            Self::WakeAllFails => DisturbanceName::WakeAllFails,
            Self::HandlerDies => DisturbanceName::HandlerDies,
            Self::HandlerRestarts => DisturbanceName::HandlerRestarts,
            Self::DescriptorCloses => DisturbanceName::DescriptorCloses,
        }
    }
}
