//! From a completed item to the guest: pop, page ready
//! (`kvm_check_async_pf_completion`, `kvm_arch_async_page_present`).

use crate::apf::defect::Defect;
use crate::apf::effect::{Decision, Effect, Effects};
use crate::apf::host::{MmuMode, Operation, Scan, VcpuView};
use crate::apf::item::Item;
use crate::apf::rules::{
    Dequeue, Drain, KickUsedBy, NoticesOn, PageReady, PageReadyTold, Prefault, ReadyGate,
    ReadyWakes, RepeatedFault,
};
use crate::apf::state::Apf;
use crate::base::ids::{Gva, ItemId, Token, VcpuId};
use crate::base::record::{ApfReason, Event};

impl Apf {
    pub(super) fn check_completion(&mut self, vcpu: VcpuId, view: VcpuView, effects: &mut Effects) {
        let within = match self.vcpu(vcpu).operation {
            None => None,
            Some(Operation::Scan(scan)) => Some(scan),
            Some(other) => panic!("{vcpu} looks for completed items inside {other:?}"),
        };
        if let Some(id) = self.vcpu_mut(vcpu).deferred.take() {
            if self.vcpu(vcpu).done.contains(&id) {
                // The page came before the announcement: the guest is told nothing.
                self.pop(vcpu, view, (id, true, within), effects);
            } else {
                self.announce(vcpu, view, id, effects);
                effects.push(Effect::NothingToDeliver);
            }
            return;
        }
        let open = self.ready_gate(vcpu, view) || self.has(Defect::DropReadyOnGateClosed);
        match self.vcpu(vcpu).done.first() {
            Some(&id) if open && !self.has(Defect::NeverDrain) => {
                self.pop(vcpu, view, (id, false, within), effects);
            }
            _ => {
                self.end_scan(vcpu, effects);
                effects.push(Effect::NothingToDeliver);
            }
        }
    }

    fn pop(
        &mut self,
        vcpu: VcpuId,
        view: VcpuView,
        (id, silent, within): (ItemId, bool, Option<Scan>),
        effects: &mut Effects,
    ) {
        let state = self.vcpu_mut(vcpu);
        state.done.retain(|&done| done != id);
        state.operation = Some(Operation::Delivery { item: id, silent, within });
        effects.push(Effect::Popped { item: id });
        if let Some(fault) = self.host.items.item(id).fault
            && let Some(mmu) = self.prefault_space(fault.mmu, view.mmu)
        {
            effects.push(Effect::Prefault { item: id, gfn: fault.gfn, mmu });
        }
    }

    pub(super) fn deliver(&mut self, vcpu: VcpuId, view: VcpuView, effects: &mut Effects) {
        let Some(Operation::Delivery { item: id, silent, within }) = self.vcpu(vcpu).operation
        else {
            panic!("{vcpu} delivers, but has popped nothing");
        };
        let item = *self.host.items.item(id);
        if item.garbage {
            effects.push(Effect::GarbagePage { item: id });
        }
        self.page_present(vcpu, view, (&item, silent), effects);
        self.unlink(vcpu, id);
        self.free_when_worker_is_done(vcpu, id, within, effects);
    }

    /// Frees an item that is delivered; first waits for its worker, if that is the rule.
    pub(super) fn free_when_worker_is_done(
        &mut self,
        vcpu: VcpuId,
        id: ItemId,
        within: Option<Scan>,
        effects: &mut Effects,
    ) {
        let of_vmm = self.host.items.item(id).user.is_some();
        let worker = self.host.items.work(id).is_some() && !of_vmm;
        if self.rules.dequeue == Dequeue::AfterWorker && worker {
            self.vcpu_mut(vcpu).operation = Some(Operation::Freeing { item: id, within });
            effects.push(Effect::WaitWorker { item: id });
            effects.push(Effect::Decide(Decision::Continue));
            return;
        }
        let item = self.host.items.free(id);
        effects.push(Effect::Emit(Event::ItemUnlink { vcpu, token: item.token }));
        effects.push(Effect::ItemFreed { item: id, gfn: item.gfn() });
        self.vcpu_mut(vcpu).operation = within.map(Operation::Scan);
        match self.rules.drain {
            Drain::OneAtEntry | Drain::OnePerTurn => {}
            Drain::AllAtEachTurn | Drain::AllOnRequestAndAck => effects.push(Effect::DrainMore),
        }
    }

