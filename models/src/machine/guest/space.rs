//! Address spaces of the guest: which one a task runs in, and the write of CR3 at a switch between two.

use sim_core::{Cycles, EventQueue};

use crate::base::ids::{TaskId, VcpuId};
use crate::config::{HostPaging, Processes};
use crate::machine::world::{Cx, Flow, GuestExit, Hypervisor, MachineEvent};
use crate::parts::mmu::GuestTables;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The page tables of a vCPU's guest.
    pub(super) fn tables(&mut self, vcpu: VcpuId) -> &mut GuestTables {
        &mut self.w.guest.tables[self.w.setup.vm(vcpu).index()]
    }

    /// The number of the address space of a task.
    fn space_of(&self, vcpu: VcpuId, task: TaskId) -> u32 {
        match self.w.setup.guest(vcpu).processes {
            Processes::One => 0,
            Processes::Groups => u32::from(self.w.guest.tasks[task.index()].group.0),
            Processes::Tasks => task.0,
        }
    }

    /// What a switch to a task costs beyond one between threads (`switch_mm_irqs_off`). Under shadow paging
    /// the write exits instead.
    pub(super) fn cost_of_space(&self, vcpu: VcpuId, next: TaskId) -> Cycles {
        let state = &self.w.guest.cpus[vcpu.index()];
        let same = state.space == self.space_of(vcpu, next) && !state.behind;
        if same || self.w.setup.config.host.paging == HostPaging::Shadow {
            return Cycles::ZERO;
        }
        self.w.setup.prices.cr3_write.cycles
    }

    /// The vCPU goes to the address space of the task that it has switched to. An idle vCPU stays in that of
    /// the last one.
    pub(super) fn load_space(&mut self, vcpu: VcpuId) -> Option<Flow> {
        let space = self.space_of(vcpu, self.w.guest.current(vcpu)?);
        let tagged = self.w.setup.guest(vcpu).pcid;
        self.catch_up(vcpu);
        let state = &mut self.w.guest.cpus[vcpu.index()];
        if state.space == space {
            return None;
        }
        state.space = space;
        let (tag, keep) = state.tags.switch(space, tagged);
        state.mmu.write_cr3(tag, keep);
        self.w.setup.is_shadow().then(|| self.exit(vcpu, GuestExit::WriteCr3 { space, keep }))
    }
}
