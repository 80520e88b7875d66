//! The requests before an entry, the artificial halt, and the sleep of a vCPU thread
//! (`KVM_REQ_APF_HALT`, `KVM_REQ_APF_READY`, `kvm_vcpu_block`, `kvm_arch_vcpu_runnable`).

use crate::apf::defect::Defect;
use crate::apf::effect::{Effect, Effects};
use crate::apf::host::{Halt, Operation, Scan, VcpuView};
use crate::apf::rules::Runnable;
use crate::apf::state::Apf;
use crate::base::ids::{Gfn, VcpuId};
use crate::base::record::Event;

impl Apf {
    pub(super) fn request_halt(&mut self, vcpu: VcpuId, gfn: Gfn) {
        self.vcpu_mut(vcpu).halt_request = Some(gfn);
    }

    /// The halt comes first; a request to look for completed items is then kept.
    pub(super) fn requests(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        if let Some(gfn) = self.vcpu_mut(vcpu).halt_request.take() {
            self.set_halt(vcpu, gfn, effects);
        } else if std::mem::take(&mut self.vcpu_mut(vcpu).ready_request) {
            self.vcpu_mut(vcpu).operation = Some(Operation::Scan(Scan::Request));
            effects.push(Effect::Scan);
        }
    }

    fn set_halt(&mut self, vcpu: VcpuId, gfn: Gfn, effects: &mut Effects) {
        let outlived = !self.host.items.has_frame(vcpu, gfn);
        let in_mp_state = self.has(Defect::HaltInMpState);
        let state = self.vcpu_mut(vcpu);
        if in_mp_state {
            state.hlt = true;
        } else {
            state.halted = Some(Halt { gfn, outlived });
        }
        effects.push(Effect::Emit(Event::ApfHalt { vcpu, gfn }));
        effects.push(Effect::Halted);
    }

    pub(super) fn clear_halt(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        if self.vcpu_mut(vcpu).halted.take().is_some() {
            effects.push(Effect::Emit(Event::ApfUnhalt { vcpu }));
        }
    }

    /// Whether something ends the sleep of a vCPU thread that is in a halt. `interrupt` says that
    /// an interrupt waits for the guest, besides page ready. Whether the vCPU is in a halt at all
    /// is [`must_block`].
    ///
    /// [`must_block`]: Self::must_block
    pub fn runnable(&self, vcpu: VcpuId, view: &VcpuView, interrupt: bool) -> bool {
        let state = self.vcpu(vcpu);
        let interrupt = interrupt || self.ready_interrupt(vcpu).is_some();
        let done = !state.done.is_empty() && !self.has(Defect::BlockIgnoresDone);
        let more = match self.rules.runnable {
            Runnable::DoneOrInterrupt => false,
            Runnable::DoneExceptionKickOrInterrupt => {
                view.exception || !state.pending.is_empty() || state.pv_kicked
            }
        };
        done || more || (interrupt && view.interrupts_on)
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
        if self.runnable(vcpu, &view, interrupt) {
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

    /// Wakes the vCPU thread if it sleeps in `kvm_vcpu_block`.
    pub(super) fn wake_thread(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        let state = self.vcpu_mut(vcpu);
        if state.blocked && !state.woken {
            state.woken = true;
            effects.push(Effect::WakeVcpu { vcpu });
        }
    }

    pub(super) fn pv_kick(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        if self.rules.runnable == Runnable::DoneExceptionKickOrInterrupt {
            self.vcpu_mut(vcpu).pv_kicked = true;
            self.wake_thread(vcpu, effects);
        }
    }

    /// A wake event was seen (`KVM_REQ_UNHALT`): both halts end, whatever the event was. Of the
    /// two, only HLT uses a kick up.
    pub(super) fn leave_halts(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        let state = self.vcpu_mut(vcpu);
        if std::mem::take(&mut state.hlt) {
            state.pv_kicked = false;
        }
        self.clear_halt(vcpu, effects);
        effects.push(Effect::Runnable);
    }
}
