//! What drops all items of a vCPU, or might, besides notices off: paging, system management mode,
//! reset, restore.

use crate::apf::defect::Defect;
use crate::apf::effect::{Decision, Effect, Effects};
use crate::apf::host::{HostHalf, HostVcpu};
use crate::apf::rules::{EnCommit, InitKeeps, KickUsedBy, MpStateWrite, PagingToggle};
use crate::apf::state::Apf;
use crate::base::ids::VcpuId;

impl Apf {
    pub(super) fn set_paging(&mut self, vcpu: VcpuId, on: bool, effects: &mut Effects) {
        if self.vcpu(vcpu).paging == on {
            effects.push(Effect::Decide(Decision::Retry));
            return;
        }
        self.vcpu_mut(vcpu).paging = on;
        self.paging_toggled(vcpu, on, effects);
    }

    /// The host puts the guest into its handler itself, without the code of a write to CR0. The
    /// interrupt ends any halt before (`kvm_vcpu_has_events`).
    pub(super) fn enter_smm(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        let state = self.vcpu_mut(vcpu);
        assert!(!state.smm, "{vcpu} is in system management mode");
        (state.smm, state.paging) = (true, false);
        if state.hlt || state.halted.is_some() {
            self.leave_halts(vcpu, effects);
        }
    }

    /// RSM writes CR0 through that code, twice.
    pub(super) fn leave_smm(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        let state = self.vcpu_mut(vcpu);
        assert!(state.smm, "{vcpu} is not in system management mode");
        (state.smm, state.paging) = (false, true);
        self.paging_toggled(vcpu, true, effects);
    }

    fn paging_toggled(&mut self, vcpu: VcpuId, on: bool, effects: &mut Effects) {
        assert!(self.vcpu(vcpu).operation.is_none(), "{vcpu} is inside an operation");
        let defect = self.has(Defect::DropOnPagingToggle);
        let toggle = if defect { PagingToggle::DropsItems } else { self.rules.paging_toggle };
        match toggle {
            PagingToggle::Nothing => effects.push(Effect::Decide(Decision::Retry)),
            PagingToggle::DropsItems => self.begin_clear(vcpu, effects),
            PagingToggle::RequestsScan => {
                let scan = on && self.notices_on(vcpu);
                self.vcpu_mut(vcpu).ready_request |= scan;
                effects.push(Effect::Decide(Decision::Retry));
            }
        }
    }

    /// `kvm_vcpu_reset` after INIT: registers and local APIC as after power-on, which leaves the
    /// latter off. What else it leaves is a rule.
    pub(super) fn reset(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        assert!(self.vcpu(vcpu).operation.is_none(), "{vcpu} is inside an operation");
        self.guest.cr2[vcpu.index()] = None;
        let (keeps, used_by) = (self.rules.init_keeps, self.rules.kick_used_by);
        self.forget_area(vcpu);
        let derived = self.rules.en_commit == EnCommit::AfterValidation;
        let state = self.vcpu_mut(vcpu);
        state.en = 0;
        if derived {
            state.asked = 0;
        }
        (state.halted, state.hlt) = (None, false);
        if used_by == KickUsedBy::HltOrReady {
            // The vCPU is made runnable, by INIT itself or by the SIPI that follows.
            state.pv_kicked = false;
        }
        state.pending.clear();
        if keeps < InitKeeps::HaltRequest {
            state.halt_request = None;
        }
        if keeps < InitKeeps::RequestsAndAcknowledgement {
            (state.vector, state.ready_request, state.unacknowledged) = (0, false, false);
        }
        (state.lapic.requested, state.lapic.in_service) = (None, None);
        (state.lapic.enabled, state.paging, state.smm) = (false, false, false);
        self.begin_clear(vcpu, effects);
    }

    /// Of the protocol the VMM writes EN and INT, which drops the items, and the state of HLT. The
    /// artificial halt and requests have no register; whether the write of the state ends the halt
    /// is a rule.
    pub(super) fn vmm_reset(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        assert!(self.vcpu(vcpu).operation.is_none(), "{vcpu} is inside an operation");
        self.guest.cr2[vcpu.index()] = None;
        self.forget_area(vcpu);
        let derived = self.rules.en_commit == EnCommit::AfterValidation;
        let uses_kick = self.rules.kick_used_by == KickUsedBy::HltOrReady;
        let ends_halt = self.rules.mp_state_write == MpStateWrite::EndsHalt;
        let state = self.vcpu_mut(vcpu);
        (state.en, state.vector, state.hlt) = (0, 0, false);
        if derived {
            state.asked = 0;
        }
        state.pv_kicked &= !uses_kick;
        (state.blocked, state.woken) = (false, false);
        state.pending.clear();
        (state.lapic.requested, state.lapic.in_service) = (None, None);
        (state.lapic.enabled, state.paging, state.smm) = (false, false, false);
        if ends_halt {
            (state.halted, state.halt_request) = (None, None);
        }
        self.begin_clear(vcpu, effects);
    }

    /// The VMM saves the guest's memory, pending exceptions, HLT and the local APIC. Items, the
    /// counter of tokens, halts and what is not acknowledged exist on the old host only. The
    /// registers it may write afterwards.
    pub(super) fn restore(&mut self, effects: &mut Effects) {
        for (item, _) in self.host.items.works() {
            effects.push(Effect::CancelWork { item });
        }
        let fresh = HostHalf::new(self.vcpus(), &self.rules);
        // The VMM of the destination is another process.
        self.renew_vmm();
        let old = std::mem::replace(&mut self.host, fresh);
        for (state, saved) in self.host.vcpus.iter_mut().zip(old.vcpus) {
            let HostVcpu { pending, hlt, lapic, paging, smm, .. } = saved;
            *state = HostVcpu { pending, hlt, lapic, paging, smm, ..state.clone() };
        }
    }
}
