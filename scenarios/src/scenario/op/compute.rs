//! Computation that is not counted.

use models::config::Op;
use schemars::JsonSchema;
use serde::Deserialize;
use sim_core::SimDuration;

use super::reader::{Checked, Inside, Operation, Reader, some_time};
use crate::scenario::file::ServiceTime;
use crate::scenario::resolve::at::At;
use crate::scenario::resolve::time_law;

/// Computation that is not counted.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ComputeFile {
    /// User CPU time, not zero; or a law of it.
    span: ServiceTime,
}

impl Operation for ComputeFile {
    fn resolve(&self, at: &At<'_>, _: Inside, to: &mut Reader<'_>) -> Checked {
        let at = at.field("span");
        if let ServiceTime::Name(span) = self.span {
            let span = some_time(&at, span)?;
            to.push_timed(Op::Compute { span }, span);
            return Ok(());
        }
        let law = to.law(&at, time_law(&at, &self.span)?)?;
        // A drawn one is a picosecond at least.
        to.push_timed(Op::ComputeDrawn { law }, SimDuration::from_ps(1));
        Ok(())
    }
}
