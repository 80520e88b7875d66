//! Putting an exception or interrupt into the guest, and doing it again.
//!
//! An event is written into the control block of the vCPU, and delivered by the entry. Twice it may be
//! that it is not: the entry is cancelled, because meanwhile somebody else should run or asks the vCPU
//! for something (`kvm_vcpu_exit_request`, `cancel_injection`); or the delivery itself exits, because
//! the page through which the guest takes events is not mapped (IDT vectoring). Either way the host
//! keeps the event, and injects it again before anything else (`[reinjected]` in kernel traces). Until
//! then no fault is asynchronous and no page ready comes as an exception.

use sim_core::{EventQueue, SimDuration};

use crate::apf::HostInput;
use crate::base::ids::{Gfn, VcpuId};
use crate::base::record::Event;
use crate::config::EventPages;
use crate::machine::event::MachineEvent;
use crate::machine::host::scheduler::Flow;
use crate::machine::world::{GuestThen, Then};
use crate::machine::{Cx, KERNEL_FRAMES};

/// The vector of #PF.
pub(crate) const PAGE_FAULT: u8 = 14;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The host's work for an exception or interrupt that the next entry injects, where that has a
    /// cost of its own; the loop begins again after it.
    pub(crate) fn prepare_injection(&mut self, vcpu: VcpuId) -> Option<Flow> {
        let cost = self.w.prices.inject_host.time;
        let prepared = std::mem::take(&mut self.w.vcpus[vcpu.index()].injection_prepared);
        if cost.is_zero() || prepared {
            return None;
        }
        let injects = self.w.vcpus[vcpu.index()].delivering.is_some()
            || self.w.apf.pending_exception(vcpu).is_some()
            || (self.interrupt_pending(vcpu) && self.interrupts_on(vcpu));
        self.w.vcpus[vcpu.index()].injection_prepared = injects;
        injects.then_some(Flow::Spend(cost, Then::Enter))
    }

    /// Injects what waits first, and enters the guest, at once or when the time between is over.
    pub(crate) fn inject_and_enter(&mut self, vcpu: VcpuId) -> Flow {
        let window = self.w.prices.inject_window.time;
        let thread = self.w.vcpus[vcpu.index()].thread;
        if !window.is_zero() && self.w.resched.contains(&self.w.threads[thread.index()].pcpu) {
            // Before the injection it gives way (`xfer_to_guest_mode_handle_work`), and begins again.
            self.w.vcpus[vcpu.index()].injection_prepared = true;
            self.start_stretch(thread, SimDuration::ZERO, Then::Enter);
            return Flow::Stopped;
        }
        self.inject(vcpu);
        let state = &mut self.w.vcpus[vcpu.index()];
        if state.delivering.is_none() || window.is_zero() {
            return self.enter_delivering(vcpu);
        }
        state.cancel_entry = false;
        Flow::Spend(window, Then::EnterInjected)
    }

    fn inject(&mut self, vcpu: VcpuId) {
        if let Some(vector) = self.w.vcpus[vcpu.index()].delivering {
            self.emit(Event::KvmReinject { vcpu, vector });
        } else if self.w.apf.pending_exception(vcpu).is_some() {
            if let Some(token) = self.protocol(HostInput::Inject { vcpu }).injected {
                let prices = &self.w.prices;
                let cost = prices.inject_event.cycles + prices.guest_exception.cycles;
                self.push_frame(vcpu, cost, GuestThen::PageFault { token });
                self.w.vcpus[vcpu.index()].delivering = Some(PAGE_FAULT);
            }
        } else if self.interrupt_pending(vcpu) && self.interrupts_on(vcpu) {
            let vector = self.inject_interrupt(vcpu);
            self.w.vcpus[vcpu.index()].delivering = vector;
        }
    }

    /// The last look before the entry: it is cancelled if somebody asks the vCPU for something, or its
    /// thread has lost the processor since the injection.
    pub(crate) fn enter_injected(&mut self, vcpu: VcpuId) -> Flow {
        let requested = self.w.apf.vcpu(vcpu).ready_request;
        let state = &mut self.w.vcpus[vcpu.index()];
        if std::mem::take(&mut state.cancel_entry) || state.flush_tlb || requested {
            return Flow::Spend(SimDuration::ZERO, Then::TurnEnd);
        }
        self.enter_delivering(vcpu)
    }

    /// Cancels the entry of a vCPU that is about to deliver an event.
    pub(crate) fn cancel_entry(&mut self, vcpu: VcpuId) {
        let thread = self.w.vcpus[vcpu.index()].thread;
        if self.w.threads[thread.index()].then == Then::EnterInjected {
            self.w.vcpus[vcpu.index()].cancel_entry = true;
        }
    }

    /// Enters the guest. An event that needs a page which is not mapped exits again at once.
    fn enter_delivering(&mut self, vcpu: VcpuId) -> Flow {
        let delivers = self.w.vcpus[vcpu.index()].delivering.is_some();
        if delivers && self.w.config.guest.event_pages == EventPages::Reclaimable {
            let gfn = event_page(vcpu);
            if !self.w.memory.page(gfn).ept_mapped {
                self.emit(Event::KvmEntry { vcpu });
                let task = self.current_task(vcpu);
                let user = task.is_some_and(|task| !self.in_syscall(task));
                let flow = self.ept_violation(vcpu, gfn, true, if user { 3 } else { 0 });
                if let Some(fault) = &mut self.w.vcpus[vcpu.index()].fault {
                    // The handler has not begun, and what it interrupts lets interrupts in.
                    fault.interrupts_on = true;
                }
                return flow;
            }
            if self.w.config.cpu.ept_accessed_dirty {
                self.w.memory.page_mut(gfn).young = true;
            }
        }
        self.w.vcpus[vcpu.index()].delivering = None;
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
