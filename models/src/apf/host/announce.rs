//! The announcement of an item: the frame is noted, and the guest told not present
//! (`kvm_arch_async_page_not_present`).

use crate::apf::effect::{Effect, Effects};
use crate::apf::host::VcpuView;
use crate::apf::item::Fault;
use crate::apf::rules::{CannotInject, RepeatedFault, WordWriteFailure};
use crate::apf::state::Apf;
use crate::base::ids::{ItemId, VcpuId};
use crate::base::record::{ApfReason, Event};

impl Apf {
    pub(super) fn announce(
        &mut self,
        vcpu: VcpuId,
        view: VcpuView,
        id: ItemId,
        effects: &mut Effects,
    ) {
        let item = *self.host.items.item(id);
        let Fault { gfn, gva, .. } = item.fault.expect("a wake-all is never announced");
        let event = Event::KvmAsyncPfNotPresent { vcpu, token: item.token, gva };
        effects.push(Effect::Emit(event));
        if self.rules.repeated_fault == RepeatedFault::Halt {
            // Cannot fail below the cap.
            self.vcpu_mut(vcpu).gfns.insert(gfn);
        }
        if !self.can_tell(vcpu, view) {
            match self.rules.cannot_inject {
                CannotInject::Synchronous => {}
                CannotInject::Halt => self.request_halt(vcpu, gfn),
            }
        } else if self.write_word(vcpu, ApfReason::NotPresent, effects) {
            self.host.items.item_mut(id).told = true;
            self.queue_fault(vcpu, view, (item.token, ApfReason::NotPresent), effects);
            let VcpuView { cpl, interrupts_on, .. } = view;
            let (token, send_always) = (item.token, self.vcpu(vcpu).send_always());
            let event = Event::NotPresentQueued { vcpu, token, cpl, interrupts_on, send_always };
            effects.push(Effect::Emit(event));
        } else {
            match self.rules.word_write_failure {
                WordWriteFailure::NoticesOff | WordWriteFailure::Ignored => {}
                WordWriteFailure::Halt => self.request_halt(vcpu, gfn),
            }
        }
    }
}
