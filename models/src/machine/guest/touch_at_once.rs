//! First touches before the start barrier, each in one go.
//!
//! From the guest's page fault to the entry in its tables such a touch has six events, and as a rule nothing
//! comes between them: no tick is due, there is room, nobody else runs. What the stages of [`super::touch`] do
//! is done here at the times at which they would do it; records and state are the same. Whatever is not as
//! usual is left to the stages, and with skipping off everything is.

use sim_core::{Cycles, EventQueue};

use super::state::Guest;
use super::task::Program;
use crate::base::ids::{Gfn, Gva, TaskId, VcpuId};
use crate::config::RegionBacking;
use crate::machine::world::{Cx, Hypervisor, MachineEvent, World, thread_of};

/// What a touch needs besides the fault in the host.
struct Wanted {
    gva: Gva,
    /// The frame that the page gets.
    gfn: Gfn,
    /// That of the table with its entry.
    table: Gfn,
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Does the whole first touch of a program that fills memory and is about to begin with its next page, up to the
    /// repeated access. Nothing is done where that is not what comes next, or not the usual case.
    pub(super) fn touch_at_once(&mut self, vcpu: VcpuId, task: TaskId) {
        let Some(Wanted { gva, gfn, table }) = self.wanted(vcpu, task) else { return };
        let (thread, prices) = (thread_of(vcpu), &self.w.setup.prices);
        let state = &self.w.guest.cpus[vcpu.index()];
        let handler = prices.guest_exception.cycles + prices.guest_minor_fault.cycles;
        let exits = state.epoch + self.frequency.time_of(state.cycles + handler);
        let clearing = prices.zero_page.cycles;
        let clearing_time = self.frequency.time_of(clearing);
        let Some(fault) = self.plan_fresh_fault(vcpu, gfn, exits) else { return };
        let now = self.now();
        if !self.nothing_until(thread, exits + fault.span() + clearing_time) {
            return;
        }
        self.w.guest.cpus[vcpu.index()].user_since.get_or_insert(now);
        self.end_user(vcpu);
        self.pass(thread, exits.since(now));
        self.fresh_fault(vcpu, gfn, fault);
        self.begin_epoch(vcpu);
        self.pass(thread, clearing_time);
        if self.w.setup.has_accessed_bits() {
            self.set_accessed(vcpu, &[gfn, table]);
        }
        let tables = self.tables(vcpu);
        tables.frames().allocate(false);
        tables.map(gva, gfn);
        self.w.guest.cpus[vcpu.index()].cycles = clearing;
    }

    /// What the next page of a program that fills memory needs, if all that is missing of it is a frame, and the
    /// guest's kernel has nothing else to do.
    fn wanted(&self, vcpu: VcpuId, task: TaskId) -> Option<Wanted> {
        let World { host, setup, guest, .. } = &*self.w;
        let Guest { cpus, tasks, tables, .. } = guest;
        let (state, task) = (&cpus[vcpu.index()], &tasks[task.index()]);
        let Program::Fill { regions, at, page } = &task.program else { return None };
        let &(region, _) = regions.get(*at).filter(|&&(_, pages)| *page < pages)?;
        let owes = state.arm_timer || state.ipi_exits_due > 0 || state.written_for.is_some();
        let own = setup.guest(vcpu);
        let in_memfd =
            setup.config.workload.regions[region.index()].backing == RegionBacking::GuestMemfd;
        let ready = setup.skip && !owes && !own.thp && !in_memfd;
        if !ready || task.busy > Cycles::ZERO || !task.majors.is_empty() {
            return None;
        }
        let tables = &tables[setup.vm(vcpu).index()];
        let gva = tables.gva(region, *page);
        if tables.translate(gva).is_some() {
            return None;
        }
        let mapped = |&table: &Gfn| host.maps(setup.page(vcpu, table), true);
        let table = |level| tables.table(gva.page(), level).filter(mapped);
        if !(2..=own.table_levels).all(|level| table(level).is_some()) {
            return None;
        }
        Some(Wanted { gva, gfn: tables.next_frame()?, table: table(1)? })
    }
}
