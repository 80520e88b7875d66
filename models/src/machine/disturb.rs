//! Disturbances that a scenario asks for.

use sim_core::EventQueue;

use super::world::{Cx, GuestEntry, Hypervisor, MachineEvent};
use crate::base::ids::VcpuId;
use crate::base::record::{Event, ExitReason};
use crate::config::{Disturbance, DisturbanceKind};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The start barrier: disturbances of that very instant happen before the guest enables
    /// notices, others are scheduled.
    pub(crate) fn begin_disturbances(&mut self) {
        let config = self.w.setup.config.clone();
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
        let Disturbance { vcpu, kind, every, .. } =
            self.w.setup.config.disturbances[index as usize];
        if let Some(every) = every {
            let at = self.now() + every;
            self.schedule(at, MachineEvent::Disturb(index));
        }
        self.emit(Event::Disturbed { vcpu, kind: kind.name_of() });
        match kind {
            DisturbanceKind::Offline => self.ask_offline(vcpu),
            DisturbanceKind::Online => self.ask_online(vcpu),
            DisturbanceKind::Smi { span } => self.raise_smi(vcpu, span),
            DisturbanceKind::Kick => {
                self.pv_kick(vcpu);
                self.call_kick(vcpu);
            }
            DisturbanceKind::MemslotChange => {
                self.change_memslots(vcpu);
                self.zap_second_stage(vcpu);
            }
            DisturbanceKind::MapWrite { span } => self.write_map(self.w.setup.vm(vcpu), span),
            DisturbanceKind::LapicOff => self.switch_lapic(vcpu, false),
            DisturbanceKind::LapicOn => self.switch_lapic(vcpu, true),
            DisturbanceKind::RefusedEn => self.ask_refused_en(vcpu),
            DisturbanceKind::WakeAllFails => self.w.kvm.let_wake_all_fail(vcpu),
            DisturbanceKind::HandlerDies => self.handler_dies(self.w.setup.vm(vcpu)),
            DisturbanceKind::HandlerRestarts => self.handler_restarts(self.w.setup.vm(vcpu)),
            DisturbanceKind::DescriptorCloses => self.descriptor_closes(self.w.setup.vm(vcpu)),
        }
    }

    /// The guest writes the register that switches its local APIC on or off, which exits. Its
    /// other interrupts go on meanwhile: early at boot they come through the legacy controller.
    fn switch_lapic(&mut self, vcpu: VcpuId, enabled: bool) {
        self.set_lapic(vcpu, enabled);
        self.force_exit_if_executing(vcpu, ExitReason::ApicAccess);
    }

    /// Who kicks makes a hypercall: another vCPU, if one is in guest mode.
    fn call_kick(&mut self, kicked: VcpuId) {
        let may = |&v: &VcpuId| v != kicked && self.in_guest_mode(v) && self.is_executing(v);
        let caller = self.w.setup.vcpus_of(self.w.setup.vm(kicked)).find(may);
        if let Some(caller) = caller {
            self.force_exit(caller, ExitReason::Hypercall);
        }
    }
}
