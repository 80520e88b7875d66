//! The balloon of a guest.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::syntax::units::{Bytes, Span};

/// A memory balloon: the guest gives pages to it that it does not use, and the VMM gives them back to the host.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a balloon")]
pub struct BalloonFile {
    /// Sizes that the VMM asks for, in the order of their times. Default: none.
    #[serde(default)]
    pub targets: Vec<BalloonTargetFile>,
    /// Whether the guest reports memory that is free, which the VMM gives back as well. Default: no.
    pub free_page_reporting: Option<ReportingFile>,
}

/// A size that a balloon is to have.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a size of a balloon")]
pub struct BalloonTargetFile {
    /// Time after the start barrier.
    pub at: Span,
    /// Memory that it is to hold from then on.
    pub size: Bytes,
}

/// How a guest reports memory that is free.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes free page reporting")]
pub struct ReportingFile {
    /// Aligned blocks of two to the power of this pages are reported when all of one is free: 0 to 10. Default: 9.
    pub order: Option<u64>,
    /// Time from a block's becoming free to the report, and between two rounds of reports: "1us" to "100s". Default:
    /// "2s".
    pub delay: Option<Span>,
}
