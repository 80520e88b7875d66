//! A disk: one arm, with an elevator. Its law is in `parts/device/hdd.rs`.

use serde::Deserialize;
use sim_core::SimDuration;

use super::spans::span;

/// Mechanics of a disk. Seek time over a fraction `x` of the full stroke is
/// `seek_base + seek_sqrt * sqrt(x)`; nothing for `x = 0`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HddConfig {
    /// Constant part of a seek (settling).
    #[serde(deserialize_with = "span")]
    pub seek_base: SimDuration,
    /// Factor of the square root of the distance.
    #[serde(deserialize_with = "span")]
    pub seek_sqrt: SimDuration,
    /// One turn; the rotational wait is uniform over it.
    #[serde(deserialize_with = "span")]
    pub rotation: SimDuration,
    /// Time to pass one page under the head.
    #[serde(deserialize_with = "span")]
    pub transfer_per_page: SimDuration,
    /// Fixed cost of a command.
    #[serde(deserialize_with = "span")]
    pub controller: SimDuration,
    /// Share of the full stroke that the swap area spans, in millionths.
    pub swap_span_ppm: u32,
    /// The request scheduler.
    pub elevator: ElevatorConfig,
}

/// The deadline elevator (`block/deadline-iosched.c`).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ElevatorConfig {
    /// A read older than this is served out of order.
    #[serde(deserialize_with = "span")]
    pub read_expire: SimDuration,
    /// A write older than this is served out of order.
    #[serde(deserialize_with = "span")]
    pub write_expire: SimDuration,
    /// Requests served in one direction of travel before deadlines are looked at.
    pub fifo_batch: u32,
    /// Times that reads may pass waiting writes.
    pub writes_starved: u32,
}
