//! A block volume of a cloud. Its law is in `parts/device/volume.rs`.

use serde::Deserialize;
use sim_core::{Distribution, SimDuration};

use super::spans::span;

/// A volume on a network whose provider holds requests back: a bucket of credits, one a request, that
/// fills at a sustained rate and is emptied no faster than at a peak rate, and a rate of bytes.
/// Nothing else is shared by its requests.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeConfig {
    /// Time of a one-page read that is not held back.
    pub read: Distribution,
    /// Time of a one-page write that is not held back.
    pub write: Distribution,
    /// Requests a second that it serves for ever.
    pub iops: u32,
    /// Requests a second that it serves while there are credits; at least `iops`.
    pub burst_iops: u32,
    /// Credits that the bucket holds.
    pub credits: u64,
    /// Credits in it at power-on; at most `credits`.
    pub credits_at_start: u64,
    /// Time between two pages at the largest throughput.
    #[serde(deserialize_with = "span")]
    pub per_page: SimDuration,
}
