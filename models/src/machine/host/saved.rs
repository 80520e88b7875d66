//! What others tell the threads that protect memory: vCPUs that have stopped, pages that are in memory, and those that
//! the sink has.

use sim_core::EventQueue;

use super::protected::{Protection, Stage};
use super::state::Host;
use crate::base::ids::{GuestPage, VmId};
use crate::base::record::Event;
use crate::config::Lift;
use crate::machine::world::{Cx, Flow, MachineEvent, Then};

impl Host {
    /// The protection of a virtual machine's memory, if there is or will be one.
    pub(super) fn protection_of(&mut self, vm: VmId) -> Option<&mut Protection> {
        self.protections.iter_mut().find(|protection| protection.what.vm == vm)
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// A vCPU has stopped: who waits for that looks whether it was the last one.
    pub(in crate::machine) fn tell_protector(&mut self, vm: VmId) {
        if let Some(Stage::Stops(thread)) = self.w.host.protection_of(vm).map(|it| it.stage) {
            self.wake_thread(thread);
        }
    }

    /// A thread with nothing to do has something now.
    pub(super) fn wake_protector(&mut self, vm: VmId) {
        let idle = self.w.host.protection_of(vm).and_then(|it| it.idle.pop());
        if let Some(thread) = idle {
            self.wake_thread(thread);
        }
    }

    /// The page that a thread saves is in memory, and it has read it.
    pub(super) fn page_to_save(&mut self, page: GuestPage) -> Flow {
        self.map_in_vmm(page, false);
        let prices = &self.w.setup.prices;
        let (submit, copy) = (prices.block_submit.time, prices.zero_page.time);
        let copied =
            self.w.host.protection_of(page.vm()).is_some_and(|it| it.what.lift == Lift::Copied);
        // A copy takes what clearing a page does (assumption).
        let cost = if copied { submit + copy } else { submit };
        Flow::Spend(cost, Then::ProtectSubmit(page))
    }

    /// The sink has a page.
    pub(super) fn page_is_saved(&mut self, page: GuestPage) {
        let vm = page.vm();
        let Some(protection) = self.w.host.protection_of(vm) else { return };
        protection.saving.remove(&page);
        let left = protection.missing();
        let copied = protection.what.lift == Lift::Copied;
        protection.saved.insert(page);
        if !copied {
            self.w.host.memory.page_mut(page).pins -= 1;
            let container = self.w.host.memory.container(vm);
            self.w.host.pinned[container] -= 1;
        }
        self.emit(Event::UffdSaved { page, left });
        if self.w.host.memory.page(page).protected
            && let Some(protection) = self.w.host.protection_of(vm)
        {
            protection.to_lift.push_back(page);
        }
        self.wake_protector(vm);
    }
}
