//! A task sleeps.

use sim_core::{EventQueue, SimDuration};

use super::begin::Begin;
use crate::base::ids::{TaskId, VcpuId};
use crate::machine::guest::task::TaskState;
use crate::machine::world::{Cx, MachineEvent};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The current task sets a timer and sleeps until it expires.
    pub(super) fn begin_sleep(&mut self, vcpu: VcpuId, task: TaskId, span: SimDuration) -> Begin {
        self.w.guest.tasks[task.index()].pc += 1;
        self.note_vcpu_progress(vcpu);
        self.schedule(self.now() + span, MachineEvent::TaskTimer(task));
        self.sleep_current(vcpu, task);
        Begin::Reschedule
    }

    /// The current task sleeps until something wakes it.
    pub(super) fn sleep_current(&mut self, vcpu: VcpuId, task: TaskId) {
        self.end_user(vcpu);
        self.w.guest.tasks[task.index()].state = TaskState::Sleeping;
        self.w.guest.cpus[vcpu.index()].need_resched = true;
    }
}
