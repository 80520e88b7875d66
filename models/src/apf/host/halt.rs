//! The artificial halt, and the sleep of a vCPU thread (`KVM_REQ_APF_HALT`, `kvm_vcpu_block`,
//! `kvm_arch_vcpu_runnable`).

use crate::apf::Apf;
use crate::apf::defect::Defect;
use crate::apf::effect::{CostKey, Effect, Effects};
use crate::apf::host::{Halt, VcpuView};
use crate::apf::rules::Runnable;
use crate::ids::{Gfn, VcpuId};
use crate::trace::Event;

impl Apf {
    pub(super) fn request_halt(&mut self, vcpu: VcpuId, gfn: Gfn, effects: &mut Effects) {
        effects.push(Effect::Cost(CostKey::HaltRequest));
        self.vcpu_mut(vcpu).halt_request = Some(gfn);
    }

    pub(super) fn requests(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        let Some(gfn) = self.vcpu_mut(vcpu).halt_request.take() else { return };
        let outlived = !self.host.items.has_frame(vcpu, gfn);
        self.vcpu_mut(vcpu).halted = Some(Halt { gfn, outlived });
        effects.push(Effect::Emit(Event::ApfHalt { vcpu, gfn }));
        effects.push(Effect::Halted);
    }

    pub(super) fn clear_halt(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        if self.vcpu_mut(vcpu).halted.take().is_some() {
            effects.push(Effect::Emit(Event::ApfUnhalt { vcpu }));
        }
    }

    /// Whether something ends the sleep of a vCPU thread that is in a halt. `interrupt` says that
    /// an interrupt waits for the guest. Whether the vCPU is in a halt at all is [`must_block`].
    ///
    /// [`must_block`]: Self::must_block
    pub fn runnable(&self, vcpu: VcpuId, view: &VcpuView, interrupt: bool) -> bool {
        match self.rules.runnable {
            Runnable::DoneOrInterrupt => {
                !self.vcpu(vcpu).done.is_empty() || (interrupt && view.interrupts_on)
            }
        }
    }

    /// The test of `kvm_vcpu_block`. The thread is on its wait queue before the test, so a worker
    /// that publishes after the test finds it there; test and sleep are therefore one section.
    pub(super) fn block(
        &mut self,
        vcpu: VcpuId,
        view: VcpuView,
        interrupt: bool,
        effects: &mut Effects,
    ) {
        let runnable = if self.has(Defect::BlockIgnoresDone) {
            interrupt && view.interrupts_on
        } else {
            self.runnable(vcpu, &view, interrupt)
        };
        if runnable {
            self.leave_halts(vcpu, effects);
        } else {
            self.vcpu_mut(vcpu).blocked = true;
            effects.push(Effect::Blocked);
        }
    }

    pub(super) fn unblock(
        &mut self,
        vcpu: VcpuId,
        view: VcpuView,
        interrupt: bool,
        effects: &mut Effects,
    ) {
        self.vcpu_mut(vcpu).woken = false;
        if self.vcpu(vcpu).blocked && !self.runnable(vcpu, &view, interrupt) {
            effects.push(Effect::Blocked);
            return;
        }
        self.vcpu_mut(vcpu).blocked = false;
        self.leave_halts(vcpu, effects);
    }

    /// A wake event was seen (`KVM_REQ_UNHALT`): both halts end, whatever the event was.
    fn leave_halts(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        self.vcpu_mut(vcpu).hlt = false;
        self.clear_halt(vcpu, effects);
        effects.push(Effect::Runnable);
    }
}
