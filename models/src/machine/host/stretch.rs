//! Stretches of a thread's work, and polls of halted vCPUs.

use sim_core::{EventQueue, SimDuration, SimTime};

use super::state::Host;
use super::thread::ThreadState;
use crate::base::ids::{PcpuId, ThreadId};
use crate::machine::world::{Cx, MachineEvent, Then};

impl Host {
    /// A stretch of a running thread begins.
    #[inline]
    pub(in crate::machine) fn note_stretch(
        &mut self,
        thread: ThreadId,
        now: SimTime,
        span: SimDuration,
        then: Then,
    ) {
        let state = &mut self.threads[thread.index()];
        (state.remaining, state.since, state.then) = (span, now, then);
    }

    /// Whether no processor is to change threads.
    #[inline]
    pub(in crate::machine) fn nobody_gives_way(&self) -> bool {
        self.resched.is_empty()
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Begins a stretch of the running thread, and schedules its end.
    pub(in crate::machine) fn start_stretch(
        &mut self,
        thread: ThreadId,
        span: SimDuration,
        then: Then,
    ) {
        let now = self.now();
        self.w.host.note_stretch(thread, now, span, then);
        self.schedule_step(thread, now + span);
    }

    /// The running thread is in guest mode: its stretches are the guest's.
    pub(in crate::machine) fn is_in_guest_mode(&mut self, thread: ThreadId) {
        self.w.host.threads[thread.index()].then = Then::InGuest;
    }

    /// A vCPU thread that polls sees what would have woken it, at once or when it runs again.
    pub(super) fn end_polled_halt(&mut self, thread: ThreadId) {
        let state = &mut self.w.host.threads[thread.index()];
        if state.then != Then::HaltPoll {
            return;
        }
        if state.state == ThreadState::Running {
            self.cancel_step(thread);
            self.start_stretch(thread, SimDuration::ZERO, Then::Unblocked);
        } else {
            (state.then, state.remaining) = (Then::Unblocked, SimDuration::ZERO);
        }
    }

    /// Somebody else wants the processor: who polls there goes to sleep.
    pub(super) fn stop_polling_on(&mut self, pcpu: PcpuId) {
        let Some(current) = self.w.host.pcpus[pcpu.index()].queue.current.map(ThreadId) else {
            return;
        };
        if self.w.host.threads[current.index()].then == Then::HaltPoll {
            self.cancel_step(current);
            self.start_stretch(current, SimDuration::ZERO, Then::HaltPoll);
        }
    }
}
