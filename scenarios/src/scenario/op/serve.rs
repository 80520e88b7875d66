//! Requests that arrive from outside.

use schemars::JsonSchema;
use serde::Deserialize;

use super::reader::{Checked, Inside, Operation, Reader};
use crate::scenario::resolve::at::At;

/// What it takes to serve a request that has arrived.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServeFile<O> {
    /// What is done for it. It must take time.
    body: Vec<O>,
}

impl<O: Operation> Operation for ServeFile<O> {
    fn resolve(&self, at: &At<'_>, inside: Inside, to: &mut Reader<'_>) -> Checked {
        to.may_nest(at)?;
        if inside != Inside::UserMode {
            let help = "put the `syscall` into the `body` of the `serve`";
            return Err(at.fail("a request begins and ends in user mode", help));
        }
        let timed = to.timed(|to| to.served(at, |to| to.body(at, &self.body, inside)))?;
        if !timed {
            let help = "give an access a cost, or add `compute` or `sleep`";
            return Err(at.field("body").fail("serving a request takes no time", help));
        }
        to.takes_time(true);
        Ok(())
    }
}
