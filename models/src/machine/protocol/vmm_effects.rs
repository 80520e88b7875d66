//! What steps of the VMM cause outside the protocol, and what must not come of them (INV-42, INV-45 to INV-47).

use sim_core::EventQueue;

use super::left::Left;
use crate::apf::VmmEffect;
use crate::apf::host::CompletedBy;
use crate::apf::item::UserStage;
use crate::base::ids::{GuestPage, VcpuId, VmId};
use crate::base::invariant::InvariantId;
use crate::base::record::Event;
use crate::machine::world::{Consequences, Cx, MachineEvent};
use crate::parts::memory::pages::Backing;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Follows an effect. The vCPU whose state is to be checked, if one is.
    pub(super) fn follow_vmm(
        &mut self,
        vm: VmId,
        effect: VmmEffect,
        left: &mut Left,
    ) -> Option<VcpuId> {
        match effect {
            VmmEffect::EntryWritten { vcpu, gfn } => {
                self.emit(Event::KvmAsyncPfExitlessNotify { vcpu, gfn });
                Some(vcpu)
            }
            VmmEffect::Exit { vcpu, gfn, plain } => {
                left.user_exit = Some(plain);
                self.emit(Event::KvmUserspaceExit { vcpu, gfn, plain });
                Some(vcpu)
            }
            VmmEffect::Notified { vcpu } => {
                left.signal = true;
                self.emit(Event::VmmSignal { vcpu });
                Some(vcpu)
            }
            VmmEffect::Replied { vcpu, .. } => {
                self.wake_vcpu(vcpu);
                Some(vcpu)
            }
            VmmEffect::Completed { vcpu, gfn, by } => {
                self.check_completed(vm, (vcpu, GuestPage::new(vm, gfn)), by);
                Some(vcpu)
            }
            VmmEffect::Overwritten { vcpu, by, gfn } => {
                self.note(vm, InvariantId(45), format!("{vcpu}: {by:?} overwrites gfn {gfn}"));
                Some(vcpu)
            }
            VmmEffect::Unwritten { vcpu, number } => {
                self.note(vm, InvariantId(45), format!("{vcpu}: entry {number} is read unwritten"));
                Some(vcpu)
            }
            VmmEffect::RingsRemoved { vcpu } => {
                let message = format!("{vcpu}: its items are dropped, and its rings go with them");
                self.note(vm, InvariantId(47), message);
                Some(vcpu)
            }
            VmmEffect::Accepted { vcpu, .. }
            | VmmEffect::Asked { vcpu, .. }
            | VmmEffect::Unheard { vcpu, .. }
            | VmmEffect::Arms { vcpu, .. }
            | VmmEffect::Looked { vcpu, .. }
            | VmmEffect::Answers { vcpu, .. }
            | VmmEffect::AnswerIgnored { vcpu, .. } => Some(vcpu),
            // What drivers learn anyway, and what needs a VMM that abuses its page.
            VmmEffect::Repeated { .. }
            | VmmEffect::RingFull { .. }
            | VmmEffect::ArmedSeen { .. }
            | VmmEffect::Awake { .. }
            | VmmEffect::Installs { .. }
            | VmmEffect::BitCleared { .. }
            | VmmEffect::Signals { .. }
            | VmmEffect::BatchDropped { .. }
            | VmmEffect::Abused { .. } => None,
        }
    }

    /// INV-46. What is over when the vCPU runs again need not be there.
    fn check_completed(&mut self, vm: VmId, (vcpu, page): (VcpuId, GuestPage), by: CompletedBy) {
        if by == CompletedBy::Vmm && self.w.host.backing(page) == Backing::Stored {
            let message = format!("{vcpu}: {page} is answered and is not there");
            self.note(vm, InvariantId(46), message);
        }
    }

    /// INV-42, where a vCPU enters the guest.
    pub(in crate::machine) fn check_nothing_is_open(&mut self, vcpu: VcpuId) {
        let apf = self.w.protocol.apf(vcpu);
        if !apf.rules.vmm_answers() {
            return;
        }
        let is_open = |&(_, item): &(_, &crate::apf::item::Item)| {
            item.vcpu == vcpu && item.user == Some(UserStage::Pending)
        };
        let open = apf.host.items.iter().find(is_open).and_then(|(_, item)| item.gfn());
        if let Some(gfn) = open {
            let message =
                format!("{vcpu} runs while gfn {gfn} waits, neither accepted nor answered");
            self.note(self.w.protocol.vm(vcpu), InvariantId(42), message);
        }
    }
}
