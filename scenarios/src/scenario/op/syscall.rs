//! A system call with its body.

use models::config::Op;
use schemars::JsonSchema;
use serde::Deserialize;

use super::reader::{Checked, Inside, Operation, Reader, any_time};
use crate::scenario::resolve::at::At;
use crate::syntax::units::Span;

/// A system call whose body is made of operations.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound(deserialize = "O: Deserialize<'de>"))]
pub struct SyscallFile<O> {
    /// Its name, for readers of the file.
    name: Option<String>,
    /// CPU time of the entry and of the call's own work before its body.
    cost: Span,
    /// CPU time after the body, the return to user mode included. Default: "0s".
    return_cost: Option<Span>,
    /// What happens in the kernel. Default: nothing.
    #[serde(default)]
    body: Vec<O>,
}

impl<O: Operation> Operation for SyscallFile<O> {
    fn resolve(&self, at: &At<'_>, inside: Inside, to: &mut Reader<'_>) -> Checked {
        to.may_nest(at)?;
        if inside != Inside::UserMode {
            let help = "put its operations into the body that is there already";
            return Err(at.fail("a system call is made in user mode only", help));
        }
        if let Some(name) = &self.name {
            at.field("name").name(name)?;
        }
        let cost = any_time(&at.field("cost"), Some(self.cost))?;
        to.push_timed(Op::SyscallEnter { cost }, cost);
        to.body(at, &self.body, Inside::Syscall)?;
        let span = any_time(&at.field("return_cost"), self.return_cost)?;
        if !span.is_zero() {
            to.push_timed(Op::Compute { span }, span);
        }
        to.push(Op::SyscallExit);
        Ok(())
    }
}
