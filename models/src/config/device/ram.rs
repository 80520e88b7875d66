//! Memory as a block device. Its law is in `parts/device/ram.rs`.

use serde::Deserialize;
use sim_core::SimDuration;

use super::spans::span;

/// Memory behind a copy (brd, pmem, CXL memory as a block device).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RamConfig {
    /// Time of a request besides its copy.
    #[serde(deserialize_with = "span")]
    pub latency: SimDuration,
    /// Time to copy one page: the bandwidth, which all requests share.
    #[serde(deserialize_with = "span")]
    pub copy_per_page: SimDuration,
    /// Whether the thread that submits a request copies, and the request is over when its submission is
    /// (`SWP_SYNCHRONOUS_IO`).
    #[serde(default)]
    pub synchronous: bool,
}
