//! How the nested operations of a file become a flat list.

use models::base::ids::RegionId;
use models::config::{Op, Region};
use sim_core::SimDuration;

use crate::scenario::resolve::at::{At, MAX_DURATION};
use crate::syntax::error::ScenarioError;
use crate::syntax::units::Span;

/// Operations of a program, those that begin and end system calls and sections among them.
const MAX_OPS: usize = 1024;
/// System calls and sections inside each other.
const MAX_DEPTH: usize = 8;

/// Nothing but whether it was right.
pub(crate) type Checked = Result<(), ScenarioError>;

/// An operation as a file has it.
pub(crate) trait Operation {
    /// Checks it and appends what it stands for to the program.
    ///
    /// # Errors
    /// When a value is out of range, or the operation may not stand where it does.
    fn resolve(&self, at: &At<'_>, inside: Inside, to: &mut Reader<'_>) -> Checked;
}

/// Where in a program an operation stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inside {
    UserMode,
    Syscall,
    Section,
}

/// The flat list as far as it is read.
pub(crate) struct Reader<'a> {
    regions: &'a [Region],
    ops: Vec<Op>,
    depth: usize,
    takes_time: bool,
    in_request: bool,
}

/// What a group says of the passes of its program.
#[derive(Clone, Copy)]
pub(crate) struct Passes {
    /// Each pass is a request.
    pub(crate) are_requests: bool,
    /// How many there are; none: without end.
    pub(crate) number: Option<u64>,
}

/// The operations of a task.
///
/// # Errors
/// When an operation is wrong, when there are too many, or when they take no time: such a program
/// would go round for ever.
pub(crate) fn program<T: Operation>(
    at: &At<'_>,
    files: &[T],
    regions: &[Region],
    passes: Passes,
) -> Result<Vec<Op>, ScenarioError> {
    let (ops, depth, takes_time) = (Vec::new(), 0, false);
    let mut reader = Reader { regions, ops, depth, takes_time, in_request: false };
    match passes.are_requests {
        true => reader.request(at, |reader| reader.list(at, files, Inside::UserMode))?,
        false => reader.list(at, files, Inside::UserMode)?,
    }
    if let Some(passes) = passes.number {
        reader.ops.push(Op::EndPass { passes });
    }
    let all = reader.ops.len();
    if all > MAX_OPS {
        let message = format!("the program has {all} operations");
        return Err(at.fail(message, format!("at most {MAX_OPS}")));
    }
    if !reader.takes_time {
        let help = "give an access a cost, or add `compute` or `sleep`";
        return Err(at.fail("one iteration of the program takes no time", help));
    }
    Ok(reader.ops)
}

impl Reader<'_> {
    fn list<T: Operation>(&mut self, at: &At<'_>, files: &[T], inside: Inside) -> Checked {
        let mut files = files.iter().enumerate();
        files.try_for_each(|(index, file)| file.resolve(&at.index(index), inside, self))
    }

    /// Appends an operation that may be free of charge.
    pub(super) fn push(&mut self, op: Op) {
        self.ops.push(op);
    }

    /// Appends an operation that takes so much time, or more.
    pub(super) fn push_timed(&mut self, op: Op, least: SimDuration) {
        self.takes_time |= !least.is_zero();
        self.ops.push(op);
    }

    /// A request with this inside.
    pub(super) fn request(
        &mut self,
        at: &At<'_>,
        body: impl FnOnce(&mut Self) -> Checked,
    ) -> Checked {
        if std::mem::replace(&mut self.in_request, true) {
            let help =
                "take the inner `request` away; where `requests` is \"passes\", each pass is one";
            return Err(at.fail("a request is inside another one", help));
        }
        self.push(Op::RequestEnter);
        body(self)?;
        self.push(Op::RequestExit);
        self.in_request = false;
        Ok(())
    }

    /// What has no end must not be inside something that has one.
    pub(super) fn endless(&self, at: &At<'_>) -> Checked {
        if self.in_request {
            let help = "use `compute`, or put `count` behind the request";
            return Err(at.fail("a request with `count` in it never ends", help));
        }
        Ok(())
    }

    /// The body of an operation, one level deeper.
    pub(super) fn body<T: Operation>(
        &mut self,
        at: &At<'_>,
        files: &[T],
        inside: Inside,
    ) -> Checked {
        self.depth += 1;
        self.list(&at.field("body"), files, inside)?;
        self.depth -= 1;
        Ok(())
    }

    /// Whether one more body fits.
    pub(super) fn may_nest(&self, at: &At<'_>) -> Checked {
        if self.depth == MAX_DEPTH {
            let message = format!("more than {MAX_DEPTH} bodies are inside each other");
            let help = format!("nest at most {MAX_DEPTH} bodies");
            return Err(at.fail(message, help));
        }
        Ok(())
    }

    /// The region of that name.
    pub(super) fn region(
        &self,
        at: &At<'_>,
        name: &str,
        inside: Inside,
    ) -> Result<RegionId, ScenarioError> {
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
}

/// A span that must not be zero.
pub(super) fn some_time(at: &At<'_>, span: Span) -> Result<SimDuration, ScenarioError> {
    at.span(span.0, SimDuration::from_ps(1)..=MAX_DURATION)
}

/// A span that may be zero, and is where it is left out.
pub(super) fn any_time(at: &At<'_>, span: Option<Span>) -> Result<SimDuration, ScenarioError> {
    at.span(span.map_or(SimDuration::ZERO, |span| span.0), SimDuration::ZERO..=MAX_DURATION)
}

/// What must not be in a section of the kernel.
pub(super) fn not_in_section(at: &At<'_>, inside: Inside) -> Checked {
    if inside == Inside::Section {
        let help = "a section may `compute`, `access`, and have sections in it";
        return Err(at.fail("a section must neither sleep nor wait", help));
    }
    Ok(())
}
