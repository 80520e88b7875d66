//! Computation that is not counted.

use sim_core::{Cycles, EventQueue, SimDuration};

use crate::base::ids::TaskId;
use crate::machine::world::{Cx, MachineEvent};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// It takes so much time of the processor, a cycle at least.
    pub(super) fn compute(&mut self, task: TaskId, span: SimDuration) -> Cycles {
        self.w.guest.tasks[task.index()].pc += 1;
        Cycles(self.frequency.cycles_in(span).0.max(1))
    }
}
