//! The VMM's answers (`KVM_ASYNC_PF` ACCEPT and READY, the ring of answers), and what becomes of
//! faults when it runs a vCPU again.

use crate::apf::effect::{Effect, Effects, VmmEffect};
use crate::apf::host::{CompleteStage, CompleteWork, CompletedBy, Operation, Scan};
use crate::apf::item::{Fault, UserStage, VMM, Work, WorkStage};
use crate::apf::ring::Entry;
use crate::apf::rules::{HaltRequest, PendingAtRun};
use crate::apf::state::Apf;
use crate::base::ids::{Gfn, ItemId, VcpuId};
use crate::base::record::Event;

impl Apf {
    /// The item of a frame that the VMM answers.
    fn user_item(&self, vcpu: VcpuId, gfn: Gfn) -> Option<(ItemId, UserStage)> {
        let mut items = self.host.items.iter().filter(|(_, item)| item.vcpu == vcpu);
        let found = items.find(|(_, item)| item.user.is_some() && item.gfn() == Some(gfn));
        found.and_then(|(id, item)| Some((id, item.user?)))
    }

    fn is_clearing(&self, vcpu: VcpuId) -> bool {
        self.vcpu(vcpu).operation == Some(Operation::Clear)
    }

    pub(in crate::apf) fn accept(&mut self, vcpu: VcpuId, gfn: Gfn, effects: &mut Effects) {
        match self.user_item(vcpu, gfn) {
            Some((id, UserStage::Pending)) => {
                self.host.items.item_mut(id).user = Some(UserStage::Accepted);
                effects.push(Effect::Vmm(VmmEffect::Accepted { vcpu, gfn }));
            }
            Some(_) => {}
            None => effects.push(Effect::Vmm(VmmEffect::AnswerIgnored { vcpu, gfn })),
        }
    }

    /// READY: what follows the lists' lock is what a worker does after it published an item.
    pub(in crate::apf) fn ready(&mut self, vcpu: VcpuId, gfn: Gfn, effects: &mut Effects) {
        assert!(!self.is_list_locked(vcpu), "{vcpu}: the lock is held");
        let found = self.user_item(vcpu, gfn).filter(|_| !self.is_clearing(vcpu));
        let Some((id, UserStage::Pending | UserStage::Accepted)) = found else {
            effects.push(Effect::Vmm(VmmEffect::AnswerIgnored { vcpu, gfn }));
            return;
        };
        let first = self.vcpu(vcpu).done.is_empty();
        self.complete_item(vcpu, id, CompletedBy::Vmm, effects);
        let Fault { gva, hva, .. } = self.host.items.item(id).fault.expect("it has a frame");
        let (worker, stage) = (Some(VMM), WorkStage::Published);
        let work = Work { worker, stage, first, ..Work::queued(vcpu, gva, hva) };
        self.host.items.set_work(id, work);
    }

    fn complete_item(&mut self, vcpu: VcpuId, id: ItemId, by: CompletedBy, effects: &mut Effects) {
        let item = self.host.items.item_mut(id);
        item.user = Some(UserStage::Completed);
        let (token, gfn) = (item.token, item.gfn());
        self.vcpu_mut(vcpu).done.push(id);
        effects.push(Effect::Emit(Event::ItemDone { vcpu, token }));
        let gfn = gfn.expect("it has a frame");
        effects.push(Effect::Vmm(VmmEffect::Completed { vcpu, gfn, by }));
    }

    /// The VMM runs the vCPU again: what it has neither accepted nor answered is over, if that is
    /// the rule.
    pub(in crate::apf) fn run_again(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        if self.rules.pending_at_run == PendingAtRun::Kept {
            return;
        }
        let items = self.host.items.iter();
        let pending: Vec<ItemId> = items
            .filter(|(_, item)| item.vcpu == vcpu && item.user == Some(UserStage::Pending))
            .map(|(id, _)| id)
            .collect();
        for &id in &pending {
            self.complete_item(vcpu, id, CompletedBy::Run, effects);
        }
        self.vcpu_mut(vcpu).ready_request |= !pending.is_empty();
    }

