//! Kind `channels`.

use super::fields::fields;
use super::law::ServiceTime;
use crate::syntax::units::Span;

fields! {
    /// Parallel channels; requests beyond them wait in order of submission.
    ChannelsFile, ChannelsChanges {
        /// Requests served at once: 1 to 65536.
        channels: u64,
        /// Service time of a one-page read.
        read: ServiceTime,
        /// Service time of a one-page write.
        write: ServiceTime,
    }
    optional {
        /// Additional time for each page of a request after the first. Default: "0s".
        per_page: Span,
    }
}
