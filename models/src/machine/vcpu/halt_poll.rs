//! Polling in HLT before the vCPU thread sleeps (`kvm_vcpu_halt`, `virt/kvm/kvm_main.c`, Linux 6.12,
//! from memory). The thread looks again and again whether the vCPU may run, for a time that follows how
//! long the last halts were, and only as long as nobody else wants its processor.
//!
//! The artificial halt is not polled for: since 5.17 it blocks without `kvm_vcpu_halt`, and recorded
//! logs of 6.12 show no `kvm_vcpu_wakeup` for it. Older kernels polled in both.

use sim_core::{EventQueue, SimDuration};

use crate::base::ids::{PcpuId, ThreadId, VcpuId};
use crate::base::record::Event;
use crate::machine::Cx;
use crate::machine::event::MachineEvent;
use crate::machine::host::scheduler::Flow;
use crate::machine::world::{Then, ThreadState};

/// First time, and the shortest one (`halt_poll_ns_grow_start`).
const START: SimDuration = SimDuration::from_us(10);
/// What it grows and shrinks by (`halt_poll_ns_grow`, `halt_poll_ns_shrink`).
const FACTOR: u64 = 2;

/// For how long the next halt is polled, after one of `halted` that was polled for `now`.
fn next_poll(now: SimDuration, halted: SimDuration, most: SimDuration) -> SimDuration {
    if halted <= now {
        return now;
    }
    if !now.is_zero() && halted > most {
        let less = now.divided_by(FACTOR);
        return if less < START { SimDuration::ZERO } else { less };
    }
    if now < most && halted < most { now.times(FACTOR).max(START) } else { now }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Polls instead of going to sleep, if that is due now.
    pub(crate) fn poll_in_halt(&mut self, vcpu: VcpuId, thread: ThreadId) -> Option<Flow> {
        let most = self.w.config.host.kernel.halt_poll;
        let state = &mut self.w.vcpus[vcpu.index()];
        state.halt_poll = state.halt_poll.min(most);
        let pcpu = self.w.threads[thread.index()].pcpu;
        // `single_task_running`
        let alone = self.w.pcpus[pcpu.index()].queue.running() <= 1;
        let span = self.w.vcpus[vcpu.index()].halt_poll;
        (alone && !span.is_zero()).then_some(Flow::Spend(span, Then::HaltPoll))
    }

    /// A vCPU thread that polls sees what would have woken it, at once or when it runs again.
    pub(crate) fn end_polled_halt(&mut self, thread: ThreadId) {
        let state = &mut self.w.threads[thread.index()];
        if state.then != Then::HaltPoll {
            return;
        }
        if state.state == ThreadState::Running {
            self.cancel_stretch(thread);
            self.start_stretch(thread, SimDuration::ZERO, Then::Unblocked);
        } else {
            (state.then, state.remaining) = (Then::Unblocked, SimDuration::ZERO);
        }
    }

    /// Somebody else wants the processor: who polls there goes to sleep.
    pub(crate) fn stop_polling_on(&mut self, pcpu: PcpuId) {
        let Some(current) = self.w.pcpus[pcpu.index()].queue.current.map(ThreadId) else { return };
        if self.w.threads[current.index()].then == Then::HaltPoll {
            self.cancel_stretch(current);
            self.start_stretch(current, SimDuration::ZERO, Then::HaltPoll);
        }
    }

    /// A halt is over: the next one is polled for longer or shorter.
    pub(crate) fn learn_from_halt(&mut self, vcpu: VcpuId, halted: SimDuration) {
        let most = self.w.config.host.kernel.halt_poll;
        if most.is_zero() {
            return;
        }
        let old = self.w.vcpus[vcpu.index()].halt_poll;
        let new = next_poll(old, halted, most);
        if new != old {
            self.w.vcpus[vcpu.index()].halt_poll = new;
            self.emit(Event::KvmHaltPollNs { vcpu, grow: new > old, new, old });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polling_follows_the_length_of_halts() {
        let us = SimDuration::from_us;
        let most = us(200);
        let grows = |now, halted| next_poll(us(now), us(halted), most);
        assert_eq!(grows(0, 150), us(10));
        assert_eq!(grows(10, 150), us(20));
        assert_eq!(grows(160, 199), us(320));
        // Polled with success, or too long for polling to help.
        assert_eq!(grows(80, 80), us(80));
        assert_eq!(grows(0, 201), us(0));
        assert_eq!(grows(80, 201), us(40));
        assert_eq!(grows(10, 201), us(0));
        assert_eq!(grows(80, 200), us(80));
    }
}
