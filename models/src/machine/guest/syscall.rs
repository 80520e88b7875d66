//! System calls of tasks and the kernel's sections inside them: which mode a program is in, and
//! what that allows.

use sim_core::EventQueue;

use super::state::{KernelMode, TaskState};
use crate::base::ids::{TaskId, VcpuId};
use crate::config::{Op, Preemption, Section};
use crate::machine::world::{Cx, MachineEvent};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The current task enters the kernel and goes on there.
    pub(super) fn enter_syscall(&mut self, vcpu: VcpuId, task: TaskId) {
        self.report_program_time(vcpu);
        self.w.guest.tasks[task.index()].kernel.syscall = true;
        self.w.guest.cpus[vcpu.index()].user_since = Some(self.now());
    }

    /// The current task leaves the kernel, or enters or leaves a section.
    pub(super) fn change_kernel_mode(&mut self, vcpu: VcpuId, task: TaskId, change: Op) {
        if change == Op::SyscallExit {
            self.report_program_time(vcpu);
        }
        let kernel = &mut self.w.guest.tasks[task.index()].kernel;
        let depth = |kernel: &mut KernelMode, kind, by: fn(u32) -> u32| {
            let depth = match kind {
                Section::PreemptOff => &mut kernel.preempt_off,
                Section::IrqOff => &mut kernel.irq_off,
                Section::RcuReader => &mut kernel.rcu,
            };
            *depth = by(*depth);
        };
        match change {
            Op::SyscallExit => kernel.syscall = false,
            Op::SectionEnter { kind } => depth(kernel, kind, |depth| depth.saturating_add(1)),
            Op::SectionExit { kind } => depth(kernel, kind, |depth| depth.saturating_sub(1)),
            _ => unreachable!("{change:?} changes no mode"),
        }
    }

    /// Reports the time in the mode that ends, unless there was none.
    fn report_program_time(&mut self, vcpu: VcpuId) {
        if self.w.guest.cpus[vcpu.index()].user_since == Some(self.now()) {
            self.w.guest.cpus[vcpu.index()].user_since = None;
        }
        self.end_user(vcpu);
    }

    /// Whether the current task may lose its vCPU where it is, or is about to sleep.
    pub(super) fn may_be_switched(&self, task: TaskId) -> bool {
        let state = &self.w.guest.tasks[task.index()];
        // Stages that wait for it belong to a sleep that it has begun.
        if state.state == TaskState::Sleeping || !state.frames.is_empty() || !state.kernel.syscall {
            return true;
        }
        let KernelMode { preempt_off, irq_off, rcu, mid_access, .. } = state.kernel;
        let preemptible = preempt_off == 0 && irq_off == 0;
        match self.w.setup.config.guest.preemption {
            Preemption::None => false,
            Preemption::Voluntary => preemptible && rcu == 0 && !mid_access && state.busy.0 == 0,
            Preemption::Full => preemptible,
        }
    }
}
