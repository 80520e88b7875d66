//! The host's timers behind the local APIC timers of vCPUs.

use sim_core::EventQueue;

use crate::base::ids::{TaskId, VcpuId};
use crate::machine::world::{Cx, GuestEntry, Hypervisor, MachineEvent, thread_of};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The tick of a vCPU is due.
    pub(in crate::machine) fn vcpu_timer(&mut self, vcpu: VcpuId) {
        self.timer_expired(vcpu);
        self.interrupt_for_timer(vcpu);
    }

    /// The time of a sleeping task has come.
    pub(in crate::machine) fn task_timer(&mut self, task: TaskId) {
        if let Some(vcpu) = self.task_timer_expired(task) {
            self.interrupt_for_timer(vcpu);
        }
    }

    fn interrupt_for_timer(&mut self, vcpu: VcpuId) {
        let cost = self.w.setup.prices.timer_interrupt.time;
        if !cost.is_zero() {
            self.interrupt_processor_of(thread_of(vcpu), cost);
        }
        self.interrupt(vcpu);
    }
}
