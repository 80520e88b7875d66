//! System calls of tasks and the kernel's sections inside them: which mode a program is in, and
//! what that allows.

use sim_core::{Cycles, EventQueue, SimDuration};

use super::begin::Begin;
use crate::base::ids::{TaskId, VcpuId};
use crate::config::{Preemption, Section};
use crate::machine::guest::task::{KernelMode, TaskState};
use crate::machine::world::{Cx, MachineEvent};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The current task enters the kernel and goes on there.
    pub(super) fn enter_syscall(&mut self, vcpu: VcpuId, task: TaskId, cost: SimDuration) -> Begin {
        self.w.guest.tasks[task.index()].pc += 1;
        self.report_program_time(vcpu);
        self.w.guest.tasks[task.index()].kernel.syscall = true;
        self.w.guest.cpus[vcpu.index()].user_since = Some(self.now());
        Begin::Takes(Cycles(self.frequency.cycles_in(cost).0.max(1)))
    }

    /// The current task leaves the kernel.
    pub(super) fn exit_syscall(&mut self, vcpu: VcpuId, task: TaskId) -> Begin {
        self.w.guest.tasks[task.index()].pc += 1;
        self.report_program_time(vcpu);
        self.w.guest.tasks[task.index()].kernel.syscall = false;
        Begin::Reschedule
    }

    /// A section of the kernel begins.
    pub(super) fn enter_section(&mut self, task: TaskId, kind: Section) -> Begin {
        let state = &mut self.w.guest.tasks[task.index()];
        state.pc += 1;
        let depth = state.kernel.depth(kind);
        *depth = depth.saturating_add(1);
        Begin::Reschedule
    }

    /// A section of the kernel ends.
    pub(super) fn exit_section(&mut self, task: TaskId, kind: Section) -> Begin {
        let state = &mut self.w.guest.tasks[task.index()];
        state.pc += 1;
        let depth = state.kernel.depth(kind);
        *depth = depth.saturating_sub(1);
        Begin::Reschedule
    }

    /// Reports the program's time up to now, in the mode or part that ends, unless there was none.
    pub(super) fn report_program_time(&mut self, vcpu: VcpuId) {
        if self.w.guest.cpus[vcpu.index()].user_since == Some(self.now()) {
            self.w.guest.cpus[vcpu.index()].user_since = None;
        }
        self.end_user(vcpu);
    }

    /// Whether the current task may lose its vCPU where it is, or is about to sleep.
    pub(in crate::machine::guest) fn may_be_switched(&self, task: TaskId) -> bool {
        let state = &self.w.guest.tasks[task.index()];
        // Stages that wait for it belong to a sleep that it has begun.
        if state.state == TaskState::Sleeping || !state.frames.is_empty() || !state.kernel.syscall {
            return true;
        }
        let KernelMode { preempt_off, irq_off, rcu, mid_access, .. } = state.kernel;
        let preemptible = preempt_off == 0 && irq_off == 0;
        match self.w.setup.guest(state.vcpu).preemption {
            Preemption::None => false,
            Preemption::Voluntary => preemptible && rcu == 0 && !mid_access && state.busy.0 == 0,
            Preemption::Full => preemptible,
        }
    }
}
