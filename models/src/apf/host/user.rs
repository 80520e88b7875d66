//! Faults that the VMM answers: setup (`kvm_async_pf_setup_userfault`), by the ring of faults or by
//! an exit.

use crate::apf::defect::Defect;
use crate::apf::effect::{Decision, Effect, Effects, VmmEffect};
use crate::apf::host::{Operation, SetupFailure, UserSetup, VcpuView};
use crate::apf::item::{Fault, Item, UserStage};
use crate::apf::ring::{Entry, Store};
use crate::apf::rules::{NotifyIndex, NotifySignal, ResolvedBy, TokenSpent, UserLookup};
use crate::apf::state::Apf;
use crate::base::ids::{Gfn, Gva, Hva, ItemId, VcpuId};

impl Apf {
    /// Whether somebody holds the lock of a vCPU's lists over more than one section.
    pub fn is_list_locked(&self, vcpu: VcpuId) -> bool {
        let operation = self.vcpu(vcpu).operation;
        matches!(operation, Some(Operation::UserSetup { next: UserSetup::TestArmed, .. }))
    }

    /// Whether the vCPU thread stands at a barrier: its stores are not visible yet.
    pub fn waits_for_stores(&self, vcpu: VcpuId) -> bool {
        self.is_list_locked(vcpu)
            && !self.vcpu(vcpu).stores.is_empty()
            && !self.has(Defect::NoNotifyBarrier)
    }

    /// A fault on a frame whose bit is set, up to the lock of the lists and under it.
    pub(super) fn user_fault(
        &mut self,
        vcpu: VcpuId,
        view: VcpuView,
        (gva, gfn, hva): (Gva, Gfn, Hva),
        failure: Option<SetupFailure>,
        effects: &mut Effects,
    ) {
        assert!(self.vcpu(vcpu).operation.is_none(), "{vcpu} faults inside an operation");
        if !self.fault_gate(vcpu, view) {
            plain_exit(vcpu, gfn, effects);
            return;
        }
        let spends = self.rules.token_spent == TokenSpent::ByEveryFault;
        if !spends && self.halts_for_frame(vcpu, gfn, effects) {
            return;
        }
        let token = self.take_token(vcpu);
        // The count is tested first, so that a repeated fault at the cap is no repeated one.
        if self.vcpu(vcpu).queued >= self.rules.cap && !self.has(Defect::IgnoreCap) {
            plain_exit(vcpu, gfn, effects);
            return;
        }
        if spends && self.halts_for_frame(vcpu, gfn, effects) {
            return;
        }
        if failure.is_some() {
            plain_exit(vcpu, gfn, effects);
            return;
        }
        let fault = Some(Fault { gfn, gva, hva, mmu: view.mmu });
        let user = Some(UserStage::Pending);
        let item = Item { vcpu, token, fault, told: false, garbage: false, user };
        let item = self.host.items.allocate(item);
        self.link(vcpu, item, effects);
        let written = self.rules.resolved_by == ResolvedBy::Ring && self.notify(vcpu, gfn, effects);
        let next = if written { UserSetup::TestArmed } else { UserSetup::AnnounceAndExit };
        self.vcpu_mut(vcpu).operation = Some(Operation::UserSetup { item, next });
        effects.push(Effect::Decide(Decision::Continue));
    }

    /// Requests the halt if the frame is outstanding.
    fn halts_for_frame(&mut self, vcpu: VcpuId, gfn: Gfn, effects: &mut Effects) -> bool {
        let all = self.rules.user_lookup == UserLookup::AllItems;
        let known = self.host.items.iter().any(|(_, item)| {
            item.vcpu == vcpu && item.gfn() == Some(gfn) && (all || item.user.is_some())
        });
        if known {
            self.request_halt(vcpu, gfn);
            effects.push(Effect::Vmm(VmmEffect::Repeated { vcpu, gfn }));
            effects.push(Effect::Decide(Decision::Retry));
        }
        known
    }

    /// Writes an entry into the ring of faults. False when there is no ring, or no room.
    fn notify(&mut self, vcpu: VcpuId, gfn: Gfn, effects: &mut Effects) -> bool {
        let ring = &self.pages[vcpu.index()].notify;
        let (in_page, tail, size) = (ring.head, ring.tail, ring.size());
        let from_page = self.rules.notify_index == NotifyIndex::FromPage;
        let state = self.vcpu_mut(vcpu);
        if !state.registered {
            return false;
        }
        let head = match from_page {
            true => state.stores.notify_head().unwrap_or(in_page),
            false => state.notify_head,
        };
        if head.wrapping_sub(state.known_tail) >= size {
            state.known_tail = tail;
        }
        if head.wrapping_sub(state.known_tail) >= size {
            effects.push(Effect::Vmm(VmmEffect::RingFull { vcpu }));
            return false;
        }
        state.stores.push(Store::NotifyEntry(head, Entry { gfn, valid: true }));
        state.notify_head = head.wrapping_add(1);
        state.stores.push(Store::NotifyHead(state.notify_head));
        effects.push(Effect::Vmm(VmmEffect::EntryWritten { vcpu, gfn }));
        true
    }

    pub(super) fn advance_user_setup(
        &mut self,
        vcpu: VcpuId,
        view: VcpuView,
        (item, next): (ItemId, UserSetup),
        effects: &mut Effects,
    ) {
        if next == UserSetup::TestArmed {
            self.test_armed(vcpu, item, effects);
            return;
        }
        self.announce(vcpu, view, item, effects);
        self.vcpu_mut(vcpu).operation = None;
        let gfn = self.host.items.item(item).gfn().expect("a wake-all is never set up");
        match next {
            UserSetup::Announce { signal } => {
                if signal {
                    self.vmm[vcpu.index()].signalled = true;
                    effects.push(Effect::Vmm(VmmEffect::Notified { vcpu }));
                }
            }
            UserSetup::TestArmed | UserSetup::AnnounceAndExit => {
                effects.push(Effect::Vmm(VmmEffect::Exit { vcpu, gfn, plain: false }));
            }
        }
        effects.push(Effect::Decide(Decision::Retry));
    }

    /// Behind the barrier, still under the lock.
    fn test_armed(&mut self, vcpu: VcpuId, item: ItemId, effects: &mut Effects) {
        assert!(!self.waits_for_stores(vcpu), "{vcpu} stands at a barrier");
        let page = &mut self.pages[vcpu.index()];
        let signal = match self.rules.notify_signal {
            NotifySignal::EveryEntry => true,
            NotifySignal::IfArmed => std::mem::take(&mut page.armed),
        };
        effects.push(Effect::Vmm(VmmEffect::ArmedSeen { vcpu, armed: signal }));
        self.host.items.item_mut(item).user = Some(UserStage::Accepted);
        let next = UserSetup::Announce { signal };
        self.vcpu_mut(vcpu).operation = Some(Operation::UserSetup { item, next });
        effects.push(Effect::Decide(Decision::Continue));
    }
}

/// The VMM must answer before it runs the vCPU again.
fn plain_exit(vcpu: VcpuId, gfn: Gfn, effects: &mut Effects) {
    effects.push(Effect::Vmm(VmmEffect::Exit { vcpu, gfn, plain: true }));
    effects.push(Effect::Decide(Decision::Retry));
}
