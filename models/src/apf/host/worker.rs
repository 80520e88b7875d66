//! The helper thread's sections (`async_pf_execute`). After the item is published the worker uses
//! only what it has on its stack.

use crate::apf::Apf;
use crate::apf::effect::{CostKey, Effect, Effects};
use crate::apf::item::{Work, WorkStage};
use crate::apf::rules::Kick;
use crate::ids::{ItemId, VcpuId, WorkerId};
use crate::trace::Event;

impl Apf {
    pub(super) fn worker_start(&mut self, id: ItemId, worker: WorkerId, effects: &mut Effects) {
        let gfn = self.host.items.item(id).gfn().expect("a wake-all has no worker");
        let work = self.host.items.work_mut(id);
        assert_eq!(work.stage, WorkStage::Queued, "{id} is begun once");
        work.worker = Some(worker);
        work.stage = WorkStage::Fetching;
        effects.push(Effect::Fetch { item: id, gfn });
    }

    pub(super) fn worker_fetched(&mut self, id: ItemId) {
        let work = self.host.items.work_mut(id);
        assert_eq!(work.stage, WorkStage::Fetching, "{id} is fetched once");
        work.stage = WorkStage::Fetched;
    }

    pub(super) fn worker_advance(&mut self, id: ItemId, effects: &mut Effects) {
        let work = *self.host.items.work_mut(id);
        match work.stage {
            WorkStage::Queued | WorkStage::Fetching => panic!("{id} is not fetched yet"),
            WorkStage::Fetched => self.publish(id, work.vcpu, effects),
            WorkStage::Published => self.trace_completed(id, work, effects),
            WorkStage::Traced => self.kick(id, work.vcpu, effects),
        }
    }

    fn publish(&mut self, id: ItemId, vcpu: VcpuId, effects: &mut Effects) {
        self.host.items.work_mut(id).stage = WorkStage::Published;
        let token = self.host.items.item(id).token;
        self.vcpu_mut(vcpu).done.push(id);
        effects.push(Effect::Cost(CostKey::WorkerPublish));
        effects.push(Effect::Emit(Event::ItemDone { vcpu, token }));
    }

    fn trace_completed(&mut self, id: ItemId, work: Work, effects: &mut Effects) {
        self.host.items.work_mut(id).stage = WorkStage::Traced;
        let Work { vcpu, gva, hva, worker, .. } = work;
        let worker = worker.expect("the work was begun by somebody");
        let event = Event::KvmAsyncPfCompleted { worker, vcpu, gva, address: hva };
        effects.push(Effect::Emit(event));
    }

    fn kick(&mut self, id: ItemId, vcpu: VcpuId, effects: &mut Effects) {
        self.host.items.end_work(id);
        effects.push(Effect::Cost(CostKey::WorkerKick));
        let state = self.vcpu_mut(vcpu);
        let Kick::WakeBlockedOnly = self.rules.kick;
        if state.blocked && !state.woken {
            state.woken = true;
            effects.push(Effect::WakeVcpu { vcpu });
        }
        effects.push(Effect::WorkerDone { item: id });
    }
}
