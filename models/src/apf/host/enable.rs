//! Notices on and off (`kvm_pv_enable_async_pf`, `kvm_async_pf_wakeup_all`,
//! `kvm_clear_async_pf_completion_queue`).

use crate::apf::Apf;
use crate::apf::effect::{CostKey, Decision, Effect, Effects};
use crate::apf::host::{EN_RESERVED, MSR_EN, Operation};
use crate::apf::item::{Item, WorkStage};
use crate::ids::{ItemId, Token, VcpuId};
use crate::trace::Event;

impl Apf {
    /// The value is stored before the address of the word is looked up, as these kernels do: a
    /// write that is refused because of its address leaves notices on.
    pub(super) fn write_en(&mut self, vcpu: VcpuId, value: u64, effects: &mut Effects) {
        assert!(self.vcpu(vcpu).operation.is_none(), "{vcpu} writes EN inside an operation");
        effects.push(Effect::Cost(CostKey::WriteEn));
        if value & EN_RESERVED != 0 {
            effects.push(Effect::GpFault);
            return;
        }
        self.vcpu_mut(vcpu).en = value;
        if !self.vcpu(vcpu).enabled() {
            self.emit_write(vcpu, value, effects);
            self.vcpu_mut(vcpu).operation = Some(Operation::Clear);
            self.cancel_queued(vcpu, effects);
            self.advance_clear(vcpu, effects);
        } else if self.words[vcpu.index()].writable {
            self.emit_write(vcpu, value, effects);
            if self.rules.wake_all_on_enable {
                self.wake_all_item(vcpu, effects);
            }
        } else {
            effects.push(Effect::GpFault);
        }
    }

    fn emit_write(&self, vcpu: VcpuId, data: u64, effects: &mut Effects) {
        effects.push(Effect::Emit(Event::KvmMsrWrite { vcpu, ecx: MSR_EN, data }));
    }

    /// A completed item that wakes everybody, unless a completed item is there already.
    fn wake_all_item(&mut self, vcpu: VcpuId, effects: &mut Effects) {
        if !self.vcpu(vcpu).done.is_empty() {
            return;
        }
        let token = Token::WAKE_ALL;
        let item = self.host.items.allocate(Item { vcpu, token, fault: None, told: false });
        let state = self.vcpu_mut(vcpu);
        state.done.push(item);
        state.queued += 1;
        effects.push(Effect::Emit(Event::ItemDone { vcpu, token }));
    }

    /// Takes back what no worker has begun.
    fn cancel_queued(&mut self, vcpu: VcpuId, effects: &mut Effects) {
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
        if let Some((item, _)) = self.host.items.works().find(|(_, work)| work.vcpu == vcpu) {
            effects.push(Effect::WaitWorker { item });
            effects.push(Effect::Decide(Decision::Continue));
            return;
        }
        let items = self.host.items.iter().filter(|(_, item)| item.vcpu == vcpu);
        let left: Vec<ItemId> = items.map(|(id, _)| id).collect();
        for id in left {
            self.drop_item(vcpu, id, effects);
        }
        let state = self.vcpu_mut(vcpu);
        state.queued = 0;
        state.gfns.clear();
        state.operation = None;
        effects.push(Effect::Decide(Decision::Retry));
    }

    fn drop_item(&mut self, vcpu: VcpuId, id: ItemId, effects: &mut Effects) {
        let state = self.vcpu_mut(vcpu);
        state.queue.retain(|&linked| linked != id);
        state.done.retain(|&linked| linked != id);
        let item = self.host.items.free(id);
        effects.push(Effect::Emit(Event::ItemUnlink { vcpu, token: item.token }));
        effects.push(Effect::ItemFreed { item: id, gfn: item.gfn() });
    }
}
