//! How the nested operations of a file become a flat list.

use models::base::ids::{AddressesId, LawId, RegionId, SyncId, WalkId};
use models::config::{
    AddressTrace, Law, Op, PageLaw, PageWalk, Region, RegionBacking, SyncKind, SyncObject,
};
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

/// What the programs of a workload name by number.
#[derive(Default)]
pub(crate) struct Tables {
    pub(crate) laws: Vec<Law>,
    pub(crate) walks: Vec<PageWalk>,
    pub(crate) addresses: Vec<AddressTrace>,
    pub(crate) syncs: Vec<SyncObject>,
}

/// Laws, walks and the like of a workload.
const MAX_TABLE: usize = 4096;

impl Tables {
    /// The number of a law.
    pub(crate) fn law(&mut self, at: &At<'_>, law: Law) -> Result<LawId, ScenarioError> {
        number_of(at, &mut self.laws, law).map(LawId)
    }
}

/// The place of a value in a table, to which it is added if it is new.
fn number_of<T: PartialEq>(
    at: &At<'_>,
    table: &mut Vec<T>,
    value: T,
) -> Result<u16, ScenarioError> {
    let known = table.iter().position(|known| *known == value);
    let place = known.unwrap_or_else(|| {
        table.push(value);
        table.len() - 1
    });
    if place >= MAX_TABLE {
        let help = format!("at most {MAX_TABLE} different ones in a workload");
        return Err(at.fail("there are too many laws, walks or locks", help));
    }
    Ok(u16::try_from(place).unwrap_or(u16::MAX))
}

/// The flat list as far as it is read.
pub(crate) struct Reader<'a> {
    place: &'a Place,
    /// Those of the virtual machine.
    regions: &'a [Region],
    tables: &'a mut Tables,
    ops: Vec<Op>,
    depth: usize,
    takes_time: bool,
    in_request: bool,
    /// Parts that happen once, so far.
    flags: u8,
    /// Locks that are held here.
    held: Vec<SyncId>,
    /// Whether it serves requests from outside.
    serves: bool,
}

/// Where the parts of a workload are among those of several virtual machines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    /// What names of its regions, groups, locks and so on begin with in results.
    pub(crate) prefix: String,
    /// The number of its first region, and of its first vCPU.
    pub(crate) first_region: u16,
    pub(crate) first_vcpu: u16,
    /// How much later than they say its groups start.
    pub(crate) start: SimDuration,
}

/// What a group says of the passes of its program.
#[derive(Clone, Copy)]
pub(crate) struct Passes {
    /// Each pass is a request.
    pub(crate) are_requests: bool,
    /// How many there are; none: without end.
    pub(crate) number: Option<u64>,
    /// How long after the start barrier the first one begins.
    pub(crate) start: SimDuration,
    /// Whether requests arrive for the group from outside.
    pub(crate) arrivals: bool,
}

