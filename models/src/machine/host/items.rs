//! What work items are to the host: a reference on a page, and the processor of their vCPU's thread.

use sim_core::EventQueue;

use crate::apf::rules::PageReference;
use crate::base::ids::{GuestPage, ItemId, PcpuId, VmId};
use crate::machine::world::{Cx, MachineEvent, thread_of};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The processor on which the vCPU thread of an item runs.
    pub(super) fn pcpu_of(&self, item: ItemId) -> PcpuId {
        let thread = thread_of(self.w.protocol.vcpu_of(item));
        self.w.host.threads[thread.index()].pcpu
    }

    /// Takes the reference that an item keeps to its page, where the rules say so.
    pub(super) fn hold_page(&mut self, item: ItemId, guest_page: GuestPage) {
        if self.holds_pages(guest_page.vm()) {
            let page = self.w.host.memory.page_mut(guest_page);
            page.pins += 1;
            self.w.host.pinned[self.w.host.memory.container(guest_page.vm())] += 1;
            let needed = item.index() + 1;
            if self.w.host.pinning.len() < needed {
                self.w.host.pinning.resize(needed, None);
            }
            self.w.host.pinning[item.index()] = Some(guest_page);
        }
    }

    /// Whether an item keeps a reference to its page until its page ready.
    fn holds_pages(&self, vm: VmId) -> bool {
        let policy = self.w.setup.policy_of(vm);
        policy.is_some_and(|p| p.rules.page_reference == PageReference::HeldUntilReady)
    }

    /// Releases the reference that an item held on its page. One that was dropped before a worker
    /// came to it held none.
    pub(in crate::machine) fn unpin(&mut self, item: ItemId) {
        let held = self.w.host.pinning.get_mut(item.index()).and_then(Option::take);
        if let Some(guest_page) = held {
            let page = self.w.host.memory.page_mut(guest_page);
            page.pins -= 1;
            let container = self.w.host.memory.container(guest_page.vm());
            self.w.host.pinned[container] -= 1;
            self.wake_room_waiters(container);
        }
    }
}
