//! The synthetic #PF: queueing it (`kvm_inject_page_fault`), and the entry that injects it.

use crate::apf::effect::{Effect, Effects};
use crate::apf::host::VcpuView;
use crate::apf::notice::Notice;
use crate::apf::state::Apf;
use crate::base::abi::PAGE_FAULT;
use crate::base::ids::{Token, VcpuId};
use crate::base::record::{ApfReason, Event};

impl Apf {
    /// Queues a #PF for the next entry.
    pub(super) fn queue_fault(
        &mut self,
        vcpu: VcpuId,
        view: VcpuView,
        (token, reason): (Token, ApfReason),
        effects: &mut Effects,
    ) {
        if view.nested && self.vcpu(vcpu).nested_exit() {
            effects.push(Effect::NestedExit { vcpu });
        } else if view.nested {
            effects.push(Effect::ReachesNested { vcpu });
        }
        if view.exception {
            // The other exception is injected at the same entry.
            effects.push(Effect::DoubleFault { vcpu });
        }
        self.vcpu_mut(vcpu).pending.push(Notice { token, reason });
    }

    pub(super) fn inject(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        let pending = std::mem::take(&mut self.vcpu_mut(vcpu).pending);
        let Some(&notice) = pending.last() else { return };
        let cr2 = u64::from(notice.token.0);
        let event = Event::KvmInjException { vcpu, vector: PAGE_FAULT, error_code: 0, cr2 };
        effects.push(Effect::Emit(event));
        self.guest.cr2[vcpu.index()] = Some(notice);
        if pending.len() > 1 {
            effects.push(Effect::DoubleFault { vcpu });
        } else {
            let Notice { token, reason } = notice;
            effects.push(Effect::Injected { vcpu, token, reason });
        }
    }
}
