//! Calls to all other vCPUs: one interrupts the others and spins until each has answered
//! (`smp_call_function_many` with `wait`; a TLB flush of a shared address space has the same
//! shape). A vCPU that cannot take the interrupt keeps the caller spinning: one that is stalled in
//! the host does, one that the host has halted wakes up and answers.

use sim_core::{Cycles, EventQueue};

use super::begin::Begin;
use crate::base::ids::{TaskId, VcpuId};
use crate::base::record::TlbFlushReason;
use crate::machine::guest::give_back::Call;
use crate::machine::guest::stage::GuestThen;
use crate::machine::guest::state::{Hotplug, Running};
use crate::machine::world::{Cx, Flow, GuestExit, Hypervisor, MachineEvent, thread_of};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The current task begins a call: one write to the local APIC, which exits.
    pub(super) fn begin_call_all(&mut self, vcpu: VcpuId, task: TaskId) -> Begin {
        self.w.guest.tasks[task.index()].pc += 1;
        self.push_frame(vcpu, Cycles::ZERO, GuestThen::CallWait);
        Begin::Left(self.exit(vcpu, GuestExit::SendCalls))
    }

    /// The host delivers the interrupt to those whom it is for.
    pub(in crate::machine::guest) fn deliver_calls(&mut self, vcpu: VcpuId) {
        let (targets, flush) = match self.w.guest.cpus[vcpu.index()].shootdown.take() {
            Some(shootdown) => (shootdown.targets, Some(shootdown.range)),
            None => (self.w.setup.vcpus_of(self.w.setup.vm(vcpu)).collect(), None),
        };
        for other in targets {
            if other == vcpu || self.w.guest.cpus[other.index()].hotplug == Hotplug::Offline {
                continue;
            }
            self.w.guest.cpus[vcpu.index()].answers_due += 1;
            self.w.guest.cpus[other.index()].calls.push(Call { from: vcpu, flush });
            self.interrupt(other);
        }
    }

    /// Spins on; none when all answers are there.
    pub(in crate::machine::guest) fn call_wait(&mut self, vcpu: VcpuId) -> Option<Flow> {
        let state = &mut self.w.guest.cpus[vcpu.index()];
        if state.answers_due == 0 {
            state.frames.pop();
            return None;
        }
        if self.any_interrupt_pending(vcpu) {
            return Some(self.exit(vcpu, GuestExit::InterruptWindow));
        }
        // Nothing but an interrupt or the last answer ends this stretch.
        self.w.guest.cpus[vcpu.index()].running = Running::Kernel;
        Some(Flow::Stopped)
    }

    /// Does what another vCPU asks for, and answers; that one goes on if this was the last answer.
    pub(in crate::machine::guest) fn answer_call(&mut self, vcpu: VcpuId, call: Call) {
        if let Some(range) = call.flush {
            self.flush_own(vcpu, range, TlbFlushReason::Remote);
        }
        let to = call.from;
        let state = &mut self.w.guest.cpus[to.index()];
        state.answers_due = state.answers_due.saturating_sub(1);
        let spins = state.frames.last().is_some_and(|frame| frame.then == GuestThen::CallWait);
        let running = state.running == Running::Kernel;
        if state.answers_due == 0 && spins && running && self.in_guest_mode(to) {
            let now = self.now();
            self.schedule_step(thread_of(to), now);
        }
    }
}
