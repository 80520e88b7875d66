//! A section of the kernel in which a task must not be scheduled away.

use models::config::{Op, Section};
use schemars::JsonSchema;
use serde::Deserialize;

use super::reader::{Checked, Inside, Operation, Reader};
use crate::scenario::resolve::at::At;

/// A section whose body is made of operations.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CriticalFile<O> {
    /// What keeps the task where it is.
    kind: Section,
    /// What happens in the section: `compute`, `access`, and other sections.
    body: Vec<O>,
}

impl<O: Operation> Operation for CriticalFile<O> {
    fn resolve(&self, at: &At<'_>, inside: Inside, to: &mut Reader<'_>) -> Checked {
        to.may_nest(at)?;
        if inside == Inside::UserMode {
            let help = "put it into the `body` of a `syscall`";
            return Err(at.fail("user mode has no critical sections", help));
        }
        if self.body.is_empty() {
            let help = "give at least one operation, such as { \"op\": \"compute\", ... }";
            return Err(at.field("body").fail("the section is empty", help));
        }
        to.push(Op::SectionEnter { kind: self.kind });
        to.body(at, &self.body, Inside::Section)?;
        to.push(Op::SectionExit { kind: self.kind });
        Ok(())
    }
}
