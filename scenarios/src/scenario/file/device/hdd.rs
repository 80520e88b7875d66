//! Kind `hdd`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::fields::fields;
use crate::syntax::units::Span;

fields! {
    /// One arm with a deadline elevator. A seek over a fraction x of the full stroke takes
    /// `seek_base + seek_sqrt * sqrt(x)`.
    HddFile, HddChanges {
        /// Constant part of a seek.
        seek_base: Span,
        /// Factor of the square root of the distance.
        seek_sqrt: Span,
        /// One turn; the rotational wait is uniform over it.
        rotation: Span,
        /// Time to pass one page under the head.
        transfer_per_page: Span,
        /// Share of the full stroke that the swap area spans, in millionths.
        swap_span_ppm: u64,
    }
    optional {
        /// Fixed cost of a command. Default: "0s".
        controller: Span,
        /// Changes to the request scheduler. Default: the deadline elevator of Linux.
        elevator: ElevatorFile,
    }
}

/// Parameters of the deadline elevator.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes an elevator")]
pub struct ElevatorFile {
    /// A read older than this is served out of order. Default: "500ms".
    pub read_expire: Option<Span>,
    /// A write older than this is served out of order. Default: "5s".
    pub write_expire: Option<Span>,
    /// Requests served in one direction before deadlines are looked at. Default: 16.
    pub fifo_batch: Option<u64>,
    /// Times that reads may pass waiting writes. Default: 2.
    pub writes_starved: Option<u64>,
}
