//! The fault path: gate, setup, announcement (`try_async_pf`, `kvm_setup_async_pf`,
//! `kvm_arch_async_page_not_present`).

use crate::apf::Apf;
use crate::apf::defect::Defect;
use crate::apf::effect::{CostKey, Decision, Effect, Effects};
use crate::apf::host::{Operation, VcpuView};
use crate::apf::item::{Fault, Item, Work, WorkStage};
use crate::apf::rules::{
    Announce, CannotInject, Gate, RepeatedFault, SetupOrder, WordWriteFailure,
};
use crate::ids::{Gfn, Gva, Hva, ItemId, Token, VcpuId};
use crate::trace::{ApfReason, Event};

/// The sections of a setup after allocation.
#[derive(Clone, Copy)]
enum Section {
    Schedule,
    Link,
    Announce,
}

impl SetupOrder {
    fn sections(self) -> [Section; 3] {
        match self {
            Self::ScheduleFirst => [Section::Schedule, Section::Link, Section::Announce],
            Self::LinkFirst => [Section::Link, Section::Announce, Section::Schedule],
        }
    }
}

impl Apf {
    pub(super) fn try_async(
        &mut self,
        vcpu: VcpuId,
        view: VcpuView,
        (gva, gfn, hva): (Gva, Gfn, Hva),
        effects: &mut Effects,
    ) {
        assert!(self.vcpu(vcpu).operation.is_none(), "{vcpu} faults inside an operation");
        effects.push(Effect::Cost(CostKey::TryAsync));
        if !self.fault_gate(vcpu, view) {
            effects.push(Effect::Decide(Decision::Sync));
            return;
        }
        effects.push(Effect::Emit(Event::KvmTryAsyncGetPage { vcpu, gva, gfn }));
        if self.vcpu(vcpu).gfns.contains(gfn) && !self.has(Defect::SkipGfnLookup) {
            effects.push(Effect::Emit(Event::KvmAsyncPfDoublefault { vcpu, gva, gfn }));
            match self.rules.repeated_fault {
                RepeatedFault::Halt => self.request_halt(vcpu, gfn, effects),
            }
            effects.push(Effect::Decide(Decision::Retry));
            return;
        }
        // The counter goes on even if the setup is then refused.
        let token = self.take_token(vcpu);
        if self.vcpu(vcpu).queued >= self.rules.cap && !self.has(Defect::IgnoreCap) {
            let fallback =
                if self.has(Defect::NoSyncFallback) { Decision::Retry } else { Decision::Sync };
            effects.push(Effect::Decide(fallback));
            return;
        }
        effects.push(Effect::Cost(CostKey::SetupItem));
        let fault = Some(Fault { gfn, gva, hva, mmu: view.mmu });
        let item = self.host.items.allocate(Item { vcpu, token, fault, told: false });
        self.vcpu_mut(vcpu).operation = Some(Operation::Setup { item, step: 0 });
        effects.push(Effect::Decide(Decision::Continue));
    }

    pub(super) fn advance(&mut self, vcpu: VcpuId, view: VcpuView, effects: &mut Effects) {
        match self.vcpu(vcpu).operation {
            Some(Operation::Setup { item, step }) => {
                self.advance_setup(vcpu, view, (item, step), effects);
            }
            Some(Operation::Clear) => self.advance_clear(vcpu, effects),
            other => panic!("{vcpu} advances, but is in {other:?}"),
        }
    }

    fn advance_setup(
        &mut self,
        vcpu: VcpuId,
        view: VcpuView,
        (item, step): (ItemId, u8),
        effects: &mut Effects,
    ) {
        let sections = self.rules.setup_order.sections();
        match sections[usize::from(step)] {
            Section::Schedule => self.schedule(item, effects),
            Section::Link => self.link(vcpu, item, effects),
            Section::Announce => match self.rules.announce {
                Announce::AtSetup => self.announce(vcpu, view, item, effects),
            },
        }
        let step = step + 1;
        let (operation, decision) = if usize::from(step) == sections.len() {
            (None, Decision::Retry)
        } else {
            (Some(Operation::Setup { item, step }), Decision::Continue)
        };
        self.vcpu_mut(vcpu).operation = operation;
        effects.push(Effect::Decide(decision));
    }

