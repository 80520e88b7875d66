//! What the guest half reaches of the host: exits from guest mode, interrupts to vCPUs, the second
//! stage, stolen time.

use sim_core::{EventQueue, SimDuration, SimTime};

use super::state::Fault;
use crate::base::abi::{KERNEL_MAP, MSR_TSC_DEADLINE, PF_GUEST_TABLE, PF_PRESENT, PF_WRITE};
use crate::base::ids::{Gfn, Gva, StoreId, VcpuId};
use crate::base::record::{BlockReason, Event, ExitReason};
use crate::machine::world::{
    BalloonQueue, Cx, Flow, FreshFault, GuestEntry, GuestExit, Hypervisor, MachineEvent, Then,
    thread_of,
};
use crate::parts::memory::pages::Backing;
use crate::parts::memory::shadow::Side;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    fn light_exit(&mut self, vcpu: VcpuId, reason: ExitReason, then: Then) -> Flow {
        let cost = self.w.setup.prices.exit_light.time;
        self.leave_guest(vcpu, reason, cost, then)
    }

    fn ept_violation(&mut self, vcpu: VcpuId, (gfn, cpl): (Gfn, u8), error_code: u64) -> Flow {
        let interrupts_on = self.interrupts_on(vcpu);
        let write = error_code & u64::from(PF_WRITE) != 0;
        let (gva, side) = (Gva(gfn.gpa().0), Side::Program);
        self.w.kvm.of[vcpu.index()].fault =
            Some(Fault { gfn, gva, side, write, cpl, interrupts_on, joins: false });
        let present = self.w.host.maps(self.w.setup.page(vcpu, gfn), false);
        let prices = &self.w.setup.prices;
        let cost = prices.exit_hw.time + prices.apf_detect.time;
        // Without tables of the processor's for the guest's memory, its #PF exits (`nonpaging_page_fault`).
        let reason = match self.w.setup.is_shadow() {
            true => ExitReason::PageFault,
            false => ExitReason::EptViolation,
        };
        let flow = self.leave_guest(vcpu, reason, cost, Then::FaultLookup);
        let error_code = error_code | if present { PF_PRESENT.into() } else { 0 };
        self.emit(Event::KvmPageFault { vcpu, address: gfn.gpa(), error_code, cpl });
        flow
    }

    /// The interrupt window opens: the host injects at the next entry. A machine without a cost of its
    /// own for it traces it as any exit for an interrupt.
    fn interrupt_window(&mut self, vcpu: VcpuId) -> Flow {
        let prices = &self.w.setup.prices;
        let saves = prices.window_saves.time;
        let cost = prices.exit_light.time.saturating_sub(saves);
        let reason = match saves.is_zero() {
            true => ExitReason::ExternalInterrupt,
            false => ExitReason::InterruptWindow,
        };
        self.leave_guest(vcpu, reason, cost, Then::TurnEnd)
    }

    fn acknowledge(&mut self, vcpu: VcpuId) -> Flow {
        let prices = &self.w.setup.prices;
        let cost = prices.exit_light.time.saturating_sub(prices.msr_return.time);
        self.leave_guest(vcpu, ExitReason::MsrWrite, cost, Then::WriteAck)
    }
}

