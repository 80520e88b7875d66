//! Entering and leaving guest mode.

use sim_core::{EventQueue, SimDuration};

use crate::base::ids::{ThreadId, VcpuId, VmId};
use crate::base::record::{Event, ExitReason};
use crate::machine::host::ThreadKind;
use crate::machine::world::{Cx, Flow, GuestEntry, MachineEvent, Then, thread_of};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Enters guest mode and goes on with whatever the guest was doing.
    pub(super) fn enter_guest(&mut self, vcpu: VcpuId) -> Flow {
        self.w.kvm.of[vcpu.index()].in_guest = true;
        self.is_in_guest_mode(thread_of(vcpu));
        self.emit(Event::KvmEntry { vcpu });
        self.check_nothing_is_open(vcpu);
        self.enter(vcpu)
    }

    /// The guest leaves guest mode by itself; the host works for `cost`, then does `then`.
    pub(super) fn leave_guest(
        &mut self,
        vcpu: VcpuId,
        reason: ExitReason,
        cost: SimDuration,
        then: Then,
    ) -> Flow {
        self.leaves(vcpu);
        self.w.kvm.of[vcpu.index()].in_guest = false;
        self.emit(Event::KvmExit { vcpu, reason });
        Flow::Spend(cost, then)
    }

    /// Takes a vCPU out of guest mode from outside: an interrupt or another thread's kick.
    pub(in crate::machine) fn force_exit(&mut self, vcpu: VcpuId, reason: ExitReason) {
        if !self.w.kvm.of[vcpu.index()].in_guest {
            return;
        }
        self.pause(vcpu);
        self.w.kvm.of[vcpu.index()].in_guest = false;
        let thread = thread_of(vcpu);
        self.cancel_step(thread);
        self.emit(Event::KvmExit { vcpu, reason });
        let prices = &self.w.setup.prices;
        let cost = match reason {
            ExitReason::ExternalInterrupt => prices.exit_interrupt.time,
            _ => prices.exit_light.time,
        };
        self.start_stretch(thread, cost, Then::TurnEnd);
    }

    /// As [`Self::force_exit`], if the thread is that of a vCPU.
    pub(in crate::machine) fn force_exit_of_thread(
        &mut self,
        thread: ThreadId,
        reason: ExitReason,
    ) {
        if let ThreadKind::Vcpu(vcpu) = self.w.host.kind_of(thread) {
            self.force_exit(vcpu, reason);
        }
    }

    /// As [`Self::force_exit`], unless the guest acts at this instant: then it sees by itself what
    /// is asked of it.
    pub(in crate::machine) fn force_exit_if_executing(&mut self, vcpu: VcpuId, reason: ExitReason) {
        if self.w.kvm.of[vcpu.index()].in_guest && self.is_executing(vcpu) {
            self.force_exit(vcpu, reason);
        }
    }

    /// Cancels the entry of a vCPU that is about to deliver an event.
    pub(in crate::machine) fn cancel_entry(&mut self, vcpu: VcpuId) {
        if self.w.host.then_of(thread_of(vcpu)) == Then::EnterInjected {
            self.w.kvm.of[vcpu.index()].cancel_entry = true;
        }
    }

    /// `kvm_flush_remote_tlbs`: every vCPU of a virtual machine flushes before it enters again, those in guest mode are
    /// kicked out. Returns how many were kicked.
    pub(in crate::machine) fn flush_remote_tlbs(&mut self, vm: VmId) -> u64 {
        let mut kicked = 0;
        for vcpu in self.w.setup.vcpus_of(vm) {
            let state = &mut self.w.kvm.of[vcpu.index()];
            state.flush_tlb = true;
            if state.in_guest {
                kicked += 1;
                self.force_exit(vcpu, ExitReason::Kick);
            }
        }
        kicked
    }
}
