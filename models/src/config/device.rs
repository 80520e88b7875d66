//! Kinds of swap devices.

use sim_core::SimDuration;

/// A kind of swap device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceConfig {
    /// One arm, with an elevator.
    Hdd(HddConfig),
    /// The same latency for every request, without queueing.
    Constant {
        /// Time from submission to completion of a read.
        read_latency: SimDuration,
        /// Time from submission to completion of a write.
        write_latency: SimDuration,
    },
    /// Parallel channels whose service time follows a distribution (picoseconds).
    Channels {
        /// Requests served at once; more wait in order of submission.
        channels: u32,
        /// Service time of a one-page read.
        read: sim_core::Distribution,
        /// Service time of a one-page write.
        write: sim_core::Distribution,
        /// Additional time for each page of a request after the first.
        per_page: SimDuration,
    },
}

/// Mechanics of a disk. Seek time over a fraction `x` of the full stroke is
/// `seek_base + seek_sqrt * sqrt(x)`; nothing for `x = 0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HddConfig {
    /// Constant part of a seek (settling).
    pub seek_base: SimDuration,
    /// Factor of the square root of the distance.
    pub seek_sqrt: SimDuration,
    /// One turn; the rotational wait is uniform over it.
    pub rotation: SimDuration,
    /// Time to pass one page under the head.
    pub transfer_per_page: SimDuration,
    /// Fixed cost of a command.
    pub controller: SimDuration,
    /// Share of the full stroke that the swap area spans, in millionths.
    pub swap_span_ppm: u32,
    /// The request scheduler.
    pub elevator: ElevatorConfig,
}

/// The deadline elevator (`block/deadline-iosched.c`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElevatorConfig {
    /// A read older than this is served out of order.
    pub read_expire: SimDuration,
    /// A write older than this is served out of order.
    pub write_expire: SimDuration,
    /// Requests served in one direction of travel before deadlines are looked at.
    pub fifo_batch: u32,
    /// Times that reads may pass waiting writes.
    pub writes_starved: u32,
}
