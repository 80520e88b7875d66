//! The same latency for every request. Its law is in `parts/device/constant.rs`.

use serde::Deserialize;
use sim_core::SimDuration;

use super::spans::span;

/// The same latency for every request, without queueing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConstantConfig {
    /// Time from submission to completion of a read.
    #[serde(deserialize_with = "span")]
    pub read_latency: SimDuration,
    /// Time from submission to completion of a write.
    #[serde(deserialize_with = "span")]
    pub write_latency: SimDuration,
}
