//! Programs of tasks: nested operations of the file become a flat list.

use models::base::ids::RegionId;
use models::config::{Op, Region};
use sim_core::SimDuration;

use super::at::{At, MAX_DURATION};
use crate::scenario::file::OpFile;
use crate::syntax::error::ScenarioError;

/// Operations of a program, those that begin and end system calls and sections among them.
const MAX_OPS: usize = 1024;
/// System calls and sections inside each other.
const MAX_DEPTH: usize = 8;
/// A unit of work takes at least a picosecond.
const MAX_UNITS_PER_SEC: u64 = 1_000_000_000_000;

/// Where in a program an operation stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    UserMode,
    Syscall,
    Section,
}

/// The operations of a task.
pub(super) fn program(
    at: &At<'_>,
    files: &[OpFile],
    regions: &[Region],
) -> Result<Vec<Op>, ScenarioError> {
    let mut reader = Reader { regions, ops: Vec::new(), depth: 0 };
    reader.list(at, files, Inside::UserMode)?;
    let all = reader.ops.len();
    if all > MAX_OPS {
        let message = format!("the program has {all} operations");
        return Err(at.fail(message, format!("at most {MAX_OPS}")));
    }
    Ok(reader.ops)
}

/// Whether an operation takes time for certain.
pub(super) fn takes_time(op: &Op) -> bool {
    match op {
        Op::Access { cost, .. } | Op::SyscallEnter { cost } => !cost.is_zero(),
        // Their spans are never zero.
        Op::Count { .. } | Op::Compute { .. } | Op::Sleep { .. } => true,
        // Free of charge, the first under some processors.
        Op::CallAll
        | Op::Yield
        | Op::SyscallExit
        | Op::SectionEnter { .. }
        | Op::SectionExit { .. } => false,
    }
}

struct Reader<'a> {
    regions: &'a [Region],
    ops: Vec<Op>,
    depth: usize,
}

impl Reader<'_> {
    fn list(&mut self, at: &At<'_>, files: &[OpFile], inside: Inside) -> Result<(), ScenarioError> {
        let mut files = files.iter().enumerate();
        files.try_for_each(|(index, file)| self.op(&at.index(index), file, inside))
    }

    fn op(&mut self, at: &At<'_>, file: &OpFile, inside: Inside) -> Result<(), ScenarioError> {
        let shortest = SimDuration::from_ps(1);
        let op = match file {
            OpFile::Count { .. } if inside != Inside::UserMode => {
                let help = "use `compute`; the kernel's work is not counted";
                return Err(at.fail("a system call cannot count without end", help));
            }
            OpFile::Count { per_second } => {
                let at = at.field("per_second");
                Op::Count { units_per_sec: at.number(*per_second, 1..=MAX_UNITS_PER_SEC)? }
            }
            OpFile::Compute { span } => {
                Op::Compute { span: at.field("span").span(span.0, shortest..=MAX_DURATION)? }
            }
            OpFile::Sleep { .. } | OpFile::CallAll {} if inside == Inside::Section => {
                let help = "a section may `compute`, `access`, and have sections in it";
                return Err(at.fail("a section must neither sleep nor wait", help));
            }
            OpFile::Sleep { span } => {
                Op::Sleep { span: at.field("span").span(span.0, shortest..=MAX_DURATION)? }
            }
            OpFile::CallAll {} => Op::CallAll,
            OpFile::Yield { .. } if inside != Inside::UserMode => {
                let help = "put it behind the `syscall`; a kernel that waits does so with `sleep`";
                return Err(at.fail("`yield` is a system call of its own", help));
            }
            OpFile::Yield { cost } => {
                let cost = cost.map_or(SimDuration::ZERO, |cost| cost.0);
                let cost = at.field("cost").span(cost, SimDuration::ZERO..=MAX_DURATION)?;
                if !cost.is_zero() {
                    self.ops.extend([Op::SyscallEnter { cost }, Op::SyscallExit]);
                }
                Op::Yield
            }
            OpFile::Access { region, pattern, write, cost } => {
                let region = self.region(&at.field("region"), region, inside)?;
                let cost = at.field("cost").span(cost.0, SimDuration::ZERO..=MAX_DURATION)?;
                Op::Access { region, pattern: *pattern, write: *write, cost }
            }
            OpFile::Syscall { .. } | OpFile::Critical { .. } => {
                return self.nested(at, file, inside);
            }
        };
        self.ops.push(op);
        Ok(())
    }

    fn region(&self, at: &At<'_>, name: &str, inside: Inside) -> Result<RegionId, ScenarioError> {
        let regions = self.regions;
        let found = regions.iter().position(|region| region.name == name);
        let Some(region) = found.and_then(|index| u16::try_from(index).ok()) else {
            let names: Vec<&str> = regions.iter().map(|region| region.name.as_str()).collect();
            return Err(at.unknown("region", name, &names));
        };
        if inside == Inside::Section && !regions[usize::from(region)].prefill {
            let message = format!("a section touches `{name}`, which may not be mapped yet");
            let help = "set `prefill` of the region: a kernel that must not sleep cannot map pages";
            return Err(at.fail(message, help));
        }
        Ok(RegionId(region))
    }

    /// An operation with a body.
    fn nested(&mut self, at: &At<'_>, file: &OpFile, inside: Inside) -> Result<(), ScenarioError> {
        if self.depth == MAX_DEPTH {
            let message = format!("more than {MAX_DEPTH} bodies are inside each other");
            return Err(at.fail(message, "write it flatter"));
        }
        self.depth += 1;
        let zero = SimDuration::ZERO;
        match file {
            OpFile::Syscall { .. } if inside != Inside::UserMode => {
                let help = "put its operations into the body that is there already";
                return Err(at.fail("a system call is made in user mode only", help));
            }
            OpFile::Syscall { name, cost, return_cost, body } => {
                if let Some(name) = name {
                    at.field("name").name(name)?;
                }
                let cost = at.field("cost").span(cost.0, zero..=MAX_DURATION)?;
                self.ops.push(Op::SyscallEnter { cost });
                self.list(&at.field("body"), body, Inside::Syscall)?;
                let span = return_cost.map_or(zero, |cost| cost.0);
                let span = at.field("return_cost").span(span, zero..=MAX_DURATION)?;
                if !span.is_zero() {
                    self.ops.push(Op::Compute { span });
                }
                self.ops.push(Op::SyscallExit);
            }
            OpFile::Critical { .. } if inside == Inside::UserMode => {
                let help = "put it into the `body` of a `syscall`";
                return Err(at.fail("user mode has no critical sections", help));
            }
            OpFile::Critical { kind, body } => {
                if body.is_empty() {
                    let help = "give at least one operation, such as { \"op\": \"compute\", ... }";
                    return Err(at.field("body").fail("the section is empty", help));
                }
                self.ops.push(Op::SectionEnter { kind: *kind });
                self.list(&at.field("body"), body, Inside::Section)?;
                self.ops.push(Op::SectionExit { kind: *kind });
            }
            _ => unreachable!("{file:?} has no body"),
        }
        self.depth -= 1;
        Ok(())
    }
}
