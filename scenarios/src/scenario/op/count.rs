//! Counted work.

use models::config::Op;
use schemars::JsonSchema;
use serde::Deserialize;

use super::reader::{Checked, Inside, Operation, Reader};
use crate::scenario::resolve::at::{At, MAX_DURATION};

/// A unit of work takes at least a picosecond.
const MAX_UNITS_PER_SEC: u64 = 1_000_000_000_000;

/// Counted work without end.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CountFile {
    /// Units of work in a second of user CPU time: 1 to 10^12.
    per_second: u64,
}

impl Operation for CountFile {
    fn resolve(&self, at: &At<'_>, inside: Inside, to: &mut Reader<'_>) -> Checked {
        if inside != Inside::UserMode {
            let help = "use `compute`; the kernel's work is not counted";
            return Err(at.fail("a system call cannot count without end", help));
        }
        to.endless(at)?;
        let per_second = at.field("per_second").number(self.per_second, 1..=MAX_UNITS_PER_SEC)?;
        // It goes on until something interrupts it.
        to.push_timed(Op::Count { per_second }, MAX_DURATION);
        Ok(())
    }
}
