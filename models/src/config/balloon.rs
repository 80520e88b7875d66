//! The memory balloon of a virtual machine (virtio-balloon), and its free page reporting.

use sim_core::SimDuration;

use crate::base::ids::VmId;

/// Pages that the guest's driver tells the VMM of at once (`VIRTIO_BALLOON_ARRAY_PFNS_MAX`,
/// drivers/virtio/virtio_balloon.c of 6.12).
pub const BALLOON_BATCH: u64 = 256;

/// A balloon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balloon {
    /// Whose.
    pub vm: VmId,
    /// The sizes that the VMM asks for, in the order of their times.
    pub targets: Vec<BalloonTarget>,
    /// The guest reports frames that are free.
    pub reporting: Option<Reporting>,
}

/// A size that a balloon is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalloonTarget {
    /// Time after the start barrier.
    pub at: SimDuration,
    /// How many pages it is to hold.
    pub pages: u64,
}

/// How a guest reports what is free (mm/page_reporting.c of 6.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reporting {
    /// What is reported: aligned blocks of two to the power of this, of which all is free (`page_reporting_order`).
    pub order: u8,
    /// From a block's becoming free to the report (`PAGE_REPORTING_DELAY`).
    pub delay: SimDuration,
}
