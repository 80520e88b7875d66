//! Who sleeps for a page that the VMM brings (`handle_userfault`, fs/userfaultfd.c of 6.12.95), and which of
//! the VMM's threads are to be woken.

use sim_core::{EventQueue, SimDuration};

use super::thread::ThreadKind;
use crate::apf::rules::Workers;
use crate::base::ids::{GuestPage, StoreId, ThreadId, VcpuId};
use crate::base::record::{BlockReason, Event};
use crate::machine::world::{Cx, Errand, Flow, MachineEvent, Then, Visit, thread_of};
use crate::parts::memory::userfault::{Message, Role};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The way of a thread that may sleep as far as its message.
    pub(super) fn ask_vmm(&mut self, thread: ThreadId) -> Flow {
        let prices = &self.w.setup.prices;
        let cost = match self.w.host.kind_of(thread) {
            ThreadKind::Vcpu(_) => prices.uffd_sync.time,
            _ => prices.uffd_worker.time,
        };
        Flow::Spend(cost, Then::UffdLink)
    }

    pub(super) fn wanted_page(&self, thread: ThreadId) -> (GuestPage, StoreId) {
        let fetch = self.w.host.threads[thread.index()].fetch;
        let page = fetch.map(|fetch| fetch.guest_page);
        match page.and_then(|page| Some((page, self.w.host.memory.page(page).store?))) {
            Some(wanted) => wanted,
            None => unreachable!("{thread} asks for no stored page"),
        }
    }

    /// The visit of a thread that misses a page to the queues of the page's descriptor, where they are kept.
    fn own_visit(&mut self, thread: ThreadId, visit: Visit) -> Option<Flow> {
        let (page, store) = self.wanted_page(thread);
        let descriptor = self.w.host.messages_mut(store).descriptor(page) as u16;
        let errand = Errand { visit, store, descriptor };
        let kept = self.w.host.keeps_queues(store);
        kept.then_some(Flow::Spend(SimDuration::ZERO, Then::QueueVisit(errand)))
    }

    /// A thread is about to link its message.
    pub(in crate::machine) fn link_message(&mut self, thread: ThreadId) -> Flow {
        if let Some(flow) = self.link_write(thread) {
            return flow;
        }
        let (page, _) = self.wanted_page(thread);
        if !self.w.host.is_served_by_vmm(page) || self.is_killed(thread) {
            return Flow::Spend(self.w.setup.prices.uffd_awake.time, Then::Fetch);
        }
        self.own_visit(thread, Visit::Link).unwrap_or_else(|| self.message_linked(thread))
    }

    /// The message is linked: from here on it can be read.
    pub(super) fn message_linked(&mut self, thread: ThreadId) -> Flow {
        let (page, store) = self.wanted_page(thread);
        self.emit(Event::UffdMessage { thread, page });
        let idle = self.w.host.messages_mut(store).link(Message { thread, page });
        let prices = &self.w.setup.prices;
        let (wait, herd) = (prices.uffd_wait.time, prices.uffd_herd.time);
        if !self.w.host.keeps_queues(store) {
            let herd = herd.times(u64::from(idle.saturating_sub(1)));
            return Flow::Spend(wait + herd, Then::UffdSleep);
        }
        // Waking readers, the first one too, is done under the lock of theirs.
        let wait = self.outside_lock(wait, store);
        let wait = if idle > 0 { wait.saturating_sub(herd) } else { wait };
        Flow::Spend(wait, Then::UffdSleep)
    }

    /// Is the page still missing (`userfaultfd_must_wait`)? Then readers are woken, and the thread sleeps.
    pub(in crate::machine) fn sleep_for_vmm(&mut self, thread: ThreadId) -> Flow {
        if let Some(flow) = self.sleep_for_lift(thread) {
            return flow;
        }
        let (page, store) = self.wanted_page(thread);
        // The lock of the map is not held while the thread sleeps, whichever kernel it is.
        self.unlock_map(thread);
        if !self.w.host.is_served_by_vmm(page) || self.is_killed(thread) {
            self.w.host.messages_mut(store).withdraw(thread);
            let awake = Flow::Spend(self.w.setup.prices.uffd_awake.time, Then::Fetch);
            return match self.has_entry(thread) {
                true => self.own_visit(thread, Visit::Unlink).unwrap_or(awake),
                false => awake,
            };
        }
        self.w.host.wait_for_page(thread, page);
        let visit = self.own_visit(thread, Visit::WakeReaders);
        visit.unwrap_or_else(|| self.wake_readers_and_sleep(thread))
    }

    /// Whether a thread's message is still linked (`list_empty_careful`).
    fn has_entry(&mut self, thread: ThreadId) -> bool {
        let (page, store) = self.wanted_page(thread);
        let descriptor = self.w.host.messages_mut(store).descriptor(page) as u16;
        self.w.host.queues_mut(store, descriptor).is_some_and(|queues| queues.has_entry(thread))
    }

    /// Readers are woken, and the thread sleeps, unless it was woken meanwhile.
    pub(super) fn wake_readers_and_sleep(&mut self, thread: ThreadId) -> Flow {
        let (page, store) = self.wanted_page(thread);
        for reader in self.w.host.messages_mut(store).wake(page) {
            let reader = self.w.host.thread_of_handler(store, Role::Reader, reader);
            self.wake_thread(reader);
        }
        if !self.w.host.page_waiters.contains(&(page, thread)) {
            return Flow::Spend(self.w.setup.prices.uffd_awake.time, Then::Fetch);
        }
        self.going_to_sleep(thread, BlockReason::Fetch);
        self.block_thread(thread, Then::UffdAwake);
        Flow::Stopped
    }

    /// A sleeper runs again, and repeats its access.
    pub(in crate::machine) fn awake_from_vmm(&mut self, thread: ThreadId) -> Flow {
        self.running_again(thread);
        Flow::Spend(self.w.setup.prices.uffd_awake.time, Then::Fetch)
    }

    /// Pages that the VMM brings: how the lookup that must not wait comes back (`FAULT_FLAG_RETRY_NOWAIT`: at
    /// once, without a message).
    pub(in crate::machine) fn look_without_asking(
        &mut self,
        vcpu: VcpuId,
        page: GuestPage,
    ) -> Flow {
        self.emit(Event::UffdLookup { thread: thread_of(vcpu), page });
        Flow::Spend(self.w.setup.prices.uffd_lookup.time, Then::FaultTry)
    }

    /// Whether a fault can only be resolved by the vCPU thread, because its page takes a thread that sleeps and
    /// items have none.
    pub(in crate::machine) fn needs_sleeper(&self, page: GuestPage) -> bool {
        let policy = self.w.setup.policy_of(page.vm());
        let without = policy
            .is_none_or(|policy| !policy.host_async || policy.rules.workers == Workers::NativeIo);
        without && (self.w.host.is_served_by_vmm(page) || self.is_uffd_protected(page))
    }
}
