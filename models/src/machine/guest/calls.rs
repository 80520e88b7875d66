//! Calls to all other vCPUs: one interrupts the others and spins until each has answered
//! (`smp_call_function_many` with `wait`; a TLB flush of a shared address space has the same
//! shape). A vCPU that cannot take the interrupt keeps the caller spinning: one that is stalled in
//! the host does, one that the host has halted wakes up and answers.

use sim_core::EventQueue;

use crate::base::ids::VcpuId;
use crate::base::record::ExitReason;
use crate::machine::Cx;
use crate::machine::event::MachineEvent;
use crate::machine::host::scheduler::Flow;
use crate::machine::world::{GuestThen, Hotplug, Running, Then};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The current task begins a call: one write to the local APIC, which exits.
    pub(crate) fn call_all(&mut self, vcpu: VcpuId) -> Flow {
        self.push_frame(vcpu, sim_core::Cycles::ZERO, GuestThen::CallWait);
        let cost = self.w.prices.exit_light.time;
        self.leave_guest(vcpu, ExitReason::ApicAccess, cost, Then::SendCalls)
    }

    /// The host delivers the interrupt to the others.
    pub(crate) fn send_calls(&mut self, vcpu: VcpuId) {
        for other in (0..self.w.config.guest.vcpus).map(VcpuId).filter(|&other| other != vcpu) {
            if self.w.vcpus[other.index()].hotplug == Hotplug::Offline {
                continue;
            }
            self.w.vcpus[vcpu.index()].answers_due += 1;
            self.w.vcpus[other.index()].calls.push(vcpu);
            self.interrupt(other);
        }
    }

    /// Spins on; none when all answers are there.
    pub(crate) fn call_wait(&mut self, vcpu: VcpuId) -> Option<Flow> {
        let state = &mut self.w.vcpus[vcpu.index()];
        if state.answers_due == 0 {
            state.frames.pop();
            return None;
        }
        if self.interrupt_pending(vcpu) {
            return Some(self.open_interrupt_window(vcpu));
        }
        // Nothing but an interrupt or the last answer ends this stretch.
        self.w.vcpus[vcpu.index()].running = Running::Kernel;
        Some(Flow::Stopped)
    }

    /// Answers the call of `to`, which goes on if this was the last answer.
    pub(crate) fn answer(&mut self, to: VcpuId) {
        let state = &mut self.w.vcpus[to.index()];
        state.answers_due = state.answers_due.saturating_sub(1);
        let spins = state.frames.last().is_some_and(|frame| frame.then == GuestThen::CallWait);
        let running = state.in_guest && state.running == Running::Kernel;
        if state.answers_due == 0 && spins && running {
            let thread = state.thread;
            let now = self.now();
            self.schedule_step(thread, now);
        }
    }
}
