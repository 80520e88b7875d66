//! Page ready as interrupt: raising it in the local APIC, and the entry that injects it.

use crate::apf::defect::Defect;
use crate::apf::effect::{Effect, Effects};
use crate::apf::rules::LapicEnable;
use crate::apf::state::Apf;
use crate::base::abi::FIRST_INTERRUPT;
use crate::base::ids::{Token, VcpuId};
use crate::base::record::Event;

impl Apf {
    /// Puts the token into its slot and raises the interrupt.
    pub(super) fn send_interrupt(&mut self, vcpu: VcpuId, token: Token, effects: &mut Effects) {
        if !self.write_slot(vcpu, token, effects) {
            return;
        }
        let state = self.vcpu_mut(vcpu);
        state.unacknowledged = true;
        let vector = state.vector;
        if !state.lapic.in_kernel {
            effects.push(Effect::NullLapic { vcpu });
        } else if state.lapic.enabled && vector >= FIRST_INTERRUPT {
            state.lapic.requested = Some(vector);
            effects.push(Effect::Raised { vcpu, vector });
        } else {
            effects.push(Effect::InterruptRefused { vcpu, vector });
        }
        effects.push(Effect::Emit(Event::PageReadyQueued { vcpu, token }));
    }

    pub(super) fn inject_interrupt(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        let vector = self.ready_interrupt(vcpu).expect("an interrupt waits for injection");
        let lapic = &mut self.vcpu_mut(vcpu).lapic;
        lapic.requested = None;
        lapic.in_service = Some(vector);
        self.guest.in_handler[vcpu.index()] = true;
        effects.push(Effect::Emit(Event::KvmInjVirq { vcpu, vector }));
        effects.push(Effect::InterruptInjected { vcpu, vector });
    }

    pub(super) fn set_lapic(&mut self, vcpu: VcpuId, enabled: bool) {
        let scan = self.rules.lapic_enable == LapicEnable::RequestsScan
            && !self.has(Defect::NoScanOnLapicEnable);
        let state = self.vcpu_mut(vcpu);
        if enabled && !state.lapic.enabled && scan {
            state.ready_request = true;
        }
        state.lapic.enabled = enabled;
    }
}
