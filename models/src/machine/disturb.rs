//! Disturbances that a scenario asks for.

use sim_core::{EventQueue, SimDuration};

use super::Cx;
use super::event::MachineEvent;
use super::world::{Hotplug, Running, Then};
use crate::apf::{Decision, HostInput};
use crate::base::ids::VcpuId;
use crate::base::record::{Event, ExitReason};
use crate::config::{Disturbance, DisturbanceKind};
use crate::machine::host::scheduler::Flow;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The start barrier: disturbances of that very instant happen before the guest enables
    /// notices, others are scheduled.
    pub(crate) fn begin_disturbances(&mut self) {
        let config = self.w.config.clone();
        for (index, disturbance) in config.disturbances.iter().enumerate() {
            let index = index as u32;
            if disturbance.at.is_zero() {
                self.disturb(index);
            } else {
                let at = self.now() + disturbance.at;
                self.schedule(at, MachineEvent::Disturb(index));
            }
        }
    }

    pub(crate) fn disturb(&mut self, index: u32) {
        let Disturbance { vcpu, kind, every, .. } = self.w.config.disturbances[index as usize];
        if let Some(every) = every {
            let at = self.now() + every;
            self.schedule(at, MachineEvent::Disturb(index));
        }
        self.emit(Event::Disturbed { vcpu, kind: kind.name_of() });
        match kind {
            DisturbanceKind::Offline => self.ask_offline(vcpu),
            DisturbanceKind::Online => self.ask_online(vcpu),
            DisturbanceKind::Smi { span } => {
                self.w.vcpus[vcpu.index()].smi_pending.get_or_insert(span);
                self.interrupt(vcpu);
            }
            DisturbanceKind::Kick => {
                self.protocol(HostInput::PvKick { vcpu });
                self.call_kick(vcpu);
            }
            DisturbanceKind::MemslotChange => {
                self.protocol(HostInput::MemslotChange { moves: Some(vcpu) });
            }
            DisturbanceKind::MapWrite { span } => self.write_map(span),
            DisturbanceKind::LapicOff => self.switch_lapic(vcpu, false),
            DisturbanceKind::LapicOn => self.switch_lapic(vcpu, true),
            DisturbanceKind::RefusedEn => self.ask_refused_en(vcpu),
            DisturbanceKind::WakeAllFails => self.w.vcpus[vcpu.index()].wake_all_fails = true,
        }
    }

    /// The guest writes the register that switches its local APIC on or off, which exits. Its
    /// other interrupts go on meanwhile: early at boot they come through the legacy controller.
    fn switch_lapic(&mut self, vcpu: VcpuId, enabled: bool) {
        self.protocol(HostInput::SetLapic { vcpu, enabled });
        let state = &self.w.vcpus[vcpu.index()];
        if state.in_guest && state.running != Running::Nothing {
            self.force_exit(vcpu, ExitReason::ApicAccess);
        }
    }

    /// The guest writes EN in the handler of an interrupt, as it does to switch notices on. A vCPU
    /// that is offline writes nothing.
    fn ask_refused_en(&mut self, vcpu: VcpuId) {
        let state = &mut self.w.vcpus[vcpu.index()];
        if state.hotplug == Hotplug::Online {
            state.refused_en_pending = true;
            self.interrupt(vcpu);
        }
    }

    /// Who kicks makes a hypercall: another vCPU, if one is in guest mode.
    fn call_kick(&mut self, kicked: VcpuId) {
        let may = |&v: &usize| {
            let state = &self.w.vcpus[v];
            v != kicked.index() && state.in_guest && state.running != Running::Nothing
        };
        if let Some(caller) = (0..self.w.vcpus.len()).find(may) {
            self.force_exit(VcpuId(caller as u16), ExitReason::Hypercall);
        }
    }

    /// The handler of a system management interrupt is over: RSM, which writes CR0.
    pub(crate) fn leave_smm(&mut self, vcpu: VcpuId) -> Flow {
        let outcome = self.protocol(HostInput::LeaveSmm { vcpu });
        if outcome.decision == Some(Decision::Continue) {
            return self.next_section(vcpu, outcome.wait_worker);
        }
        Flow::Spend(SimDuration::ZERO, Then::TurnEnd)
    }
}
