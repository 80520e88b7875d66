//! Requests: the part of a program whose latency is measured.
//!
//! Marks end a burst, as everything that emits a record does. Time that runs up to a mark is reported
//! there, so that a request's own processor time is exactly that of the records between its marks.

use sim_core::{EventQueue, SimDuration};

use super::begin::Begin;
use crate::base::ids::{TaskId, VcpuId};
use crate::base::record::Event;
use crate::machine::world::{Cx, MachineEvent};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// A request of a closed loop begins: it has waited for nobody.
    pub(super) fn begin_request(&mut self, vcpu: VcpuId, task: TaskId) -> Begin {
        self.w.guest.tasks[task.index()].pc += 1;
        self.report_program_time(vcpu);
        let (group, waited) = (self.w.guest.tasks[task.index()].group, SimDuration::ZERO);
        self.emit(Event::RequestBegin { vcpu, task, group, waited });
        Begin::Reschedule
    }

    /// The request is over.
    pub(super) fn end_request(&mut self, vcpu: VcpuId, task: TaskId) -> Begin {
        self.w.guest.tasks[task.index()].pc += 1;
        self.report_program_time(vcpu);
        let group = self.w.guest.tasks[task.index()].group;
        self.emit(Event::RequestEnd { vcpu, task, group });
        Begin::Reschedule
    }
}
