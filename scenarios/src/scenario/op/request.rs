//! A part of a program whose latency is measured.

use schemars::JsonSchema;
use serde::Deserialize;

use super::reader::{Checked, Inside, Operation, Reader};
use crate::scenario::resolve::at::At;

/// A request whose body is made of operations.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestFile<O> {
    /// What it takes to serve it: the latency runs from the begin of the first operation to the end of the
    /// last one.
    body: Vec<O>,
}

impl<O: Operation> Operation for RequestFile<O> {
    fn resolve(&self, at: &At<'_>, inside: Inside, to: &mut Reader<'_>) -> Checked {
        to.may_nest(at)?;
        if inside != Inside::UserMode {
            let help = "put the `syscall` into the `body` of the `request`";
            return Err(at.fail("a request begins and ends in user mode", help));
        }
        if self.body.is_empty() {
            let help = "give at least one operation, such as { \"op\": \"access\", ... }";
            return Err(at.field("body").fail("the request is empty", help));
        }
        to.request(at, |to| to.body(at, &self.body, inside))
    }
}
