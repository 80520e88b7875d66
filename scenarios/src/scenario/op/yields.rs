//! The system call sched_yield.

use models::config::Op;
use schemars::JsonSchema;
use serde::Deserialize;

use super::reader::{Checked, Inside, Operation, Reader, any_time};
use crate::scenario::resolve::at::At;
use crate::syntax::units::Span;

/// The system call sched_yield.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct YieldFile {
    /// CPU time of the call. Default: "0s".
    cost: Option<Span>,
}

impl Operation for YieldFile {
    fn resolve(&self, at: &At<'_>, inside: Inside, to: &mut Reader<'_>) -> Checked {
        if inside != Inside::UserMode {
            let help = "put it behind the `syscall`; a kernel that waits does so with `sleep`";
            return Err(at.fail("`yield` is a system call of its own", help));
        }
        let cost = any_time(&at.field("cost"), self.cost)?;
        if !cost.is_zero() {
            to.push_timed(Op::SyscallEnter { cost }, cost);
            to.push(Op::SyscallExit);
        }
        to.push(Op::Yield);
        Ok(())
    }
}
