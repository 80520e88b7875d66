//! Parallel channels. Their law is in `parts/device/channels.rs`.

use serde::Deserialize;
use sim_core::{Distribution, SimDuration};

use super::spans::span;

/// Parallel channels whose service time follows a distribution (picoseconds).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelsConfig {
    /// Requests served at once; more wait in order of submission.
    pub channels: u32,
    /// Service time of a one-page read.
    pub read: Distribution,
    /// Service time of a one-page write.
    pub write: Distribution,
    /// Additional time for each page of a request after the first.
    #[serde(deserialize_with = "span")]
    pub per_page: SimDuration,
}
