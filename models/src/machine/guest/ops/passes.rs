//! Programs with an end.

use sim_core::EventQueue;

use super::begin::Begin;
use crate::base::ids::{TaskId, VcpuId};
use crate::base::record::Event;
use crate::machine::world::{Cx, MachineEvent};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// A pass is over: the next one, or the end of the task, which nothing wakes any more.
    pub(super) fn end_pass(&mut self, vcpu: VcpuId, task: TaskId, passes: u64) -> Begin {
        let state = &mut self.w.guest.tasks[task.index()];
        state.passes += 1;
        if state.passes < passes {
            state.pc = 0;
            return Begin::Reschedule;
        }
        self.note_vcpu_progress(vcpu);
        self.sleep_current(vcpu, task);
        self.emit(Event::TaskEnd { vcpu, task });
        Begin::Reschedule
    }
}