    /// `can_do_async_pf`. What waits to be injected again includes, in these kernels, a synthetic
    /// exception that is only pending (`kvm_event_needs_reinjection` until 4.13).
    fn fault_gate(&self, vcpu: VcpuId, view: VcpuView) -> bool {
        if self.has(Defect::IgnoreGate) {
            return true;
        }
        match self.rules.gate {
            Gate::QuietAndInterruptsOn => {
                let interrupts_on = view.interrupts_on || self.has(Defect::NotifyInterruptsOff);
                interrupts_on && !view.reinjecting && self.vcpu(vcpu).pending.is_empty()
            }
        }
    }

    fn take_token(&mut self, vcpu: VcpuId) -> Token {
        let (rule, reused) = (self.rules.token, self.has(Defect::ReusedToken));
        let state = self.vcpu_mut(vcpu);
        let token = rule.token(state.next_id, vcpu);
        if !reused {
            state.next_id = rule.next_id(state.next_id);
        }
        token
    }

    fn schedule(&mut self, id: ItemId, effects: &mut Effects) {
        let Item { vcpu, fault, .. } = *self.host.items.item(id);
        let Fault { gva, hva, .. } = fault.expect("a wake-all is never scheduled");
        let work = Work { vcpu, gva, hva, worker: None, stage: WorkStage::Queued };
        self.host.items.set_work(id, work);
        effects.push(Effect::Cost(CostKey::QueueWork));
        effects.push(Effect::Emit(Event::WorkqueueQueueWork { item: id }));
        effects.push(Effect::QueueWork { item: id });
    }

    fn link(&mut self, vcpu: VcpuId, id: ItemId, effects: &mut Effects) {
        let item = *self.host.items.item(id);
        let state = self.vcpu_mut(vcpu);
        state.queue.push(id);
        state.queued += 1;
        if let Some(gfn) = item.gfn() {
            effects.push(Effect::Emit(Event::ItemLink { vcpu, token: item.token, gfn }));
        }
    }

    fn announce(&mut self, vcpu: VcpuId, view: VcpuView, id: ItemId, effects: &mut Effects) {
        let item = *self.host.items.item(id);
        let Fault { gfn, gva, .. } = item.fault.expect("a wake-all is never announced");
        effects.push(Effect::Cost(CostKey::Announce));
        let event = Event::KvmAsyncPfNotPresent { vcpu, token: item.token, gva };
        effects.push(Effect::Emit(event));
        // Cannot fail below the cap.
        self.vcpu_mut(vcpu).gfns.insert(gfn);

        let state = self.vcpu(vcpu);
        let send_always = state.send_always();
        let hidden = view.cpl == 0 && !send_always && !self.has(Defect::NotifyKernelMode);
        if !state.enabled() || hidden {
            match self.rules.cannot_inject {
                CannotInject::Halt => self.request_halt(vcpu, gfn, effects),
            }
        } else if self.write_word(vcpu, ApfReason::NotPresent, effects) {
            self.host.items.item_mut(id).told = true;
            self.queue_fault(vcpu, item.token, ApfReason::NotPresent, effects);
            let VcpuView { cpl, interrupts_on, .. } = view;
            let token = item.token;
            let event = Event::NotPresentQueued { vcpu, token, cpl, interrupts_on, send_always };
            effects.push(Effect::Emit(event));
        } else {
            match self.rules.word_write_failure {
                WordWriteFailure::Ignored => {}
                WordWriteFailure::Halt => self.request_halt(vcpu, gfn, effects),
            }
        }
    }
}
