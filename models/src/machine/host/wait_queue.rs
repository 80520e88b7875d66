//! Where the wait queues of userfaultfd descriptors are.

use sim_core::{EventQueue, SimDuration};

use super::state::Host;
use super::thread::ThreadKind;
use crate::base::ids::{HandlerId, StoreId, ThreadId};
use crate::machine::world::{Cx, MachineEvent};
use crate::parts::memory::wait_queues::WaitQueues;

impl Host {
    /// The queues of a descriptor, where they are kept.
    pub(super) fn queues_mut(
        &mut self,
        store: StoreId,
        descriptor: u16,
    ) -> Option<&mut WaitQueues> {
        self.stores[store.index()].queues.get_mut(usize::from(descriptor))
    }

    /// Whether the queues of a store's descriptors are kept.
    pub(super) fn keeps_queues(&self, store: StoreId) -> bool {
        !self.stores[store.index()].queues.is_empty()
    }

    pub(super) fn handler_of(&self, thread: ThreadId) -> HandlerId {
        match self.kind_of(thread) {
            ThreadKind::Handler(handler) => handler,
            other => unreachable!("{thread} is {other:?}, and no handler"),
        }
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// A cost without what is done of it under a lock.
    pub(super) fn outside_lock(&self, cost: SimDuration, store: StoreId) -> SimDuration {
        match self.w.host.keeps_queues(store) {
            true => cost.saturating_sub(self.w.setup.prices.uffd_locked.time),
            false => cost,
        }
    }
}
