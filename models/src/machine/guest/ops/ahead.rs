//! Running ahead: operations that only move on in the program and use the vCPU's own translations, one
//! after the other.

use sim_core::{Cycles, EventQueue, Frequency, SimDuration};

use super::access::{Leaf, Seen, maps_read_only};
use super::replay::time_of;
use crate::base::ids::{Gfn, Gva, TaskId, VcpuId, VmId};
use crate::config::Op;
use crate::machine::guest::choices::{Choices, Sources, page_in};
use crate::machine::guest::state::{Burst, Checkpoint, Guest, GuestCpu};
use crate::machine::guest::task::{Program, Task};
use crate::machine::host::Host;
use crate::machine::world::{Cx, MachineEvent, Setup, World};
use crate::parts::mmu::{GuestTables, Mmu, TlbLevel};

/// Walks of a burst at most: few enough that their journal stays in the first-level cache.
const WALKS: usize = 128;

/// An operation that can run ahead, as far as it is the same each time.
#[derive(Clone, Copy)]
struct Step {
    pc: usize,
    /// What it takes besides its translation.
    cost: Cycles,
    /// Of an access, whether it writes.
    write: Option<bool>,
    /// Of a replay, what an instruction takes.
    instruction: Option<SimDuration>,
}

impl Step {
    /// The operation at a position. None: it does more than move on and use translations, or changes
    /// the mode, and a burst is in one.
    fn of(ops: &[Op], pc: usize, frequency: Frequency) -> Option<Self> {
        let plain = |cost, write| {
            Some(Self { pc, cost: frequency.cycles_in(cost), write, instruction: None })
        };
        match ops[pc] {
            Op::Compute { span } => plain(span, None),
            Op::Access { write, cost, .. } | Op::AccessBy { write, cost, .. } => {
                plain(cost, Some(write))
            }
            Op::Replay { instruction, .. } => {
                let instruction = Some(instruction);
                Some(Self { pc, cost: Cycles::ZERO, write: None, instruction })
            }
            _ => None,
        }
    }
}

/// An instruction takes a cycle at least, so that no program stands still.
#[inline]
fn at_least_one(cycles: Cycles) -> Cycles {
    cycles.max(Cycles(1))
}

/// A burst that goes on, and all that its operations use.
struct Run<'a> {
    burst: &'a mut Burst,
    mmu: &'a mut Mmu,
    walked: &'a mut Vec<Gfn>,
    choices: &'a mut Choices,
    /// The program, and the position of the next operation.
    ops: &'a [Op],
    next: usize,
    host: &'a Host,
    setup: &'a Setup,
    sources: Sources<'a>,
    vm: VmId,
    /// Operations of the burst at most, and where the last one may begin.
    most: u32,
    last: Cycles,
    looked_at: LookedAt,
}

/// What was looked at of pages of coming accesses.
#[derive(Default)]
struct LookedAt {
    leaves: Vec<Option<Leaf>>,
    /// How many pages of the burst were taken before the first of them.
    first: u32,
    /// Whether they are to be written.
    write: bool,
}

impl LookedAt {
    /// What is known of the page that is next when so many are taken. None: it was not looked at.
    #[inline]
    fn at(&self, taken: u32, write: bool) -> Option<Option<Leaf>> {
        let at = taken.checked_sub(self.first)?;
        self.leaves.get(at as usize).copied().filter(|_| self.write == write)
    }

    /// Looks at pages, and reads what else walks to them will need, so that the real processor waits for all
    /// of it at once.
    fn look(&mut self, pages: &[u64], seen: &Seen<'_>, mmu: &Mmu) {
        self.write = seen.write;
        self.leaves.clear();
        let leaf = |&page: &u64| seen.look_at(GuestTables::gva_of(page_in(page)));
        self.leaves.extend(pages.iter().map(leaf));
        let needs = pages.iter().zip(&self.leaves).filter_map(|(&page, leaf)| {
            let leaf = leaf.as_ref()?;
            Some(mmu.look_at(GuestTables::gva_of(page_in(page)), leaf.gfn()))
        });
        std::hint::black_box(needs.fold(0, |sum, need| sum ^ need));
    }
}

