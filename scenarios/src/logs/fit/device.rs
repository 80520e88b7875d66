//! Block devices as a log shows them: which one faults read from, how long its requests take.

use super::samples::{Samples, Summary};

/// A read or write that the device has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Issued {
    pub(super) ns: u64,
    pub(super) read: bool,
    /// The fault that it is for.
    pub(super) gva: Option<u64>,
    /// The vCPU thread that waits for it.
    pub(super) waiter: Option<u32>,
}

/// A request that was completed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done {
    pub(super) ns: u64,
    /// Completions of requests and of items so far.
    pub(super) seen: (u64, u64),
}

/// What a device has done.
#[derive(Clone, Debug, Default)]
pub(super) struct Device {
    pub(super) read: Samples,
    pub(super) write: Samples,
    /// Pages of a read.
    pub(super) pages: Samples,
    pub(super) written_pages: u64,
    /// Reads for faults of a guest.
    pub(super) for_faults: u64,
    pub(super) in_flight: u64,
    pub(super) most: u64,
}

/// What a log tells of the swap device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeviceSeen {
    /// Number of the device: major and minor.
    pub number: (u32, u32),
    /// Reads.
    pub read: Summary,
    /// Writes, if there were any.
    pub write: Option<Summary>,
    /// Most reads that it had at once.
    pub most_reads: u64,
    /// Pages of most reads, and of the largest.
    pub pages: (u64, u64),
    /// Pages that were written.
    pub written_pages: u64,
}