impl<Q: EventQueue<MachineEvent>> Hypervisor for Cx<'_, Q> {
    fn exit(&mut self, vcpu: VcpuId, exit: GuestExit) -> Flow {
        match exit {
            GuestExit::ShadowFault { gva, write, cpl } => {
                self.shadow_fault(vcpu, (gva, None), write, cpl)
            }
            GuestExit::WriteCr3 { space, keep } => {
                self.w.kvm.of[vcpu.index()].writes_cr3 = Some((space, keep));
                self.light_exit(vcpu, ExitReason::CrAccess, Then::WriteCr3)
            }
            GuestExit::EptViolation { gfn, write, cpl, .. } if self.w.host.shadow().is_some() => {
                let gva = Gva(KERNEL_MAP + gfn.gpa().0);
                self.shadow_fault(vcpu, (gva, Some(gfn)), write, cpl)
            }
            GuestExit::EptViolation { gfn, write, cpl, walk } => {
                let write = if write { PF_WRITE.into() } else { 0 };
                let stage = if walk { PF_GUEST_TABLE } else { 0 };
                self.ept_violation(vcpu, (gfn, cpl), write | stage)
            }
            GuestExit::Hlt => {
                self.emulate_halt(vcpu);
                self.light_exit(vcpu, ExitReason::Hlt, Then::TurnEnd)
            }
            GuestExit::InterruptWindow => self.interrupt_window(vcpu),
            GuestExit::WriteEn => self.light_exit(vcpu, ExitReason::MsrWrite, Then::WriteEn),
            GuestExit::ClearEn => self.light_exit(vcpu, ExitReason::MsrWrite, Then::ClearEn),
            GuestExit::RefusedEn => self.light_exit(vcpu, ExitReason::MsrWrite, Then::RefusedEn),
            GuestExit::WriteAck => self.acknowledge(vcpu),
            GuestExit::WriteDeadline => self.light_exit(vcpu, ExitReason::MsrWrite, Then::ArmTimer),
            GuestExit::StopTimer => {
                self.emit(Event::KvmMsrWrite { vcpu, ecx: MSR_TSC_DEADLINE, data: 0 });
                self.light_exit(vcpu, ExitReason::MsrWrite, Then::TurnEnd)
            }
            GuestExit::ApicWrite => self.light_exit(vcpu, ExitReason::ApicAccess, Then::TurnEnd),
            GuestExit::SendCalls => self.light_exit(vcpu, ExitReason::ApicAccess, Then::SendCalls),
            GuestExit::NotifyBalloon => {
                self.light_exit(vcpu, ExitReason::EptMisconfig, Then::NotifyBalloon)
            }
            GuestExit::WriteDevice => {
                let prices = &self.w.setup.prices;
                let cost = prices.exit_light.time + prices.vmm_exit.time + prices.vmm_run.time;
                self.leave_guest(vcpu, ExitReason::EptMisconfig, cost, Then::TurnEnd)
            }
            GuestExit::Rsm => self.light_exit(vcpu, ExitReason::Rsm, Then::LeaveSmm),
        }
    }

    fn interrupt(&mut self, vcpu: VcpuId) {
        let state = &self.w.kvm.of[vcpu.index()];
        if state.in_guest {
            // One that acts right now sees the interrupt by itself before it goes on.
            if self.is_executing(vcpu) && self.interrupts_on(vcpu) {
                self.force_exit(vcpu, ExitReason::ExternalInterrupt);
            }
        } else if matches!(state.blocked, Some((BlockReason::Hlt | BlockReason::ApfHalt, _))) {
            self.wake_thread(thread_of(vcpu));
        } else {
            self.cancel_entry(vcpu);
        }
    }

    fn in_guest_mode(&self, vcpu: VcpuId) -> bool {
        self.w.kvm.of[vcpu.index()].in_guest
    }

    fn maps(&self, vcpu: VcpuId, gfn: Gfn, write: bool) -> bool {
        self.w.host.reaches(self.w.setup.page(vcpu, gfn), Side::Kernel, write)
    }

    fn plan_fresh_fault(&self, vcpu: VcpuId, gfn: Gfn, exits: SimTime) -> Option<FreshFault> {
        self.plan_usual_fault(vcpu, gfn, exits)
    }

    fn fresh_fault(&mut self, vcpu: VcpuId, gfn: Gfn, fault: FreshFault) {
        self.usual_fault(vcpu, gfn, fault);
    }

    fn is_past(&self, vcpu: VcpuId, gfn: Gfn) -> bool {
        let page = self.w.setup.page(vcpu, gfn);
        match self.w.host.shadow() {
            // The host reads them where they are.
            Some(shadow) if shadow.is_table(gfn) => self.w.host.backing(page) == Backing::Resident,
            _ => self.w.host.maps(page, false),
        }
    }

    fn make_private(&mut self, vcpu: VcpuId, gfn: Gfn) {
        self.w.host.make_private(self.w.setup.page(vcpu, gfn));
    }

    fn keep_resident(&mut self, vcpu: VcpuId, gfn: Gfn) {
        self.w.host.keep_resident(self.w.setup.page(vcpu, gfn));
    }

    fn store(&mut self, vcpu: VcpuId, gfn: Gfn, store: StoreId) {
        self.w.host.store_page(self.w.setup.page(vcpu, gfn), store);
    }

    fn bring_ahead(&mut self, vcpu: VcpuId, gfn: Gfn, store: StoreId) {
        self.w.host.bring_ahead(self.w.setup.page(vcpu, gfn), store);
    }

    fn cannot_read(&mut self, vcpu: VcpuId, gfn: Gfn, store: StoreId) {
        self.w.host.cannot_read(self.w.setup.page(vcpu, gfn), store);
    }

    fn offer_to_balloon(&mut self, vcpu: VcpuId, queue: BalloonQueue, frames: &[Gfn]) {
        self.w.host.put_into_balloon_queue(self.w.setup.vm(vcpu), queue, frames);
    }

    fn set_accessed(&mut self, vcpu: VcpuId, frames: &[Gfn]) {
        self.w.host.set_accessed(self.w.setup.vm(vcpu), frames);
    }

    fn take_stolen(&mut self, vcpu: VcpuId) -> SimDuration {
        std::mem::take(&mut self.w.kvm.of[vcpu.index()].stolen)
    }
}