    fn page_present(
        &mut self,
        vcpu: VcpuId,
        view: VcpuView,
        (item, silent): (&Item, bool),
        effects: &mut Effects,
    ) {
        self.forget_frame(vcpu, item);
        if !silent {
            let gva = item.fault.map_or(Gva(0), |fault| fault.gva);
            let event = Event::KvmAsyncPfReady { vcpu, token: item.token, gva };
            effects.push(Effect::Emit(event));
            if self.tells_ready(vcpu, view, item) {
                self.send_ready(vcpu, view, item.token, effects);
            }
        }
        self.end_sleeps(vcpu, effects);
    }

    /// What becomes of the sleeps of a vCPU that is delivered an item, told or not.
    fn end_sleeps(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        let ends = self.rules.ready_wakes;
        if ends >= ReadyWakes::ArtificialHalt && !self.has(Defect::HaltNotCleared) {
            self.clear_halt(vcpu, effects);
        }
        let uses_kick = self.rules.kick_used_by == KickUsedBy::HltOrReady;
        let state = self.vcpu_mut(vcpu);
        state.hlt &= ends < ReadyWakes::HltToo;
        state.pv_kicked &= !uses_kick;
    }

    fn forget_frame(&mut self, vcpu: VcpuId, item: &Item) {
        let Some(gfn) = item.gfn().filter(|_| self.rules.repeated_fault == RepeatedFault::Halt)
        else {
            return;
        };
        let hole = self.has(Defect::HashDeleteHole);
        let gfns = &mut self.vcpu_mut(vcpu).gfns;
        if hole {
            gfns.remove_leaving_hole(gfn);
        } else {
            gfns.remove(gfn);
        }
    }

    fn tells_ready(&self, vcpu: VcpuId, view: VcpuView, item: &Item) -> bool {
        let always = self.rules.page_ready_told == PageReadyTold::Always
            || self.has(Defect::ReadyWithoutNotPresent);
        let wanted = always || item.told || item.fault.is_none();
        let dropped = self.has(Defect::DropReadyOnGateClosed) && !self.ready_gate(vcpu, view);
        // Where the address of the area says that notices are on, the write itself looks for it.
        let on = self.notices_on(vcpu) || self.rules.notices_on == NoticesOn::AreaMapped;
        wanted && !dropped && on
    }

    fn send_ready(&mut self, vcpu: VcpuId, view: VcpuView, token: Token, effects: &mut Effects) {
        if self.rules.page_ready == PageReady::Interrupt {
            self.send_interrupt(vcpu, token, effects);
            return;
        }
        let pending = &self.vcpu(vcpu).pending;
        let not_present = pending.iter().any(|notice| notice.reason == ApfReason::NotPresent);
        let takes_back = self.has(Defect::CancelMismatch)
            || self.rules.ready_gate == ReadyGate::DisabledOrGatePendingUnseen;
        if takes_back && not_present {
            if self.write_word(vcpu, ApfReason::None, effects) {
                self.vcpu_mut(vcpu).pending.clear();
            }
        } else if self.write_word(vcpu, ApfReason::Ready, effects) {
            self.queue_fault(vcpu, view, (token, ApfReason::Ready), effects);
            effects.push(Effect::Emit(Event::PageReadyQueued { vcpu, token }));
        }
    }

    fn unlink(&mut self, vcpu: VcpuId, id: ItemId) {
        let (keep_linked, keep_count) =
            (self.has(Defect::FreeWithoutUnlink), self.has(Defect::LeakQueued));
        let state = self.vcpu_mut(vcpu);
        if !keep_linked {
            state.queue.retain(|&linked| linked != id);
        }
        if !keep_count {
            state.queued -= 1;
        }
    }

    /// In which address space the page of a fault that was taken in mode `then` is mapped when the
    /// vCPU is in mode `now`, if it is.
    fn prefault_space(&self, then: MmuMode, now: MmuMode) -> Option<MmuMode> {
        if self.has(Defect::PrefaultAnyMode) {
            return Some(now);
        }
        match self.rules.prefault {
            Prefault::None => None,
            Prefault::InRecordedSpace => Some(then),
            Prefault::DirectNow => Some(now).filter(|&mode| mode == MmuMode::Direct),
            Prefault::DirectOrSameCr3 => Some(now).filter(|&mode| mode == then),
        }
    }
}
