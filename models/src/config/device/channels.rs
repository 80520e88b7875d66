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
    /// Service time of a one-page read that is served alone.
    pub read: Distribution,
    /// Service time of a one-page write that is served alone.
    pub write: Distribution,
    /// Additional time for each page of a request after the first.
    #[serde(deserialize_with = "span")]
    pub per_page: SimDuration,
    /// Service times of one-page reads that are served beside others, by rising depth.
    #[serde(default)]
    pub read_at_depth: Vec<AtDepth>,
    /// Service times of one-page writes that are served beside others, by rising depth.
    #[serde(default)]
    pub write_at_depth: Vec<AtDepth>,
}

/// The law of service times at a queue depth.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AtDepth {
    /// Requests in service, the one that begins included: from 2.
    pub depth: u32,
    /// Service time of a request of one page that begins then.
    pub time: Distribution,
}
