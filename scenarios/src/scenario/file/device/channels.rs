//! Kind `channels`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::fields::fields;
use super::law::ServiceTime;
use crate::syntax::units::Span;

fields! {
    /// Parallel channels; requests beyond them wait in order of submission.
    ChannelsFile, ChannelsChanges {
        /// Requests served at once: 1 to 65536.
        channels: u64,
        /// Service time of a one-page read that is served alone.
        read: ServiceTime,
        /// Service time of a one-page write that is served alone.
        write: ServiceTime,
    }
    optional {
        /// Additional time for each page of a request after the first. Default: "0s".
        per_page: Span,
        /// Service times of one-page reads that are served beside others, by rising depth; between
        /// two depths quantiles lie on straight lines. Default: as `read` at any depth.
        read_at_depth: Vec<AtDepthFile>,
        /// The same for writes. Default: as `write` at any depth.
        write_at_depth: Vec<AtDepthFile>,
    }
}

/// Service times at a queue depth.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `depth` and `time`")]
pub struct AtDepthFile {
    /// Requests in service, the one that begins included: 2 to the number of channels.
    pub depth: u64,
    /// Service time of a one-page request that begins then.
    pub time: ServiceTime,
}
