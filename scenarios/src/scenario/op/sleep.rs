//! Sleep.

use models::config::Op;
use schemars::JsonSchema;
use serde::Deserialize;
use sim_core::SimDuration;

use super::reader::{Checked, Inside, Operation, Reader, not_in_section, some_time};
use crate::scenario::file::ServiceTime;
use crate::scenario::resolve::at::At;
use crate::scenario::resolve::time_law;

/// Sleep.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SleepFile {
    /// Wall time, not zero; or a law of it.
    span: ServiceTime,
}

impl Operation for SleepFile {
    fn resolve(&self, at: &At<'_>, inside: Inside, to: &mut Reader<'_>) -> Checked {
        not_in_section(at, inside)?;
        let at = at.field("span");
        if let ServiceTime::Name(span) = self.span {
            let span = some_time(&at, span)?;
            to.push_timed(Op::Sleep { span }, span);
            return Ok(());
        }
        let law = to.law(&at, time_law(&at, &self.span)?)?;
        // A drawn one is a picosecond at least.
        to.push_timed(Op::SleepDrawn { law }, SimDuration::from_ps(1));
        Ok(())
    }
}
