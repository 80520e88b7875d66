//! The fault path: lookup of the frame, setup (`try_async_pf`, `kvm_setup_async_pf`).

use crate::apf::defect::Defect;
use crate::apf::effect::{Decision, Effect, Effects};
use crate::apf::host::{Operation, SetupFailure, VcpuView};
use crate::apf::item::{Fault, Item, Work};
use crate::apf::rules::{Announce, RepeatedFault, SetupOrder, TokenZero, Workers};
use crate::apf::state::Apf;
use crate::base::ids::{Gfn, Gva, Hva, ItemId, Token, VcpuId};
use crate::base::record::Event;

/// The sections of a setup after allocation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Schedule,
    Link,
    Announce,
}

impl Apf {
    pub(super) fn try_async(
        &mut self,
        vcpu: VcpuId,
        view: VcpuView,
        (gva, gfn, hva): (Gva, Gfn, Hva),
        failure: Option<SetupFailure>,
        effects: &mut Effects,
    ) {
        assert!(self.vcpu(vcpu).operation.is_none(), "{vcpu} faults inside an operation");
        if !self.fault_gate(vcpu, view) {
            effects.push(Effect::Decide(Decision::Sync));
            return;
        }
        effects.push(Effect::Emit(Event::KvmTryAsyncGetPage { vcpu, gva, gfn }));
        if self.probe_never_ends(vcpu, gfn) {
            effects.push(Effect::HostSpins { vcpu });
            return;
        }
        if self.takes_error(vcpu, gfn) || self.has(Defect::SleepingLookup) {
            effects.push(Effect::Decide(Decision::Sync));
            return;
        }
        if self.is_repeated(vcpu, gfn) {
            effects.push(Effect::Emit(Event::KvmAsyncPfDoublefault { vcpu, gva, gfn }));
            self.request_halt(vcpu, gfn);
            effects.push(Effect::Decide(Decision::Retry));
            return;
        }
        // The counter goes on even if the setup is then refused.
        let token = self.take_token(vcpu);
        let full = self.vcpu(vcpu).queued >= self.rules.cap && !self.has(Defect::IgnoreCap);
        if full || failure.is_some() {
            let fallback =
                if self.has(Defect::NoSyncFallback) { Decision::Retry } else { Decision::Sync };
            effects.push(Effect::Decide(fallback));
            return;
        }
        let fault = Some(Fault { gfn, gva, hva, mmu: view.mmu });
        let item = Item { vcpu, token, fault, told: false, garbage: false, user: None };
        let item = self.host.items.allocate(item);
        self.vcpu_mut(vcpu).operation = Some(Operation::Setup { item, step: 0 });
        effects.push(Effect::Decide(Decision::Continue));
    }

    /// Whether the page of this frame could not be had when it was last tried, which is then
    /// forgotten.
    fn takes_error(&mut self, vcpu: VcpuId, gfn: Gfn) -> bool {
        let errors = &mut self.vcpu_mut(vcpu).error_gfns;
        let before = errors.len();
        errors.retain(|&error| error != gfn);
        errors.len() < before
    }

    fn is_repeated(&self, vcpu: VcpuId, gfn: Gfn) -> bool {
        match self.rules.repeated_fault {
            RepeatedFault::SecondItem => false,
            RepeatedFault::Halt => {
                self.vcpu(vcpu).gfns.contains(gfn) && !self.has(Defect::SkipGfnLookup)
            }
        }
    }

    /// A probe that nothing bounds meets neither the frame nor a hole.
    fn probe_never_ends(&self, vcpu: VcpuId, gfn: Gfn) -> bool {
        let gfns = &self.vcpu(vcpu).gfns;
        self.has(Defect::UnboundedProbe)
            && gfns.len() as usize == gfns.capacity()
            && !gfns.contains(gfn)
    }

    /// The sections of a setup, by rule.
    fn sections(&self) -> &'static [Section] {
        match (self.rules.announce, self.rules.setup_order) {
            (Announce::AtSetup, SetupOrder::ScheduleFirst) => {
                &[Section::Schedule, Section::Link, Section::Announce]
            }
            (Announce::AtSetup, SetupOrder::LinkFirst) => {
                &[Section::Link, Section::Announce, Section::Schedule]
            }
            (Announce::AtEntryIfMissing, SetupOrder::ScheduleFirst) => {
                &[Section::Schedule, Section::Link]
            }
            (Announce::AtEntryIfMissing, SetupOrder::LinkFirst) => {
                &[Section::Link, Section::Schedule]
            }
        }
    }

    pub(super) fn advance_setup(
        &mut self,
        vcpu: VcpuId,
        view: VcpuView,
        (item, step): (ItemId, u8),
        effects: &mut Effects,
    ) {
        let sections = self.sections();
        match sections[usize::from(step)] {
            Section::Schedule => self.schedule(item, effects),
            Section::Link => self.link(vcpu, item, effects),
            Section::Announce => self.announce(vcpu, view, item, effects),
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

    /// Whether `RefuseWork` can happen: the next section hands the work over, and the order is one
    /// in which that can still fail.
    pub fn can_refuse_work(&self, vcpu: VcpuId) -> bool {
        let first = self.sections()[0] == Section::Schedule;
        first && matches!(self.vcpu(vcpu).operation, Some(Operation::Setup { step: 0, .. }))
    }

    pub(super) fn refuse_work(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        assert!(self.can_refuse_work(vcpu), "{vcpu} hands no work over");
        let Some(Operation::Setup { item, .. }) = self.vcpu_mut(vcpu).operation.take() else {
            unreachable!("{vcpu} sets an item up");
        };
        let gfn = self.host.items.free(item).gfn();
        effects.push(Effect::ItemFreed { item, gfn });
        effects.push(Effect::Decide(Decision::Sync));
    }

    pub(super) fn take_token(&mut self, vcpu: VcpuId) -> Token {
        let (rule, reused) = (self.rules.token, self.has(Defect::ReusedToken));
        let zero = self.rules.token_zero;
        let zero = if self.has(Defect::TokenZero) { TokenZero::Possible } else { zero };
        let state = self.vcpu_mut(vcpu);
        let id = rule.first_from(state.next_id, zero);
        if !reused {
            state.next_id = rule.next_id(id);
        }
        rule.token(id, vcpu)
    }

    fn schedule(&mut self, id: ItemId, effects: &mut Effects) {
        let Item { vcpu, fault, .. } = *self.host.items.item(id);
        let Fault { gva, hva, .. } = fault.expect("a wake-all is never scheduled");
        self.host.items.set_work(id, Work::queued(vcpu, gva, hva));
        if self.rules.workers != Workers::NativeIo {
            effects.push(Effect::Emit(Event::WorkqueueQueueWork { item: id }));
        }
        effects.push(Effect::QueueWork { item: id });
    }

    pub(super) fn link(&mut self, vcpu: VcpuId, id: ItemId, effects: &mut Effects) {
        let item = *self.host.items.item(id);
        let deferred = self.rules.announce == Announce::AtEntryIfMissing;
        let state = self.vcpu_mut(vcpu);
        state.queue.push(id);
        state.queued += 1;
        if deferred {
            state.deferred = Some(id);
        }
        if let Some(gfn) = item.gfn() {
            effects.push(Effect::Emit(Event::ItemLink { vcpu, token: item.token, gfn }));
        }
    }
}
