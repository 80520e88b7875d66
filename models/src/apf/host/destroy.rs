//! The end of a VM: who takes it apart, and for whom that waits (`kvm_put_kvm`,
//! `kvm_destroy_vm`).

use crate::apf::defect::Defect;
use crate::apf::effect::{Decision, Effect, Effects};
use crate::apf::host::Life;
use crate::apf::item::WorkStage;
use crate::apf::rules::WorkReference;
use crate::apf::state::Apf;
use crate::base::ids::ItemId;

impl Apf {
    fn works_keep_the_vm(&self) -> bool {
        self.rules.work_reference == WorkReference::Vm || self.has(Defect::WorkKeepsVm)
    }

    /// The VMM lets go; or, called again, goes on taking the VM apart when a worker has ended.
    pub(super) fn destroy(&mut self, effects: &mut Effects) {
        match self.host.life {
            Life::Used if self.works_keep_the_vm() && self.host.items.works().next().is_some() => {
                self.host.life = Life::Released;
            }
            Life::Used | Life::Destroying(None) => self.take_apart(None, effects),
            life => panic!("the VMM gives up a VM that is {life:?}"),
        }
    }

    fn take_apart(&mut self, by: Option<ItemId>, effects: &mut Effects) {
        self.host.life = Life::Destroying(by);
        for vcpu in self.vcpu_ids() {
            self.cancel_queued(vcpu, effects);
        }
        let waited = self.host.items.works().find(|(_, work)| self.is_waited_for(work));
        if let Some((item, _)) = waited {
            effects.push(Effect::WaitWorker { item });
            effects.push(Effect::Decide(Decision::Continue));
            return;
        }
        for vcpu in self.vcpu_ids() {
            self.drop_items(vcpu, effects);
        }
        self.host.life = Life::Destroyed;
        effects.push(Effect::Destroyed);
    }

    /// The end of a worker: at once, or after it gave its reference back, which is a section of
    /// its own when that may be the last one.
    pub(super) fn end_or_release(&mut self, id: ItemId, effects: &mut Effects) {
        if self.host.life == Life::Released && self.works_keep_the_vm() {
            self.host.items.work_mut(id).stage = WorkStage::Ending;
            return;
        }
        self.end_worker(id, effects);
    }

    pub(super) fn release_vm(&mut self, id: ItemId, effects: &mut Effects) {
        let last = self.host.items.works().count() == 1;
        if last && self.host.life == Life::Released {
            // Returns into the worker's own function, if it returns.
            self.take_apart(Some(id), effects);
            return;
        }
        assert_ne!(
            self.host.life,
            Life::Destroying(Some(id)),
            "{id} waits for itself and has no next section"
        );
        self.end_worker(id, effects);
    }

    fn end_worker(&mut self, id: ItemId, effects: &mut Effects) {
        self.host.items.end_work(id);
        effects.push(Effect::WorkerDone { item: id });
    }
}
