//! From a completed item to the guest: pop, page ready, the shared word, injection
//! (`kvm_check_async_pf_completion`, `kvm_arch_async_page_present`, `apf_put_user`).

use crate::apf::defect::Defect;
use crate::apf::effect::{CostKey, Effect, Effects};
use crate::apf::host::{MmuMode, Operation, VcpuView};
use crate::apf::item::Item;
use crate::apf::rules::{Drain, PageReadyTold, Prefault, ReadyGate, ReadyWakes};
use crate::apf::{Apf, Notice};
use crate::ids::{Gva, ItemId, Token, VcpuId};
use crate::trace::{ApfReason, Event};

/// The vector of #PF.
const PAGE_FAULT: u8 = 14;

impl Apf {
    pub(super) fn check_completion(&mut self, vcpu: VcpuId, view: VcpuView, effects: &mut Effects) {
        assert!(self.vcpu(vcpu).operation.is_none(), "{vcpu} pops inside an operation");
        let open = self.ready_gate(vcpu, view) || self.has(Defect::DropReadyOnGateClosed);
        if self.vcpu(vcpu).done.is_empty() || !open || self.has(Defect::NeverDrain) {
            effects.push(Effect::NothingToDeliver);
            return;
        }
        let state = self.vcpu_mut(vcpu);
        let id = state.done.remove(0);
        state.operation = Some(Operation::Delivery { item: id });
        effects.push(Effect::Cost(CostKey::CheckCompletion));
        effects.push(Effect::Popped { item: id });
        let item = *self.host.items.item(id);
        if let Some(fault) = item.fault
            && self.prefaults(fault.mmu, view.mmu)
        {
            effects.push(Effect::Cost(CostKey::Prefault));
            effects.push(Effect::Prefault { item: id, gfn: fault.gfn });
        }
    }

    pub(super) fn deliver(&mut self, vcpu: VcpuId, view: VcpuView, effects: &mut Effects) {
        let Some(Operation::Delivery { item: id }) = self.vcpu(vcpu).operation else {
            panic!("{vcpu} delivers, but has popped nothing");
        };
        effects.push(Effect::Cost(CostKey::Deliver));
        let item = *self.host.items.item(id);
        self.page_present(vcpu, view, &item, effects);
        self.unlink(vcpu, id, effects);
        self.vcpu_mut(vcpu).operation = None;
        match self.rules.drain {
            Drain::OnePerTurn => {}
            Drain::AllAtEachTurn => effects.push(Effect::DrainMore),
        }
    }

    fn page_present(&mut self, vcpu: VcpuId, view: VcpuView, item: &Item, effects: &mut Effects) {
        let gva = item.fault.map_or(Gva(0), |fault| fault.gva);
        let event = Event::KvmAsyncPfReady { vcpu, token: item.token, gva };
        effects.push(Effect::Emit(event));
        if let Some(gfn) = item.gfn() {
            let hole = self.has(Defect::HashDeleteHole);
            let gfns = &mut self.vcpu_mut(vcpu).gfns;
            if hole {
                gfns.remove_leaving_hole(gfn)
            } else {
                gfns.remove(gfn)
            };
        }
        if self.tells_ready(vcpu, view, item) {
            self.send_ready(vcpu, item.token, effects);
        }
        if !self.has(Defect::HaltNotCleared) {
            self.clear_halt(vcpu, effects);
        }
        match self.rules.ready_wakes {
            ReadyWakes::ArtificialHalt => {}
            ReadyWakes::HltToo => self.vcpu_mut(vcpu).hlt = false,
        }
    }

    fn tells_ready(&self, vcpu: VcpuId, view: VcpuView, item: &Item) -> bool {
        let wanted = match self.rules.page_ready_told {
            PageReadyTold::Always => true,
            PageReadyTold::OnlyIfNotPresentTold => item.told || item.fault.is_none(),
        };
        let dropped = self.has(Defect::DropReadyOnGateClosed) && !self.ready_gate(vcpu, view);
        wanted && !dropped && self.vcpu(vcpu).enabled()
    }

    fn send_ready(&mut self, vcpu: VcpuId, token: Token, effects: &mut Effects) {
        let pending = &self.vcpu(vcpu).pending;
        let not_present = pending.iter().any(|notice| notice.reason == ApfReason::NotPresent);
        if self.has(Defect::CancelMismatch) && not_present {
            if self.write_word(vcpu, ApfReason::None, effects) {
                self.vcpu_mut(vcpu).pending.clear();
            }
        } else if self.write_word(vcpu, ApfReason::Ready, effects) {
            self.queue_fault(vcpu, token, ApfReason::Ready, effects);
            effects.push(Effect::Emit(Event::PageReadyQueued { vcpu, token }));
        }
    }

    fn unlink(&mut self, vcpu: VcpuId, id: ItemId, effects: &mut Effects) {
        let (keep_linked, keep_count) =
            (self.has(Defect::FreeWithoutUnlink), self.has(Defect::LeakQueued));
        let state = self.vcpu_mut(vcpu);
        if !keep_linked {
            state.queue.retain(|&linked| linked != id);
        }
        if !keep_count {
            state.queued -= 1;
        }
        let item = self.host.items.free(id);
        effects.push(Effect::Emit(Event::ItemUnlink { vcpu, token: item.token }));
        effects.push(Effect::ItemFreed { item: id, gfn: item.gfn() });
    }

    /// `kvm_arch_can_inject_async_page_present`.
    fn ready_gate(&self, vcpu: VcpuId, view: VcpuView) -> bool {
        let over_pending =
            self.has(Defect::ReadyOverPendingException) || self.has(Defect::CancelMismatch);
        let state = self.vcpu(vcpu);
        match self.rules.ready_gate {
            ReadyGate::DisabledOrQuiet => {
                let quiet = !view.reinjecting && (state.pending.is_empty() || over_pending);
                !state.enabled() || (quiet && view.interrupts_on)
            }
        }
    }

    /// Whether the page of a fault that was taken in mode `then` may be mapped in mode `now`.
    fn prefaults(&self, then: MmuMode, now: MmuMode) -> bool {
        match self.rules.prefault {
            Prefault::None => false,
            Prefault::DirectMmuOnly => then == MmuMode::Direct && now == MmuMode::Direct,
            Prefault::DirectOrSameCr3 => then == now,
        }
    }

    /// Writes the shared word, whatever it holds. False when the host cannot reach it.
    pub(super) fn write_word(
        &mut self,
        vcpu: VcpuId,
        reason: ApfReason,
        effects: &mut Effects,
    ) -> bool {
        effects.push(Effect::Cost(CostKey::WriteWord));
        let word = &mut self.words[vcpu.index()];
        if !word.writable {
            return false;
        }
        let old = std::mem::replace(&mut word.reason, reason);
        effects.push(Effect::Emit(Event::SharedWordWrite { vcpu, old, reason }));
        true
    }

    /// Queues a #PF for the next entry (`kvm_inject_page_fault`).
    pub(super) fn queue_fault(
        &mut self,
        vcpu: VcpuId,
        token: Token,
        reason: ApfReason,
        effects: &mut Effects,
    ) {
        effects.push(Effect::Cost(CostKey::InjectException));
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
