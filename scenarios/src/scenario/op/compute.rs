//! Computation that is not counted.

use models::config::Op;
use schemars::JsonSchema;
use serde::Deserialize;

use super::reader::{Checked, Inside, Operation, Reader, some_time};
use crate::scenario::resolve::at::At;
use crate::syntax::units::Span;

/// Computation that is not counted.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ComputeFile {
    /// User CPU time, not zero.
    span: Span,
}

impl Operation for ComputeFile {
    fn resolve(&self, at: &At<'_>, _: Inside, to: &mut Reader<'_>) -> Checked {
        let span = some_time(&at.field("span"), self.span)?;
        to.push_timed(Op::Compute { span }, span);
        Ok(())
    }
}
