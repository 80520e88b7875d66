//! What runs on a vCPU in the guest: stages of its kernel above the program of a task, and which
//! interrupts wait for them.

use sim_core::{Cycles, EventQueue};

use super::stage::{Frame, GuestThen};
use super::state::Running;
use crate::base::ids::{TaskId, VcpuId};
use crate::config::TimerKind;
use crate::machine::world::{Cx, Hypervisor, MachineEvent};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    pub(super) fn push_frame(&mut self, vcpu: VcpuId, remaining: Cycles, then: GuestThen) {
        self.w.guest.cpus[vcpu.index()].frames.push(Frame { remaining, then });
    }

    /// Whether the guest lets interrupts in.
    pub(super) fn takes_interrupts(&self, vcpu: VcpuId) -> bool {
        match self.w.guest.cpus[vcpu.index()].frames.last() {
            None => !self.current_keeps_interrupts_off(vcpu),
            Some(frame) => {
                matches!(
                    frame.then,
                    GuestThen::WaitHalted { .. }
                        | GuestThen::CallWait
                        | GuestThen::WaitForFrame
                        | GuestThen::Timers { softirq: true }
                )
            }
        }
    }

    /// Whether an interrupt waits for the guest.
    pub(super) fn any_interrupt_pending(&self, vcpu: VcpuId) -> bool {
        let state = &self.w.guest.cpus[vcpu.index()];
        state.tick_pending
            || state.reschedule_pending
            || state.enable_pending
            || state.refused_en_pending
            || state.smi_pending.is_some()
            || !state.calls.is_empty()
            || !state.driver_work.is_empty()
            || self.task_timer_pending(vcpu)
            || self.w.protocol.apf(vcpu).ready_interrupt(vcpu).is_some()
    }

    /// Whether the vCPU's own timer has expired for a task and its interrupt waits.
    pub(super) fn task_timer_pending(&self, vcpu: VcpuId) -> bool {
        self.w.setup.guest(vcpu).timers == TimerKind::Interrupt
            && !self.w.guest.cpus[vcpu.index()].expired.is_empty()
    }

    /// Whether the program of a task is in a system call.
    pub(super) fn in_syscall(&self, task: TaskId) -> bool {
        self.w.guest.tasks[task.index()].kernel.syscall
    }

    /// Whether the program of the current task has the guest's interrupts off.
    pub(super) fn current_keeps_interrupts_off(&self, vcpu: VcpuId) -> bool {
        let current = self.w.guest.cpus[vcpu.index()].queue.current;
        current.is_some_and(|task| self.w.guest.tasks[task as usize].kernel.irq_off > 0)
    }

    /// Whether it is this vCPU that acts at this instant.
    pub(super) fn acts_now(&self, vcpu: VcpuId) -> bool {
        let idle = self.w.guest.cpus[vcpu.index()].running == Running::Nothing;
        idle && self.in_guest_mode(vcpu)
    }
}
