//! A task lets others of its vCPU run (`sched_yield`).

use sim_core::EventQueue;

use super::begin::Begin;
use crate::base::ids::{TaskId, VcpuId};
use crate::machine::world::{Cx, MachineEvent};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The current task yields (`do_sched_yield`, `yield_task_fair`). It may go on at once: the
    /// scheduler decides, and balancing is not asked.
    pub(super) fn begin_yield(&mut self, vcpu: VcpuId, task: TaskId) -> Begin {
        self.w.guest.tasks[task.index()].pc += 1;
        if self.w.guest.cpus[vcpu.index()].queue.nobody_waits() {
            return Begin::Reschedule;
        }
        self.note_vcpu_progress(vcpu);
        self.charge_task(vcpu);
        let params = &self.w.setup.guest(vcpu).sched;
        let queue = &mut self.w.guest.cpus[vcpu.index()].queue;
        queue.yield_current(&mut self.w.guest.entities, params);
        let now = self.now();
        self.w.guest.note_load(now, vcpu);
        self.w.guest.cpus[vcpu.index()].need_resched = true;
        Begin::Reschedule
    }
}
