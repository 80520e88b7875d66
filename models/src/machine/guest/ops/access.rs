//! One access to a page: how it chooses its page and finds its frame, and what it costs.

use sim_core::{Cycles, EventQueue, SimDuration, Stream};

use super::begin::Begin;
use crate::base::ids::{Gfn, Gva, RegionId, TaskId, VcpuId};
use crate::base::page_size::PageSize;
use crate::config::{Op, Pattern};
use crate::machine::guest::state::{BurstOp, Guest, GuestThen, Program, Task};
use crate::machine::host::Host;
use crate::machine::world::{Cx, GuestExit, Hypervisor, MachineEvent, Setup, World};
use crate::parts::mmu::walk::{Stages, Stopped};
use crate::parts::mmu::{GuestTables, TlbLevel, Translation};

/// The page of an access, and whether the task's list of chosen pages has it.
#[derive(Clone, Copy)]
enum Choice {
    Kept(u64),
    Fresh(u64),
}

/// An access whose page is chosen and looked up.
#[derive(Clone, Copy)]
pub(super) struct Access {
    page: Choice,
    gva: Gva,
    translation: Translation,
}

impl Access {
    fn misses(&self) -> bool {
        matches!(self.translation, Translation::GuestFault | Translation::EptViolation { .. })
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The page of the task's next access: one that was chosen before, or a fresh choice.
    fn choose_page(&mut self, task: TaskId, region: RegionId, pattern: Pattern) -> Choice {
        let state = &mut self.w.guest.tasks[task.index()];
        if let Program::Fill { page, .. } = state.program {
            return Choice::Kept(page);
        }
        if let Some(&page) = state.chosen.front() {
            return Choice::Kept(page);
        }
        let pages = self.w.guest.tables.region_pages(region);
        Choice::Fresh(fresh_page(pattern, pages, &mut state.draws, &mut state.next_page))
    }

    /// Runs ahead through accesses whose translations are in the TLB, up to so many operations of the
    /// burst and to a position; where the next operation begins. It does with them what
    /// [`Self::run_ahead`] does, without looking everything up anew each time.
    #[inline(never)]
    pub(in crate::machine::guest) fn run_hits(
        &mut self,
        vcpu: VcpuId,
        task: TaskId,
        mut at: Cycles,
        (most, horizon): (usize, Option<Cycles>),
    ) -> Cycles {
        let (frequency, stlb) = (self.frequency, self.w.setup.prices.stlb_hit.cycles);
        let protective = maps_read_only(&self.w.setup);
        let World { host, setup, guest, .. } = &mut *self.w;
        let Guest { cpus, tasks, tables, .. } = guest;
        let cpu = &mut cpus[vcpu.index()];
        let Task { program, pc, chosen, draws, next_page, .. } = &mut tasks[task.index()];
        let Program::Loop { ops } = program else { return at };
        let mut priced = (SimDuration::ZERO, Cycles::ZERO);
        while cpu.burst.len() < most && horizon.is_none_or(|horizon| at <= horizon) {
            let next = if (*pc as usize) < ops.len() { *pc } else { 0 };
            let Op::Access { region, pattern, write, cost } = ops[next as usize] else { break };
            let kept = chosen.front().copied();
            let page = kept.unwrap_or_else(|| {
                fresh_page(pattern, tables.region_pages(region), draws, next_page)
            });
            let mmu = cpu.mmu.mark();
            let gva = tables.gva(region, page);
            let protected = protective && write && protects((host, setup), tables, vcpu, gva);
            let level = if protected { None } else { cpu.mmu.lookup(gva) };
            let Some(level) = level else {
                if kept.is_none() {
                    chosen.push_front(page);
                }
                break;
            };
            if kept.is_some() {
                chosen.pop_front();
            }
            if priced.0 != cost {
                priced = (cost, frequency.cycles_in(cost));
            }
            let extra = if level == TlbLevel::L1 { Cycles::ZERO } else { stlb };
            let len = Cycles((priced.1 + extra).0.max(1));
            let walked = cpu.walked.len() as u32;
            cpu.burst.push(BurstOp { start: at, len, pc: *pc, mmu, page: Some(page), walked });
            *pc = next + 1;
            at += len;
        }
        at
    }

    /// Chooses the page of the task's next access and looks it up. The choice stays until the
    /// access goes through.
    pub(super) fn look_up(
        &mut self,
        vcpu: VcpuId,
        task: TaskId,
        region: RegionId,
        (pattern, write): (Pattern, bool),
    ) -> Access {
        let choice = self.choose_page(task, region, pattern);
        let (Choice::Kept(page) | Choice::Fresh(page)) = choice;
        let gva = self.w.guest.tables.gva(region, page);
        let access = Access { page: choice, gva, translation: self.translate(vcpu, gva, write) };
        if access.misses() && matches!(choice, Choice::Fresh(_)) {
            self.w.guest.tasks[task.index()].chosen.push_front(page);
        }
        access
    }

    /// The access begins: it goes through, exits, or faults in the guest.
    pub(super) fn begin_access(
        &mut self,
        vcpu: VcpuId,
        task: TaskId,
        access: Access,
        (write, cost): (bool, SimDuration),
        op: BurstOp,
    ) -> Begin {
        let kernel = &mut self.w.guest.tasks[task.index()].kernel;
        let syscall = kernel.syscall;
        kernel.mid_access = syscall && access.misses();
        match access.translation {
            Translation::GuestFault => {
                self.pass_majors_but(vcpu, task, None);
                self.end_user(vcpu);
                let prices = &self.w.setup.prices;
                let cost = prices.guest_exception.cycles + prices.guest_minor_fault.cycles;
                self.push_frame(vcpu, cost, GuestThen::FirstTouch { gva: access.gva });
                return Begin::Reschedule;
            }
            Translation::EptViolation { gfn, walk } => {
                self.pass_majors_but(vcpu, task, Some(gfn));
                let cpl = if syscall { 0 } else { 3 };
                // A walk sets accessed flags in the guest's tables; where the second stage has its own,
                // each use of a table counts as a write.
                let exit = GuestExit::EptViolation { gfn, write: write || walk, cpl, walk };
                return Begin::Left(self.exit(vcpu, exit));
            }
            Translation::Hit(_) | Translation::Walked(_) => {}
        }
        self.retire_majors(vcpu, task);
        match self.hit(task, access, cost, op) {
            Some(op) => Begin::Takes(op),
            None => unreachable!("the translation is there"),
        }
    }

    /// An access that goes through, and the position in the program behind it. None: it exits.
    pub(super) fn hit(
        &mut self,
        task: TaskId,
        access: Access,
        cost: SimDuration,
        mut op: BurstOp,
    ) -> Option<BurstOp> {
        let walk = match access.translation {
            Translation::Hit(TlbLevel::L1) => Cycles::ZERO,
            Translation::Hit(TlbLevel::Stlb) => self.w.setup.prices.stlb_hit.cycles,
            Translation::Walked(cycles) => cycles,
            Translation::GuestFault | Translation::EptViolation { .. } => return None,
        };
        // The instruction itself takes a cycle at least, so that no program stands still.
        op.len = Cycles((self.frequency.cycles_in(cost) + walk).0.max(1));
        let (Choice::Kept(page) | Choice::Fresh(page)) = access.page;
        op.page = Some(page);
        let state = &mut self.w.guest.tasks[task.index()];
        match &mut state.program {
            Program::Fill { page, .. } => *page += 1,
            Program::Loop { .. } => {
                if matches!(access.page, Choice::Kept(_)) {
                    state.chosen.pop_front();
                }
                state.pc += 1;
            }
        }
        Some(op)
    }

    /// Looks up a translation; a walk fills the TLB, and notes which second-stage entries it has used,
    /// so that their accessed bits can be set once the burst is final.
    fn translate(&mut self, vcpu: VcpuId, gva: Gva, write: bool) -> Translation {
        let protected = write && write_protected(&*self.w, vcpu, gva);
        let state = &mut self.w.guest.cpus[vcpu.index()];
        if !protected && let Some(level) = state.mmu.lookup(gva) {
            return Translation::Hit(level);
        }
        // The tables are not the vCPU's own: its words are set apart while the walk reads them.
        let (mut store, mut walked) = (state.mmu.lend(), std::mem::take(&mut state.walked));
        let mmu = &self.w.guest.cpus[vcpu.index()].mmu;
        let walk = mmu.walk(&mut store, gva, &Seen { cx: self, vcpu, write }, &mut walked);
        let state = &mut self.w.guest.cpus[vcpu.index()];
        state.walked = walked;
        let cycles = state.mmu.give_back(store, gva, walk.ok());
        match walk {
            Ok(_) => Translation::Walked(cycles),
            Err(Stopped::GuestFault) => Translation::GuestFault,
            Err(Stopped::Violation { gfn, table }) => {
                Translation::EptViolation { gfn, walk: table }
            }
        }
    }
}

/// The page of a fresh choice.
#[inline]
fn fresh_page(pattern: Pattern, pages: u64, draws: &mut Stream, next_page: &mut u64) -> u64 {
    match pattern {
        Pattern::Uniform | Pattern::Shared => draws.below(pages),
        Pattern::Sequential => {
            // Regions of different sizes share the count.
            let next = *next_page;
            let page = if next < pages { next } else { next % pages };
            *next_page = if page + 1 == pages { 0 } else { page + 1 };
            page
        }
    }
}

/// The tables of guest and host, as a walk of a vCPU sees them.
struct Seen<'a, 'w, Q> {
    cx: &'a Cx<'w, Q>,
    vcpu: VcpuId,
    /// Whether the access writes.
    write: bool,
}

/// Whether the second stage lets the guest read an address and not write it. An entry of the TLB that a
/// read made does not serve a write then: the processor walks again, and exits.
fn write_protected(world: &World, vcpu: VcpuId, gva: Gva) -> bool {
    maps_read_only(&world.setup)
        && protects((&world.host, &world.setup), &world.guest.tables, vcpu, gva)
}

/// Whether the host's kernel makes entries that do not allow writing.
#[inline]
fn maps_read_only(setup: &Setup) -> bool {
    setup.config.host.kernel.read_faults.maps_read_only()
}

fn protects((host, setup): (&Host, &Setup), tables: &GuestTables, vcpu: VcpuId, gva: Gva) -> bool {
    tables.translate(gva).is_some_and(|gfn| {
        let page = setup.page(vcpu, gfn);
        host.maps(page, false) && !host.maps(page, true)
    })
}

impl<Q: EventQueue<MachineEvent>> Stages for Seen<'_, '_, Q> {
    #[inline]
    fn leaf(&self, page: u64) -> Option<(Gfn, PageSize)> {
        self.cx.w.guest.tables.leaf(page)
    }

    #[inline]
    fn table(&self, page: u64, level: u32) -> Option<Gfn> {
        self.cx.w.guest.tables.table(page, level)
    }

    #[inline]
    fn second_stage(&self, gfn: Gfn, table: bool) -> Option<PageSize> {
        self.cx.maps(self.vcpu, gfn, self.write || table).then_some(PageSize::Small)
    }
}
