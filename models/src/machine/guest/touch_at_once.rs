//! First touches before the start barrier, each in one go.
//!
//! From the guest's page fault to the entry in its tables such a touch has six events, and as a rule nothing
//! comes between them: no tick is due, there is room, nobody else runs. What the stages of [`super::touch`] do
//! is done here at the times at which they would do it; records and state are the same. Whatever is not as
//! usual is left to the stages, and with skipping off everything is.

use sim_core::EventQueue;

use super::state::Program;
use crate::base::ids::{Gfn, Gva, TaskId, VcpuId};
use crate::machine::world::{Cx, Hypervisor, MachineEvent, thread_of};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Does a whole first touch by a program that fills memory and is about to access the address. False: that is
    /// not what it is about to do, or not the usual case, and nothing is done.
    #[inline]
    pub(super) fn touch_at_once(&mut self, vcpu: VcpuId, task: TaskId, gva: Gva) -> bool {
        self.w.setup.skip && self.w.setup.policy.is_none() && self.fill_at_once(vcpu, task, gva)
    }

    fn fill_at_once(&mut self, vcpu: VcpuId, task: TaskId, gva: Gva) -> bool {
        let Some((gfn, table)) = self.frame_for(vcpu, task, gva) else { return false };
        let (thread, prices) = (thread_of(vcpu), self.w.setup.prices.clone());
        let state = &self.w.guest.cpus[vcpu.index()];
        let handler = prices.guest_exception.cycles + prices.guest_minor_fault.cycles;
        let exits = state.epoch + self.frequency.time_of(state.cycles + handler);
        let clearing = self.frequency.time_of(prices.zero_page.cycles);
        let Some(fault) = self.plan_fresh_fault(vcpu, gfn, exits) else { return false };
        if !self.nothing_until(thread, exits + fault.span() + clearing) {
            return false;
        }
        self.end_user(vcpu);
        self.pass(thread, exits.since(self.now()));
        self.tables(vcpu).frames().allocate(false);
        self.fresh_fault(vcpu, gfn, fault);
        self.begin_epoch(vcpu);
        self.pass(thread, clearing);
        if self.w.setup.has_accessed_bits() {
            self.set_accessed(vcpu, gfn);
            self.set_accessed(vcpu, table);
        }
        self.tables(vcpu).map(gva, gfn);
        self.w.guest.cpus[vcpu.index()].cycles = self.guest_cycles(vcpu);
        true
    }

    /// The frame that the page gets and that of the table with its entry, if all that is missing of the page is
    /// a frame, and the guest's kernel has nothing else to do.
    fn frame_for(&mut self, vcpu: VcpuId, task: TaskId, gva: Gva) -> Option<(Gfn, Gfn)> {
        let (program, state) =
            (&self.w.guest.tasks[task.index()], &self.w.guest.cpus[vcpu.index()]);
        let fills = matches!(program.program, Program::Fill { .. });
        let owes = state.arm_timer || state.ipi_exits_due > 0 || state.written_for.is_some();
        let guest = self.w.setup.guest(vcpu);
        let levels = guest.table_levels;
        if !fills || owes || guest.thp || !program.majors.is_empty() {
            return None;
        }
        if self.tables(vcpu).translate(gva).is_some() || self.is_in_guest_memfd(vcpu, gva) {
            return None;
        }
        for level in (2..=levels).rev() {
            let table = self.tables(vcpu).table(gva.page(), level)?;
            if !self.maps(vcpu, table, true) {
                return None;
            }
        }
        let table =
            self.tables(vcpu).table(gva.page(), 1).filter(|&table| self.maps(vcpu, table, true))?;
        Some((self.tables(vcpu).frames().next()?, table))
    }
}