/// The operations of a task.
///
/// # Errors
/// When an operation is wrong, when there are too many, or when they take no time: such a program
/// would go round for ever.
pub(crate) fn program<T: Operation>(
    at: &At<'_>,
    files: &[T],
    (regions, place): (&[Region], &Place),
    passes: Passes,
    tables: &mut Tables,
) -> Result<Vec<Op>, ScenarioError> {
    let mut reader = Reader {
        place,
        regions,
        tables,
        ops: Vec::new(),
        depth: 0,
        takes_time: false,
        in_request: false,
        flags: 0,
        held: Vec::new(),
        serves: false,
    };
    if !passes.start.is_zero() {
        let flag = reader.flag(at)?;
        reader.ops.push(Op::Once { flag, skip: 2 });
        reader.ops.push(Op::Sleep { span: passes.start });
    }
    match passes.are_requests {
        true => reader.request(at, |reader| reader.list(at, files, Inside::UserMode))?,
        false => reader.list(at, files, Inside::UserMode)?,
    }
    if reader.serves != passes.arrivals {
        let (message, help) = match passes.arrivals {
            true => ("requests arrive, and the program has no `serve`", "add `serve`"),
            false => ("there are no requests to `serve`", "give the group `arrivals`"),
        };
        return Err(at.fail(message, help));
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

    /// A request from outside with this inside.
    pub(super) fn served(
        &mut self,
        at: &At<'_>,
        body: impl FnOnce(&mut Self) -> Checked,
    ) -> Checked {
        let begin = self.place();
        self.request(at, body)?;
        self.set(begin, Op::ServeEnter);
        self.serves = true;
        Ok(())
    }

    /// What has no end must not be inside something that has one.
    pub(super) fn endless(&self, at: &At<'_>) -> Checked {
        if self.in_request {
            let help = "use `compute`, or put `count` behind the request";
            return Err(at.fail("a request with `count` in it never ends", help));
        }
        if self.depth > 0 {
            let help = "use `compute`, or put `count` at the end of the program";
            return Err(at.fail("`count` has no end, and so must not be in a body", help));
        }
        Ok(())
    }

    /// How many operations there are so far.
    pub(super) fn place(&self) -> u32 {
        // More than `MAX_OPS` are refused in the end.
        u32::try_from(self.ops.len()).unwrap_or(u32::MAX)
    }

    /// Appends an operation that is not complete yet; its place.
    pub(super) fn push_place(&mut self, op: Op) -> u32 {
        let place = self.place();
        self.push(op);
        place
    }

    /// Completes an operation.
    pub(super) fn set(&mut self, place: u32, op: Op) {
        self.ops[place as usize] = op;
    }

    /// Reads a part; whether it takes time for certain. It does not count as part of the whole yet.
    pub(super) fn timed(
        &mut self,
        part: impl FnOnce(&mut Self) -> Checked,
    ) -> Result<bool, ScenarioError> {
        let before = std::mem::take(&mut self.takes_time);
        part(self)?;
        Ok(std::mem::replace(&mut self.takes_time, before))
    }

    /// What has been read takes time, or may not.
    pub(super) fn takes_time(&mut self, certain: bool) {
        self.takes_time |= certain;
    }

    /// A counter for a repetition with a body that is read next.
    pub(super) fn repetition(&mut self, at: &At<'_>) -> Result<u8, ScenarioError> {
        self.may_nest(at)?;
        // Its depth: bodies inside each other have different counters.
        u8::try_from(self.depth).map_err(|_| at.fail("too deep", "nest less"))
    }

    /// A flag for what happens once.
    pub(super) fn flag(&mut self, at: &At<'_>) -> Result<u8, ScenarioError> {
        self.may_nest(at)?;
        if self.flags == 64 {
            return Err(at.fail("too many parts of the program happen once", "at most 64"));
        }
        self.flags += 1;
        Ok(self.flags - 1)
    }

    /// The number of a law.
    pub(super) fn law(&mut self, at: &At<'_>, law: Law) -> Result<LawId, ScenarioError> {
        self.tables.law(at, law)
    }

    /// The number of a walk over a region.
    pub(super) fn walk(
        &mut self,
        at: &At<'_>,
        region: RegionId,
        law: PageLaw,
    ) -> Result<WalkId, ScenarioError> {
        number_of(at, &mut self.tables.walks, PageWalk { region, law }).map(WalkId)
    }

    /// The number of a recorded trace of addresses.
    pub(super) fn addresses(
        &mut self,
        at: &At<'_>,
        trace: AddressTrace,
    ) -> Result<AddressesId, ScenarioError> {
        number_of(at, &mut self.tables.addresses, trace).map(AddressesId)
    }

    fn described(&self, region: RegionId) -> &Region {
        &self.regions[region.index() - usize::from(self.place.first_region)]
    }

    /// Pages of a region.
    pub(super) fn pages(&self, region: RegionId) -> u64 {
        self.described(region).pages
    }

    /// Whether a region is in guest_memfd.
    pub(super) fn is_private(&self, region: RegionId) -> bool {
        self.described(region).backing == RegionBacking::GuestMemfd
    }

    /// The number of a lock, barrier or semaphore of that name.
    pub(super) fn sync(
        &mut self,
        at: &At<'_>,
        name: &str,
        kind: SyncKind,
    ) -> Result<SyncId, ScenarioError> {
        let plain = at.name(name)?;
        let name = format!("{}{plain}", self.place.prefix);
        if let Some(known) = self.tables.syncs.iter().find(|known| known.name == name)
            && known.kind != kind
        {
            let message = format!("`{plain}` is something else elsewhere");
            let help =
                "give each lock, barrier (with one number of parties) and signal its own name";
            return Err(at.fail(message, help));
        }
        number_of(at, &mut self.tables.syncs, SyncObject { name, kind }).map(SyncId)
    }

    /// Whether a lock is held here.
    pub(super) fn holds(&self, lock: SyncId) -> bool {
        self.held.contains(&lock)
    }

    /// Reads what is done under a lock.
    pub(super) fn locked(
        &mut self,
        lock: SyncId,
        body: impl FnOnce(&mut Self) -> Checked,
    ) -> Checked {
        self.held.push(lock);
        body(self)?;
        self.held.pop();
        Ok(())
    }

    /// The body of an operation, one level deeper.
    pub(super) fn body<T: Operation>(
        &mut self,
        at: &At<'_>,
        files: &[T],
        inside: Inside,
    ) -> Checked {
        self.may_nest(at)?;
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
        let mapped = |region: &Region| region.prefill || region.store.is_some();
        if inside == Inside::Section && !mapped(&regions[usize::from(region)]) {
            let message = format!("a section touches `{name}`, which may not be mapped yet");
            let help = "set `prefill` of the region: a kernel that must not sleep cannot map pages";
            return Err(at.fail(message, help));
        }
        Ok(RegionId(self.place.first_region + region))
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
