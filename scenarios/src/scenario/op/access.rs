//! An access to a page.

use models::config::{Op, Pattern};
use schemars::JsonSchema;
use serde::Deserialize;

use super::reader::{Checked, Inside, Operation, Reader, any_time};
use crate::scenario::resolve::at::At;
use crate::syntax::units::Span;

/// One access to a page.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessFile {
    /// Name of the region.
    region: String,
    /// Which page.
    pattern: Pattern,
    /// Store (true) or load (false). Default: false.
    #[serde(default)]
    write: bool,
    /// CPU time of the instruction and of choosing the page.
    cost: Span,
}

impl Operation for AccessFile {
    fn resolve(&self, at: &At<'_>, inside: Inside, to: &mut Reader<'_>) -> Checked {
        let Self { region, pattern, write, cost } = self;
        let region = to.region(&at.field("region"), region, inside)?;
        let cost = any_time(&at.field("cost"), Some(*cost))?;
        to.push_timed(Op::Access { region, pattern: *pattern, write: *write, cost }, cost);
        Ok(())
    }
}
