//! What a step of the protocol causes outside it.

use sim_core::EventQueue;

use super::world::{Consequences, Cx, MachineEvent, thread_of};
use crate::base::ids::{ItemId, TaskId, VcpuId};
use crate::base::record::ExitReason;

impl<Q: EventQueue<MachineEvent>> Consequences for Cx<'_, Q> {
    fn wake_vcpu(&mut self, vcpu: VcpuId) {
        self.wake_thread(thread_of(vcpu));
    }

    fn kick_vcpu(&mut self, vcpu: VcpuId) {
        // One that acts right now looks before it enters.
        self.force_exit_if_executing(vcpu, ExitReason::Kick);
    }

    fn cancel_work(&mut self, item: ItemId) {
        self.cancel_item(item);
    }

    fn worker_done(&mut self, item: ItemId) {
        for vcpu in self.w.kvm.take_waiters(item) {
            self.wake_thread(thread_of(vcpu));
        }
    }

    fn item_freed(&mut self, item: ItemId) {
        self.unpin(item);
    }

    fn wake_sleeper(&mut self, task: TaskId) {
        self.wake_waiting_task(task);
    }

    fn reschedule_ipi(&mut self, vcpu: VcpuId) {
        self.send_reschedule_ipi(vcpu);
    }
}
