//! Entering and leaving guest mode, and the guest's stretches of work between.
//!
//! Guest mode counts cycles from the entry (the epoch); a stretch ends at
//! `epoch + ceil(cycles / rate)`, so that it does not matter into how many stretches the same work
//! is divided.

use sim_core::{Cycles, EventQueue, SimDuration};

use crate::base::ids::{ThreadId, VcpuId};
use crate::base::record::{Event, ExitReason};
use crate::machine::Cx;
use crate::machine::event::MachineEvent;
use crate::machine::host::scheduler::Flow;
use crate::machine::world::{Running, Then, ThreadKind};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Enters guest mode and goes on with whatever the guest was doing.
    pub(crate) fn enter_guest(&mut self, vcpu: VcpuId) -> Flow {
        let now = self.now();
        let state = &mut self.w.vcpus[vcpu.index()];
        state.in_guest = true;
        state.epoch = now;
        state.cycles = Cycles::ZERO;
        state.running = Running::Nothing;
        let thread = state.thread;
        self.w.threads[thread.index()].then = Then::InGuest;
        self.emit(Event::KvmEntry { vcpu });
        self.guest_run(vcpu)
    }

    /// Schedules the end of a guest stretch of so many cycles from the vCPU's position.
    pub(crate) fn start_guest_stretch(&mut self, vcpu: VcpuId, len: Cycles, running: Running) {
        let state = &mut self.w.vcpus[vcpu.index()];
        state.running = running;
        let end = state.epoch + self.frequency.time_of(state.cycles + len);
        let thread = state.thread;
        self.w.threads[thread.index()].then = Then::InGuest;
        self.schedule_step(thread, end);
    }

    /// Cycles since the epoch that are over by now.
    pub(crate) fn guest_cycles(&self, vcpu: VcpuId) -> Cycles {
        let state = &self.w.vcpus[vcpu.index()];
        self.frequency.cycles_in(self.now().since(state.epoch))
    }

    /// The scheduled end of a guest stretch has come.
    pub(crate) fn guest_stretch_over(&mut self, vcpu: VcpuId) -> Flow {
        let position = self.guest_cycles(vcpu);
        let state = &mut self.w.vcpus[vcpu.index()];
        state.cycles = position;
        match std::mem::replace(&mut state.running, Running::Nothing) {
            Running::User => self.finish_burst(vcpu),
            Running::Kernel => {
                if let Some(frame) = state.frames.last_mut() {
                    frame.remaining = Cycles::ZERO;
                }
            }
            Running::Nothing => {}
        }
        self.guest_run(vcpu)
    }

    /// Stops the guest's stretch in the middle: what was done counts, the rest waits.
    fn pause_guest(&mut self, vcpu: VcpuId) {
        let position = self.guest_cycles(vcpu);
        let state = &mut self.w.vcpus[vcpu.index()];
        match std::mem::replace(&mut state.running, Running::Nothing) {
            Running::User => {
                self.cut_burst(vcpu);
                self.end_user(vcpu);
            }
            Running::Kernel => {
                let done = position.saturating_sub(state.cycles);
                if let Some(frame) = state.frames.last_mut() {
                    frame.remaining = frame.remaining.saturating_sub(done);
                }
            }
            Running::Nothing => {}
        }
    }

    /// The guest leaves guest mode by itself; the host works for `cost`, then does `then`.
    pub(crate) fn leave_guest(
        &mut self,
        vcpu: VcpuId,
        reason: ExitReason,
        cost: SimDuration,
        then: Then,
    ) -> Flow {
        self.end_user(vcpu);
        self.w.vcpus[vcpu.index()].in_guest = false;
        self.emit(Event::KvmExit { vcpu, reason });
        Flow::Spend(cost, then)
    }

    /// Takes a vCPU out of guest mode from outside: an interrupt or another thread's kick.
    pub(crate) fn force_exit(&mut self, vcpu: VcpuId, reason: ExitReason) {
        if !self.w.vcpus[vcpu.index()].in_guest {
            return;
        }
        self.pause_guest(vcpu);
        let state = &mut self.w.vcpus[vcpu.index()];
        state.in_guest = false;
        let thread = state.thread;
        self.cancel_stretch(thread);
        self.emit(Event::KvmExit { vcpu, reason });
        let cost = match reason {
            ExitReason::ExternalInterrupt => self.w.prices.exit_interrupt.time,
            _ => self.w.prices.exit_light.time,
        };
        self.start_stretch(thread, cost, Then::TurnEnd);
    }

    pub(crate) fn force_exit_of_thread(&mut self, thread: ThreadId, reason: ExitReason) {
        if let ThreadKind::Vcpu(vcpu) = self.w.threads[thread.index()].kind {
            self.force_exit(vcpu, reason);
        }
    }

    /// Reports the time of the current task, of its own program, since it was last reported.
    pub(crate) fn end_user(&mut self, vcpu: VcpuId) {
        let current = self.w.vcpus[vcpu.index()].queue.current;
        self.end_user_of(vcpu, current);
    }
}