impl Run<'_> {
    fn has_room(&self) -> bool {
        let Burst { ops, end, checkpoints, .. } = &*self.burst;
        *ops < self.most && *end <= self.last && checkpoints.len() <= WALKS
    }

    /// How many operations there is room for if none takes longer than this: one at least, and no more than
    /// begin in time for certain.
    #[inline]
    fn fit(&self, longest: Cycles) -> usize {
        let (left, longest) = (self.last.saturating_sub(self.burst.end), at_least_one(longest));
        let room = u64::from(self.most - self.burst.ops) - 1;
        // A division takes longer than all the rest, and is rarely wanted.
        let in_time = if longest.times(room) <= left { room } else { left.0 / longest.0 };
        in_time as usize + 1
    }

    /// An operation that takes so long, and the position behind it.
    fn run(&mut self, next: usize, len: Cycles) {
        self.burst.latest = self.burst.end;
        self.burst.end += at_least_one(len);
        self.burst.ops += 1;
        self.next = next;
    }

    /// The accesses of a program of nothing else, one after the other as long as they hit; whether any did.
    fn row(&mut self, step: Step) -> bool {
        let stlb = step.cost + self.setup.prices.stlb_hit.cycles;
        let fit = self.fit(stlb);
        let coming = self.choices.coming(self.ops, step.pc, self.sources);
        let row = self.mmu.row(&coming[..fit.min(coming.len())]);
        let hits = row.l1 + row.stlb;
        if hits == 0 {
            return false;
        }
        let (l1, stlb) = (at_least_one(step.cost), at_least_one(stlb));
        self.burst.end += l1.times(row.l1) + stlb.times(row.stlb);
        let last = if row.last == TlbLevel::L1 { l1 } else { stlb };
        self.burst.latest = self.burst.end.saturating_sub(last);
        self.burst.ops += hits as u32;
        self.choices.take_some(hits as usize);
        self.next = step.pc + 1;
        true
    }

    /// An access, of which it may be known that it does not hit. False: it cannot run ahead.
    fn access(&mut self, step: Step, write: bool, misses: bool) -> bool {
        let gva = self.choices.next(self.ops, step.pc, self.sources);
        self.touch(gva, step, write, misses, step.pc + 1)
    }

    /// A visit of a replay, whose instructions take so long each. False: it cannot run ahead.
    fn visit(&mut self, step: Step, instruction: SimDuration, frequency: Frequency) -> bool {
        let visit = self.choices.next_visit(self.ops, step.pc, self.sources);
        let cost = time_of(&visit, instruction, frequency);
        let next = if visit.last { step.pc + 1 } else { step.pc };
        self.touch(visit.gva, Step { cost, ..step }, visit.write, false, next)
    }

    /// Goes to the page of an access and to the position behind it. False: it cannot run ahead.
    fn touch(&mut self, gva: Gva, step: Step, write: bool, misses: bool, next: usize) -> bool {
        let seen = Seen {
            host: self.host,
            setup: self.setup,
            tables: self.sources.tables,
            vm: self.vm,
            write,
        };
        let hit = if misses || seen.is_protected(gva) { None } else { self.mmu.lookup(gva) };
        if let Some(level) = hit {
            self.choices.take();
            let stlb = self.setup.prices.stlb_hit.cycles;
            self.run(next, if level == TlbLevel::L1 { step.cost } else { step.cost + stlb });
            return true;
        }
        self.choices.note_walk();
        let mut known = self.looked_at.at(self.choices.taken(), write);
        if known.is_none() && self.choices.walking() {
            let fit = self.fit(step.cost);
            self.looked_at.first = self.choices.taken();
            let coming = self.choices.coming(self.ops, step.pc, self.sources);
            self.looked_at.look(&coming[..fit.min(coming.len())], &seen, self.mmu);
            known = self.looked_at.at(self.looked_at.first, write);
        }
        let walk = match known.flatten() {
            Some(leaf) => seen.walk_to(leaf, self.mmu, gva, self.walked),
            None => seen.walk(self.mmu, gva, self.walked),
        };
        let Ok(cycles) = walk else { return false };
        self.choices.take();
        self.run(next, step.cost + cycles);
        // Hits are run again when they are taken back; a walk is not, as it costs so much more.
        self.burst.checkpoints.push(Checkpoint {
            began: self.burst.latest,
            end: self.burst.end,
            ops: self.burst.ops,
            pc: self.next as u32,
            taken: self.choices.taken(),
            walked: self.walked.len() as u32,
            mmu: self.mmu.mark(),
        });
        true
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Goes on with the burst from its end, with operations that begin at a position at most, until it
    /// has so many.
    ///
    /// They have not begun: something may come between. So this changes nothing but what
    /// [`Self::take_back`] undoes: the positions in the program and in its list of pages, and the words
    /// of the vCPU's translations. What else an operation does when it begins is [`Self::begin_op`]'s
    /// alone, and one that needs that, or needs somebody else, ends the burst before it.
    #[inline(never)]
    pub(in crate::machine::guest) fn run_ahead(
        &mut self,
        vcpu: VcpuId,
        task: TaskId,
        most: u32,
        last: Cycles,
    ) {
        let frequency = self.frequency;
        let World { host, setup, guest, .. } = &mut *self.w;
        let Guest { cpus, tasks, tables, drawn, .. } = guest;
        let vm = setup.vm(vcpu);
        let tables = &tables[vm.index()];
        let GuestCpu { burst, mmu, walked, .. } = &mut cpus[vcpu.index()];
        let Task { program, pc, choices, .. } = &mut tasks[task.index()];
        // A program that fills memory touches a page that was never touched: its access exits.
        let Program::Loop { ops } = program else { return };
        let (ops, next, looked_at) = (&ops[..], *pc as usize, LookedAt::default());
        let mut run = Run {
            burst,
            mmu,
            walked,
            choices,
            ops,
            next,
            host,
            setup,
            sources: drawn.sources(tables, &setup.config.workload),
            vm,
            most,
            last,
            looked_at,
        };
        let mut step = Step { pc: usize::MAX, cost: Cycles::ZERO, write: None, instruction: None };
        while run.has_room() {
            let place = if run.next < ops.len() { run.next } else { 0 };
            if step.pc != place {
                let Some(decoded) = Step::of(ops, place, frequency) else { break };
                step = decoded;
            }
            let Some(write) = step.write else {
                match step.instruction {
                    None => run.run(place + 1, step.cost),
                    Some(instruction) => {
                        if !run.visit(step, instruction, frequency) {
                            break;
                        }
                    }
                }
                continue;
            };
            // A row of hits that is likely to be none costs more than to look each up by itself.
            let alone = ops.len() == 1 && !(write && maps_read_only(setup));
            let in_row = alone && !run.choices.walking();
            if in_row && run.row(step) {
                continue;
            }
            if !run.access(step, write, in_row) {
                break;
            }
        }
        *pc = run.next as u32;
    }
}
