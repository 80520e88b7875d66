//! Sleep.

use models::config::Op;
use schemars::JsonSchema;
use serde::Deserialize;

use super::reader::{Checked, Inside, Operation, Reader, not_in_section, some_time};
use crate::scenario::resolve::at::At;
use crate::syntax::units::Span;

/// Sleep.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SleepFile {
    /// Wall time, not zero.
    span: Span,
}

impl Operation for SleepFile {
    fn resolve(&self, at: &At<'_>, inside: Inside, to: &mut Reader<'_>) -> Checked {
        not_in_section(at, inside)?;
        let span = some_time(&at.field("span"), self.span)?;
        to.push_timed(Op::Sleep { span }, span);
        Ok(())
    }
}
