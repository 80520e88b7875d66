//! Memory as a block device. Its law is in `parts/device/ram.rs`.

use serde::Deserialize;
use sim_core::SimDuration;

use super::spans::span;

/// Memory behind a copy (brd, pmem).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RamConfig {
    /// Time of a request besides its copy.
    #[serde(deserialize_with = "span")]
    pub latency: SimDuration,
    /// Time to copy one page: the bandwidth, which all requests share.
    #[serde(deserialize_with = "span")]
    pub copy_per_page: SimDuration,
}