    /// Whether the kernel's work for the ring of answers has a section that can be done now.
    pub fn may_complete(&self, vcpu: VcpuId) -> bool {
        let CompleteWork { queued, stage } = self.vcpu(vcpu).complete;
        match stage {
            CompleteStage::Idle => queued && !self.is_list_locked(vcpu),
            CompleteStage::Request | CompleteStage::Kick => true,
        }
    }

    pub(in crate::apf) fn complete_work(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        assert!(self.may_complete(vcpu), "{vcpu}: nobody signalled the kernel");
        let next = match self.vcpu(vcpu).complete.stage {
            CompleteStage::Idle => {
                self.vcpu_mut(vcpu).complete.queued = false;
                let first = self.vcpu(vcpu).done.is_empty();
                let any = self.read_answers(vcpu, effects);
                if any && first { CompleteStage::Request } else { CompleteStage::Idle }
            }
            CompleteStage::Request => {
                self.vcpu_mut(vcpu).ready_request = true;
                CompleteStage::Kick
            }
            CompleteStage::Kick => {
                if !self.vcpu(vcpu).unacknowledged {
                    effects.push(Effect::KickVcpu { vcpu });
                }
                self.wake_thread(vcpu, effects);
                CompleteStage::Idle
            }
        };
        self.vcpu_mut(vcpu).complete.stage = next;
    }

    /// Reads the ring of answers, under the lists' lock. A head that cannot be throws away what is
    /// there. Whether an item was completed.
    fn read_answers(&mut self, vcpu: VcpuId, effects: &mut Effects) -> bool {
        if !self.vcpu(vcpu).registered {
            return false;
        }
        let ring = &mut self.pages[vcpu.index()].complete;
        let (head, tail) = (ring.head, ring.tail);
        let count = head.wrapping_sub(tail);
        ring.tail = head;
        if count > ring.size() {
            ring.entries.fill(None);
            effects.push(Effect::Vmm(VmmEffect::BatchDropped { vcpu }));
            return false;
        }
        let numbers = (0..count).map(|n| tail.wrapping_add(n));
        let answers: Vec<(u8, Option<Entry>)> =
            numbers.map(|number| (number, ring.take(number))).collect();
        let mut any = false;
        for (number, answer) in answers {
            any |= self.read_answer(vcpu, number, answer, effects);
        }
        any
    }

    fn read_answer(
        &mut self,
        vcpu: VcpuId,
        number: u8,
        answer: Option<Entry>,
        effects: &mut Effects,
    ) -> bool {
        let Some(Entry { gfn, valid }) = answer else {
            effects.push(Effect::Vmm(VmmEffect::Unwritten { vcpu, number }));
            return false;
        };
        let found = self.user_item(vcpu, gfn).filter(|_| valid && !self.is_clearing(vcpu));
        match found {
            Some((id, UserStage::Pending | UserStage::Accepted)) => {
                self.complete_item(vcpu, id, CompletedBy::Vmm, effects);
                true
            }
            _ => {
                effects.push(Effect::Vmm(VmmEffect::AnswerIgnored { vcpu, gfn }));
                false
            }
        }
    }

    /// Where the VMM answers faults, a request for the halt may look for completed items first: among
    /// those that are known, then in the ring of answers. If there are any, the vCPU is not halted.
    pub(super) fn looks_before_halt(&mut self, vcpu: VcpuId, effects: &mut Effects) -> bool {
        let looks = self.rules.halt_request == HaltRequest::LooksFirst && self.rules.vmm_answers();
        if !looks || self.vcpu(vcpu).halt_request.is_none() {
            return false;
        }
        let known = std::mem::take(&mut self.vcpu_mut(vcpu).ready_request);
        if !known && !self.read_answers(vcpu, effects) {
            return false;
        }
        let state = self.vcpu_mut(vcpu);
        state.halt_request = None;
        state.operation = Some(Operation::Scan(Scan::Request));
        effects.push(Effect::Scan);
        true
    }
}
