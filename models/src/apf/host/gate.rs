//! The tests: may a fault go asynchronous, may the guest be told, may an item be dequeued
//! (`can_do_async_pf`, `kvm_can_deliver_async_pf`, `kvm_arch_can_dequeue_async_page_present`).

use crate::apf::defect::Defect;
use crate::apf::host::{FaultMemory, VcpuView};
use crate::apf::rules::{Gate, GuestMemfd, NoticesOn, ReadyGate, Tell, TryLine};
use crate::apf::state::Apf;
use crate::base::ids::VcpuId;

impl Apf {
    /// Whether the notices of a vCPU count as switched on.
    pub fn notices_on(&self, vcpu: VcpuId) -> bool {
        let state = self.vcpu(vcpu);
        match self.rules.notices_on {
            NoticesOn::AreaMapped => state.area.valid,
            NoticesOn::EnabledBit => state.enabled(),
            NoticesOn::EnabledAndInterruptBits => state.enabled() && state.interrupt_asked(),
        }
    }

    pub(super) fn fault_gate(&self, vcpu: VcpuId, view: VcpuView) -> bool {
        if self.has(Defect::IgnoreGate) {
            return true;
        }
        let overlooked = self.has(Defect::OverlookPendingException);
        let interrupts_on = view.interrupts_on || self.has(Defect::NotifyInterruptsOff);
        self.nothing_to_inject(vcpu, view, overlooked) && self.gate(vcpu, view, interrupts_on)
    }

    /// Whether a fault is served from guest_memfd by the vCPU thread: then no lookup is made and
    /// nothing is asked of the gate, not even shown (`kvm_mmu_faultin_pfn_gmem`).
    ///
    /// # Panics
    ///
    /// When the kernel has no such memory.
    pub fn is_served_from_guest_memfd(&self, memory: FaultMemory) -> bool {
        match (memory, self.rules.guest_memfd) {
            (FaultMemory::Vmm, _) => false,
            (FaultMemory::Private, GuestMemfd::Private) | (_, GuestMemfd::PrivateAndOnly) => true,
            (FaultMemory::Private, GuestMemfd::None)
            | (FaultMemory::GuestMemfdOnly, GuestMemfd::None | GuestMemfd::Private) => {
                panic!("{} has no memory of this kind: {memory:?}", self.rules.name)
            }
        }
    }

    /// Whether the host shows a lookup that found its page (`kvm_try_async_get_page` of 2010).
    pub fn shows_found(&self, vcpu: VcpuId, view: VcpuView) -> bool {
        self.rules.try_line == TryLine::EveryLookup && self.fault_gate(vcpu, view)
    }

    /// Whether nothing waits to be injected, for the first time or again.
    fn nothing_to_inject(&self, vcpu: VcpuId, view: VcpuView, overlooked: bool) -> bool {
        let pending = view.exception || !self.vcpu(vcpu).pending.is_empty();
        !view.reinjecting && (!pending || overlooked)
    }

    /// The gate without what waits to be injected.
    fn gate(&self, vcpu: VcpuId, view: VcpuView, interrupts_on: bool) -> bool {
        let state = self.vcpu(vcpu);
        let lapic = state.lapic.in_kernel;
        match self.rules.gate {
            Gate::UserOrAsked => {
                let allowed = if state.send_always() { interrupts_on } else { view.cpl > 0 };
                self.notices_on(vcpu) && allowed
            }
            Gate::QuietAndInterruptsOn => lapic && interrupts_on,
            Gate::AlsoNotNested => lapic && interrupts_on && self.nested_allowed(vcpu, view),
            Gate::AlsoTellableWithoutHltExits => {
                lapic && interrupts_on && (view.hlt_exits || self.can_tell(vcpu, view))
            }
        }
    }

    /// Whether the guest can be told not present now.
    pub(super) fn can_tell(&self, vcpu: VcpuId, view: VcpuView) -> bool {
        let tell = self.rules.tell;
        if tell == Tell::Everybody {
            return true;
        }
        let state = self.vcpu(vcpu);
        let readable = view.cpl_readable || tell < Tell::AlsoReadableCpl;
        let allowed =
            state.send_always() || (view.cpl > 0 && readable) || self.has(Defect::NotifyKernelMode);
        let nested = tell < Tell::AlsoNotNested || self.nested_allowed(vcpu, view);
        let paging = tell < Tell::AlsoPaging || view.nested || state.paging;
        self.notices_on(vcpu) && allowed && nested && paging
    }

    fn nested_allowed(&self, vcpu: VcpuId, view: VcpuView) -> bool {
        !view.nested || self.vcpu(vcpu).nested_exit() || self.has(Defect::IgnoreNested)
    }

    pub(super) fn ready_gate(&self, vcpu: VcpuId, view: VcpuView) -> bool {
        let overlooked = self.has(Defect::ReadyOverPendingException)
            || self.has(Defect::CancelMismatch)
            || self.rules.ready_gate == ReadyGate::DisabledOrGatePendingUnseen;
        let quiet = || self.nothing_to_inject(vcpu, view, overlooked);
        let disabled = !self.notices_on(vcpu);
        let lapic = self.vcpu(vcpu).lapic;
        match self.rules.ready_gate {
            ReadyGate::Quiet => quiet() && view.interrupts_on,
            ReadyGate::DisabledOrQuiet => disabled || (quiet() && view.interrupts_on),
            ReadyGate::DisabledOrGate | ReadyGate::DisabledOrGatePendingUnseen => {
                disabled || (quiet() && self.gate(vcpu, view, view.interrupts_on))
            }
            ReadyGate::DisabledOrSlotFree => disabled || self.slot_is_free(vcpu),
            ReadyGate::DisabledOrLapicOnAndSlotFree => {
                let on = lapic.enabled || self.has(Defect::IgnoreLapicState);
                disabled || (on && self.slot_is_free(vcpu))
            }
        }
    }
}
