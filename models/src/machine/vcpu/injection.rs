//! Putting an exception or interrupt into the guest, and doing it again.
//!
//! An event is written into the control block of the vCPU, and delivered by the entry. Twice it may be
//! that it is not: the entry is cancelled, because meanwhile somebody else should run or asks the vCPU
//! for something (`kvm_vcpu_exit_request`, `cancel_injection`); or the delivery itself exits, because
//! the page through which the guest takes events is not mapped (IDT vectoring). Either way the host
//! keeps the event, and injects it again before anything else (`[reinjected]` in kernel traces). Until
//! then no fault is asynchronous and no page ready comes as an exception.

use sim_core::{EventQueue, SimDuration};

use crate::base::abi::PAGE_FAULT;
use crate::base::ids::{Gfn, VcpuId};
use crate::base::record::Event;
use crate::config::EventPages;
use crate::machine::KERNEL_FRAMES;
use crate::machine::world::{
    Cx, Flow, GuestEntry, GuestExit, Hypervisor, MachineEvent, Then, thread_of,
};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The host's work for an exception or interrupt that the next entry injects, where that has a
    /// cost of its own; the loop begins again after it.
    pub(super) fn prepare_injection(&mut self, vcpu: VcpuId) -> Option<Flow> {
        let cost = self.w.setup.prices.inject_host.time;
        let prepared = std::mem::take(&mut self.w.kvm.of[vcpu.index()].injection_prepared);
        if cost.is_zero() || prepared {
            return None;
        }
        let injects = self.w.kvm.of[vcpu.index()].delivering.is_some()
            || self.w.protocol.apf(vcpu).pending_exception(vcpu).is_some()
            || (self.interrupt_pending(vcpu) && self.interrupts_on(vcpu));
        self.w.kvm.of[vcpu.index()].injection_prepared = injects;
        injects.then_some(Flow::Spend(cost, Then::Enter))
    }

    /// Injects what waits first, and enters the guest, at once or when the time between is over.
    pub(super) fn inject_and_enter(&mut self, vcpu: VcpuId) -> Flow {
        let window = self.w.setup.prices.inject_window.time;
        let thread = thread_of(vcpu);
        if !window.is_zero() && self.w.host.is_to_give_way(thread) {
            // Before the injection it gives way (`xfer_to_guest_mode_handle_work`), and begins again.
            self.w.kvm.of[vcpu.index()].injection_prepared = true;
            self.start_stretch(thread, SimDuration::ZERO, Then::Enter);
            return Flow::Stopped;
        }
        self.inject(vcpu);
        let state = &mut self.w.kvm.of[vcpu.index()];
        if state.delivering.is_none() || window.is_zero() {
            return self.enter_delivering(vcpu);
        }
        state.cancel_entry = false;
        Flow::Spend(window, Then::EnterInjected)
    }

    fn inject(&mut self, vcpu: VcpuId) {
        if let Some(vector) = self.w.kvm.of[vcpu.index()].delivering {
            self.emit(Event::KvmReinject { vcpu, vector });
        } else if self.w.protocol.apf(vcpu).pending_exception(vcpu).is_some() {
            if let Some(token) = self.inject_exception(vcpu) {
                self.inject_page_fault(vcpu, token);
                self.w.kvm.of[vcpu.index()].delivering = Some(PAGE_FAULT);
            }
        } else if self.interrupt_pending(vcpu) && self.interrupts_on(vcpu) {
            let vector = self.inject_interrupt(vcpu);
            self.w.kvm.of[vcpu.index()].delivering = vector;
        }
    }

    /// The last look before the entry: it is cancelled if somebody asks the vCPU for something, or its
    /// thread has lost the processor since the injection.
    pub(in crate::machine) fn enter_injected(&mut self, vcpu: VcpuId) -> Flow {
        let requested = self.w.protocol.apf(vcpu).vcpu(vcpu).ready_request;
        let state = &mut self.w.kvm.of[vcpu.index()];
        if std::mem::take(&mut state.cancel_entry) || state.flush_tlb || requested {
            return Flow::Spend(SimDuration::ZERO, Then::TurnEnd);
        }
        self.enter_delivering(vcpu)
    }

    /// Enters the guest. An event that needs a page which is not mapped exits again at once.
    fn enter_delivering(&mut self, vcpu: VcpuId) -> Flow {
        let delivers = self.w.kvm.of[vcpu.index()].delivering.is_some();
        if delivers && self.w.setup.guest(vcpu).event_pages == EventPages::Reclaimable {
            let gfn = event_page(vcpu);
            if !self.maps(vcpu, gfn, true) {
                self.emit(Event::KvmEntry { vcpu });
                let cpl = self.program_cpl(vcpu);
                let flow =
                    self.exit(vcpu, GuestExit::EptViolation { gfn, write: true, cpl, walk: false });
                // The handler has not begun, and what it interrupts lets interrupts in.
                let state = &mut self.w.kvm.of[vcpu.index()];
                if let Some(walk) = &mut state.walk {
                    walk.interrupts_on = true;
                } else if let Some(fault) = &mut state.fault {
                    fault.interrupts_on = true;
                }
                return flow;
            }
            if self.w.setup.has_accessed_bits() {
                self.w.host.set_accessed(self.w.setup.vm(vcpu), &[gfn]);
            }
        }
        self.w.kvm.of[vcpu.index()].delivering = None;
        self.enter_guest(vcpu)
    }
}

/// The frame through which a vCPU takes exceptions and interrupts: its entry stack. The frames that the
/// guest's kernel keeps for itself are used from their end.
fn event_page(vcpu: VcpuId) -> Gfn {
    Gfn(KERNEL_FRAMES - 1 - u64::from(vcpu.0) % (KERNEL_FRAMES - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vcpu_has_a_frame_of_the_kernels() {
        let frames: Vec<u64> = (0..255).map(|v| event_page(VcpuId(v)).0).collect();
        assert!(frames.iter().all(|frame| (1..KERNEL_FRAMES).contains(frame)));
        assert!(frames.windows(2).all(|two| two[1] + 1 == two[0]));
    }
}
