//! Computation that is not counted.

use sim_core::{Cycles, EventQueue, SimDuration};

use super::begin::LONGEST;
use crate::base::ids::{LawId, TaskId};
use crate::machine::world::{Cx, MachineEvent};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// It takes so much time of the processor, a cycle at least.
    pub(super) fn compute(&mut self, task: TaskId, span: SimDuration) -> Cycles {
        self.w.guest.tasks[task.index()].pc += 1;
        Cycles(self.frequency.cycles_in(span).0.max(1))
    }

    /// What a law of the workload gives a task next, in its unit. Drawn when the operation begins, never
    /// ahead of its time.
    pub(super) fn draw(&mut self, task: TaskId, law: LawId) -> u64 {
        let law = &self.w.guest.drawn.laws[law.index()];
        let value = law.sampler.sample(&mut self.w.guest.tasks[task.index()].numbers);
        value.saturating_mul(law.unit)
    }

    /// A drawn time, some at least, and no longer than a run can be.
    pub(super) fn draw_time(&mut self, task: TaskId, law: LawId) -> SimDuration {
        SimDuration::from_ps(self.draw(task, law).max(1)).min(LONGEST)
    }
}
