//! A recorded trace of addresses: one visit of a page after the other.

use sim_core::{Cycles, EventQueue, Frequency, SimDuration};

use super::begin::Begin;
use crate::base::ids::{TaskId, VcpuId};
use crate::machine::guest::choices::Replayed;
use crate::machine::guest::state::Guest;
use crate::machine::guest::task::{Program, Task};
use crate::machine::world::{Cx, MachineEvent, World};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The next visit begins.
    pub(super) fn begin_replay(
        &mut self,
        vcpu: VcpuId,
        task: TaskId,
        instruction: SimDuration,
    ) -> Begin {
        let World { setup, guest, .. } = &mut *self.w;
        let Guest { tasks, tables, drawn, .. } = guest;
        let tables = &tables[setup.vm(vcpu).index()];
        let Task { program, pc, choices, .. } = &mut tasks[task.index()];
        // Only programs that go round have this operation.
        let Program::Loop { ops } = program else { return Begin::Reschedule };
        let visit =
            choices.next_visit(ops, *pc as usize, drawn.sources(tables, &setup.config.workload));
        let Replayed { gva, write, instructions, .. } = visit;
        let access = self.look_up(vcpu, gva, write);
        self.begin_access(vcpu, task, access, (write, instruction.times(instructions)))
    }
}

/// What the instructions of a visit take, besides translation.
#[inline]
pub(super) fn time_of(visit: &Replayed, instruction: SimDuration, frequency: Frequency) -> Cycles {
    frequency.cycles_in(instruction.times(visit.instructions))
}
