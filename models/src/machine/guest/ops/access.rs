//! One access to a page: how it chooses its page and finds its frame, and what it costs.

use sim_core::{Cycles, EventQueue, SimDuration};

use super::begin::Begin;
use crate::base::ids::{Gfn, Gva, RegionId, TaskId, VcpuId};
use crate::config::Pattern;
use crate::machine::guest::state::{BurstOp, GuestThen, Program};
use crate::machine::world::{Cx, GuestExit, Hypervisor, MachineEvent};
use crate::parts::mmu::{TlbLevel, Translation};

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
    /// The frame that a walk found.
    walked: Option<Gfn>,
}

impl Access {
    fn misses(&self) -> bool {
        matches!(self.translation, Translation::GuestFault | Translation::EptViolation(_))
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
        Choice::Fresh(match pattern {
            Pattern::Uniform | Pattern::Shared => state.draws.below(pages),
            Pattern::Sequential => {
                // Regions of different sizes share the count.
                let next = state.next_page;
                let page = if next < pages { next } else { next % pages };
                state.next_page = if page + 1 == pages { 0 } else { page + 1 };
                page
            }
        })
    }

    /// Chooses the page of the task's next access and looks it up. The choice stays until the
    /// access goes through.
    pub(super) fn look_up(
        &mut self,
        vcpu: VcpuId,
        task: TaskId,
        region: RegionId,
        pattern: Pattern,
    ) -> Access {
        let choice = self.choose_page(task, region, pattern);
        let (Choice::Kept(page) | Choice::Fresh(page)) = choice;
        let gva = self.w.guest.tables.gva(region, page);
        let (translation, walked) = self.translate(vcpu, gva);
        let access = Access { page: choice, gva, translation, walked };
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
                self.end_user(vcpu);
                let prices = &self.w.setup.prices;
                let cost = prices.guest_exception.cycles + prices.guest_minor_fault.cycles;
                self.push_frame(vcpu, cost, GuestThen::FirstTouch { gva: access.gva });
                return Begin::Changed;
            }
            Translation::EptViolation(gfn) => {
                let cpl = if syscall { 0 } else { 3 };
                let exit = GuestExit::EptViolation { gfn, write, cpl };
                return Begin::Left(self.exit(vcpu, exit));
            }
            Translation::Hit(_) | Translation::Walked => {}
        }
        self.retire_major(vcpu, task);
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
            Translation::Walked => self.w.setup.prices.page_walk.cycles,
            Translation::GuestFault | Translation::EptViolation(_) => return None,
        };
        // The instruction itself takes a cycle at least, so that no program stands still.
        op.len = Cycles((self.frequency.cycles_in(cost) + walk).0.max(1));
        let (Choice::Kept(page) | Choice::Fresh(page)) = access.page;
        (op.page, op.walked) = (Some(page), access.walked);
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

    /// Looks up a translation; a walk fills the TLB. The frame that a walk found is returned too,
    /// so that its accessed bit can be set once the burst is final.
    fn translate(&mut self, vcpu: VcpuId, gva: Gva) -> (Translation, Option<Gfn>) {
        if let Some(level) = self.w.guest.cpus[vcpu.index()].tlb.lookup(gva) {
            return (Translation::Hit(level), None);
        }
        let Some(gfn) = self.w.guest.tables.translate(gva) else {
            return (Translation::GuestFault, None);
        };
        if !self.maps(vcpu, gfn) {
            return (Translation::EptViolation(gfn), None);
        }
        self.w.guest.cpus[vcpu.index()].tlb.insert(gva);
        (Translation::Walked, Some(gfn))
    }
}
