//! Sleeping in the host, and polling in HLT before it (`kvm_vcpu_halt`, `virt/kvm/kvm_main.c`,
//! 6.12.117). The thread looks again and again whether the vCPU may run, for a time that
//! follows how long the last halts were, and only as long as nobody else wants its processor.
//!
//! The artificial halt is not polled for: since 5.17 it blocks without `kvm_vcpu_halt`, and recorded
//! logs of 6.12 show no `kvm_vcpu_wakeup` for it. Older kernels polled in both (`kvm_vcpu_block`,
//! 5.10.262), which the model does not have.

use sim_core::{EventQueue, SimDuration};

use crate::base::ids::VcpuId;
use crate::base::record::{BlockReason, Event};
use crate::config::StealClock;
use crate::machine::world::{Cx, Flow, MachineEvent, Then, thread_of};

/// First time, and the shortest one (`halt_poll_ns_grow_start`).
const START: SimDuration = SimDuration::from_us(10);
/// What it grows by (`halt_poll_ns_grow`).
const GROW: u64 = 2;

/// For how long the next halt is polled, after one of `halted` that was polled for `now`.
fn next_poll(now: SimDuration, halted: SimDuration, most: SimDuration, shrink: u32) -> SimDuration {
    if halted <= now {
        return now;
    }
    if !now.is_zero() && halted > most {
        let less = if shrink == 0 { SimDuration::ZERO } else { now.divided_by(shrink.into()) };
        return if less < START { SimDuration::ZERO } else { less };
    }
    if now < most && halted < most { now.times(GROW).max(START) } else { now }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Polls instead of going to sleep, if that is due now.
    pub(super) fn poll_in_halt(&mut self, vcpu: VcpuId) -> Option<Flow> {
        let most = self.w.setup.config.host.kernel.halt_poll;
        let state = &mut self.w.kvm.of[vcpu.index()];
        state.halt_poll = state.halt_poll.min(most);
        let span = state.halt_poll;
        let alone = self.w.host.is_alone(thread_of(vcpu));
        (alone && !span.is_zero()).then_some(Flow::Spend(span, Then::HaltPoll))
    }

    /// A halt is over: the next one is polled for longer or shorter.
    fn learn_from_halt(&mut self, vcpu: VcpuId, halted: SimDuration) {
        let kernel = &self.w.setup.config.host.kernel;
        let (most, shrink) = (kernel.halt_poll, kernel.halt_poll_shrink);
        if most.is_zero() {
            return;
        }
        let old = self.w.kvm.of[vcpu.index()].halt_poll;
        let new = next_poll(old, halted, most, shrink);
        if new != old {
            self.w.kvm.of[vcpu.index()].halt_poll = new;
            self.emit(Event::KvmHaltPollNs { vcpu, grow: new > old, new, old });
        }
    }

    /// A vCPU thread is about to sleep in the host.
    pub(in crate::machine) fn vcpu_sleeps(&mut self, vcpu: VcpuId, reason: BlockReason) {
        let now = self.now();
        self.w.kvm.of[vcpu.index()].blocked = Some((reason, now));
        self.emit(Event::VcpuBlock { vcpu, reason });
    }

    /// A vCPU thread runs again after sleeping in the host.
    pub(in crate::machine) fn vcpu_wakes(&mut self, vcpu: VcpuId) {
        let now = self.now();
        let every = self.w.setup.guest(vcpu).steal_clock == StealClock::Every;
        let state = &mut self.w.kvm.of[vcpu.index()];
        let Some((reason, since)) = state.blocked.take() else { return };
        if every && reason != BlockReason::Hlt {
            state.stolen += now.since(since);
        }
        self.emit(Event::VcpuUnblock { vcpu, reason });
        if reason == BlockReason::Hlt {
            self.learn_from_halt(vcpu, now.since(since));
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
        let grows = |now, halted| next_poll(us(now), us(halted), most, 2);
        assert_eq!(grows(0, 150), us(10));
        assert_eq!(grows(10, 150), us(20));
        assert_eq!(grows(160, 199), us(320));
        // Polled with success, or too long for polling to help.
        assert_eq!(grows(80, 80), us(80));
        assert_eq!(grows(0, 201), us(0));
        assert_eq!(grows(80, 201), us(40));
        assert_eq!(grows(10, 201), us(0));
        assert_eq!(grows(80, 200), us(80));
        // In 6.6.87 and before it began anew.
        assert_eq!(next_poll(us(80), us(201), most, 0), us(0));
    }
}
