//! Dropping all items of a vCPU (`kvm_clear_async_pf_completion_queue`).

use crate::apf::defect::Defect;
use crate::apf::effect::{Decision, Effect, Effects, VmmEffect};
use crate::apf::host::{Life, Operation};
use crate::apf::item::{VMM, Work, WorkStage};
use crate::apf::rules::{ClearRings, ClearWaits};
use crate::apf::state::Apf;
use crate::base::ids::{ItemId, VcpuId};
use crate::base::record::Event;

impl Apf {
    pub(super) fn begin_clear(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        self.vcpu_mut(vcpu).operation = Some(Operation::Clear);
        self.cancel_queued(vcpu, effects);
        self.advance_clear(vcpu, effects);
    }

    /// Takes back what no worker has begun.
    pub(super) fn cancel_queued(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        let works = self.host.items.works();
        let queued = works.filter(|(_, work)| work.vcpu == vcpu && work.stage == WorkStage::Queued);
        let cancelled: Vec<ItemId> = queued.map(|(id, _)| id).collect();
        for id in cancelled {
            self.host.items.end_work(id);
            effects.push(Effect::CancelWork { item: id });
            self.drop_item(vcpu, id, effects);
        }
    }

    /// Waits for the workers that have begun, then drops all items without a word to the guest.
    pub(super) fn advance_clear(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        // Nobody waits for a call of the VMM that answers. It keeps the VM alive, though.
        let waits =
            |work: &Work| work.vcpu == vcpu && work.worker != Some(VMM) && self.is_waited_for(work);
        let waited = self.host.items.works().find(|(_, work)| waits(work)).map(|(item, _)| item);
        if let Some(item) = waited {
            effects.push(Effect::WaitWorker { item });
            effects.push(Effect::Decide(Decision::Continue));
            return;
        }
        self.drop_items(vcpu, effects);
        self.vcpu_mut(vcpu).operation = None;
        effects.push(Effect::Decide(Decision::Retry));
    }

    pub(super) fn drop_items(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        let items = self.host.items.iter().filter(|(_, item)| item.vcpu == vcpu);
        let left: Vec<ItemId> = items.map(|(id, _)| id).collect();
        for id in left {
            self.drop_item(vcpu, id, effects);
        }
        let keep_hash = self.has(Defect::KeepHashOnClear);
        let state = self.vcpu_mut(vcpu);
        state.queued = 0;
        state.deferred = None;
        state.error_gfns.clear();
        if !keep_hash {
            state.gfns.clear();
        }
        self.clear_rings(vcpu, effects);
    }

    fn clear_rings(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        let removed = self.rules.clear_rings == ClearRings::Removed;
        let alive = self.host.life == Life::Used;
        let state = self.vcpu_mut(vcpu);
        if removed && alive && std::mem::take(&mut state.registered) {
            effects.push(Effect::Vmm(VmmEffect::RingsRemoved { vcpu }));
        }
    }

    fn drop_item(&mut self, vcpu: VcpuId, id: ItemId, effects: &mut Effects) {
        let state = self.vcpu_mut(vcpu);
        state.queue.retain(|&linked| linked != id);
        state.done.retain(|&linked| linked != id);
        let item = self.host.items.free(id);
        effects.push(Effect::Emit(Event::ItemUnlink { vcpu, token: item.token }));
        effects.push(Effect::ItemFreed { item: id, gfn: item.gfn() });
    }

    /// Whether whoever drops items has to wait for this worker.
    pub(super) fn is_waited_for(&self, work: &Work) -> bool {
        let skips = self.rules.clear_waits == ClearWaits::UncompletedOnly
            || self.has(Defect::ClearSkipsPublished);
        !skips || work.stage < WorkStage::Published
    }
}
