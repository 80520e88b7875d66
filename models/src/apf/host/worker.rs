//! The worker thread's sections (`async_pf_execute`). After the item is published the worker uses
//! only what it has on its stack.

use crate::apf::defect::Defect;
use crate::apf::effect::{Effect, Effects};
use crate::apf::item::{Work, WorkStage};
use crate::apf::rules::{FetchFailure, Kick, MmapLock};
use crate::apf::state::Apf;
use crate::base::ids::{ItemId, WorkerId};
use crate::base::record::Event;

impl Apf {
    pub(super) fn worker_start(&mut self, id: ItemId, worker: WorkerId, effects: &mut Effects) {
        let gfn = self.host.items.item(id).gfn().expect("a wake-all has no worker");
        let work = self.host.items.work_mut(id);
        assert_eq!(work.stage, WorkStage::Queued, "{id} is begun once");
        work.worker = Some(worker);
        work.stage = WorkStage::Fetching;
        effects.push(Effect::Fetch { item: id, gfn });
    }

    pub(super) fn worker_fetched(&mut self, id: ItemId, failed: bool) {
        let work = self.host.items.work_mut(id);
        assert_eq!(work.stage, WorkStage::Fetching, "{id} is fetched once");
        work.stage = WorkStage::Fetched;
        work.failed = failed;
        if self.has(Defect::StalePendingRead) {
            // The processor lets the look for an acknowledgement pass what comes before it.
            let vcpu = self.host.items.work_mut(id).vcpu;
            let seen = self.vcpu(vcpu).unacknowledged;
            self.host.items.work_mut(id).saw_unacknowledged = seen;
        }
    }

    /// Workers that hold the memory map of the VMM locked for reading: until they have their page,
    /// whoever wants to change the map waits, and all who come after wait for that one.
    pub fn mmap_lock_readers(&self) -> usize {
        match self.rules.mmap_lock {
            MmapLock::DroppedForIo => 0,
            MmapLock::HeldDuringIo => {
                let fetching = |work: &Work| work.stage == WorkStage::Fetching;
                self.host.items.works().filter(|(_, work)| fetching(work)).count()
            }
        }
    }

    pub(super) fn worker_advance(&mut self, id: ItemId, effects: &mut Effects) {
        let work = *self.host.items.work_mut(id);
        match work.stage {
            WorkStage::Queued | WorkStage::Fetching => panic!("{id} is not fetched yet"),
            WorkStage::Fetched => self.publish(id, work, effects),
            WorkStage::Published if self.rules.kick == Kick::RequestAndKick && work.first => {
                self.vcpu_mut(work.vcpu).ready_request = true;
                self.host.items.work_mut(id).stage = WorkStage::Requested;
            }
            WorkStage::Published => self.trace_completed(id, work, effects),
            WorkStage::Requested => {
                self.kick(work, effects);
                self.trace_completed(id, work, effects);
            }
            WorkStage::Traced => {
                self.wake_thread(work.vcpu, effects);
                self.end_or_release(id, effects);
            }
            WorkStage::Ending => self.release_vm(id, effects),
        }
    }

    fn publish(&mut self, id: ItemId, work: Work, effects: &mut Effects) {
        let vcpu = work.vcpu;
        let uninitialised = self.rules.fetch_failure == FetchFailure::UninitialisedPage
            || self.has(Defect::GarbagePage);
        let item = self.host.items.item_mut(id);
        item.garbage = work.failed && uninitialised;
        let (token, gfn) = (item.token, item.gfn());
        let noted = work.failed && self.rules.fetch_failure == FetchFailure::NextFaultSynchronous;
        let state = self.vcpu_mut(vcpu);
        state.error_gfns.extend(gfn.filter(|_| noted));
        let first = state.done.is_empty();
        state.done.push(id);
        let work = self.host.items.work_mut(id);
        (work.stage, work.first) = (WorkStage::Published, first);
        effects.push(Effect::Emit(Event::ItemDone { vcpu, token }));
    }

    /// The second half of `kvm_arch_async_page_present_queued`, after the request: who has a page
    /// ready to acknowledge will look then, and needs no kick.
    fn kick(&mut self, work: Work, effects: &mut Effects) {
        let vcpu = work.vcpu;
        let stale = self.has(Defect::StalePendingRead);
        let unacknowledged = self.vcpu(vcpu).unacknowledged;
        if !(if stale { work.saw_unacknowledged } else { unacknowledged }) {
            effects.push(Effect::KickVcpu { vcpu });
            self.wake_thread(vcpu, effects);
        }
    }

    fn trace_completed(&mut self, id: ItemId, work: Work, effects: &mut Effects) {
        self.host.items.work_mut(id).stage = WorkStage::Traced;
        if self.has(Defect::UseAfterPublish) && self.host.items.get(id).is_none() {
            effects.push(Effect::UseAfterFree { item: id });
        }
        let Work { vcpu, gva, hva, worker, .. } = work;
        let worker = worker.expect("the work was begun by somebody");
        let event = Event::KvmAsyncPfCompleted { worker, vcpu, gva, address: hva };
        effects.push(Effect::Emit(event));
    }
}
