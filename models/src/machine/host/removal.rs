//! Memory under userfaultfd that a VMM gives back (`userfaultfd_remove`, fs/userfaultfd.c, and `madvise_dontneed_free`,
//! mm/madvise.c, of 6.12.117).
//!
//! With EVENT_REMOVE, `madvise` counts a change, lets go of the lock of the map, links an event and sleeps until
//! somebody reads it; a reader is shown events only when there is no message. Until the caller is awake, and the
//! change is over, whatever installs pages fails (EAGAIN). Then the pages go. So a page that is installed between the
//! change's end and its going goes with it. Who misses one afterwards sends a message like anybody, and it is the
//! handler that has to know that the page holds zeros now: INV-50.

use sim_core::{EventQueue, SimDuration};

use super::state::Host;
use crate::base::ids::{GuestPage, StoreId, ThreadId};
use crate::base::invariant::InvariantId;
use crate::base::record::Event;
use crate::machine::world::{Cx, Flow, MachineEvent, Then};
use crate::parts::memory::pages::Backing;
use crate::parts::memory::prefetch::PageRun;
use crate::parts::memory::userfault::{Removal, Role};

/// After so much time a thread tries again that cannot read the event itself (assumption; handlers yield or spin).
const AGAIN: SimDuration = SimDuration::from_us(10);

impl Host {
    /// The store whose descriptor a page is registered with, and which descriptor of it.
    fn registered(&mut self, page: GuestPage) -> Option<(StoreId, usize)> {
        let store = self.memory.page(page).store?;
        let messages = self.stores[store.index()].messages.as_ref()?;
        (!messages.is_closed()).then(|| (store, messages.descriptor(page)))
    }

    /// The first pages of a run that are registered alike, which is what one call gives back, and what is left.
    pub(super) fn registered_alike(&mut self, run: PageRun) -> (PageRun, Option<PageRun>) {
        let first = self.registered(run.first);
        let other = (1..run.pages)
            .find(|&at| run.page(at).is_some_and(|page| self.registered(page) != first));
        let rest =
            other.and_then(|at| Some(PageRun { first: run.page(at)?, pages: run.pages - at }));
        (PageRun { first: run.first, pages: other.unwrap_or(run.pages) }, rest)
    }

    /// Pages that have gone were registered with a store's descriptors: who touches one misses it.
    pub(super) fn misses_what_has_gone(&mut self, pages: &[(GuestPage, StoreId)]) {
        for &(guest_page, store) in pages {
            let page = self.memory.page_mut(guest_page);
            if !matches!(page.backing, Backing::Untouched | Backing::Stored | Backing::Poisoned) {
                continue;
            }
            (page.backing, page.store) = (Backing::Stored, Some(store));
            self.stores[store.index()].discarded.insert(guest_page);
        }
    }

    /// The pages of a run that are registered with a descriptor that is open.
    pub(super) fn registered_of(&mut self, run: PageRun) -> Vec<(GuestPage, StoreId)> {
        let pages = (0..run.pages).filter_map(|at| run.page(at));
        pages.filter_map(|page| Some((page, self.registered(page)?.0))).collect()
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// A thread is about to give pages back that are registered alike. None: nobody is told, and they go.
    pub(super) fn tell_of_removal(&mut self, thread: ThreadId, run: PageRun) -> Option<Flow> {
        let (store, _) = self.w.host.registered(run.first)?;
        if !self.w.host.messages_mut(store).config().remove_events {
            return None;
        }
        let (page, pages) = (run.first, run.pages);
        self.emit(Event::UffdRemove { thread, page, pages });
        self.w.host.messages_mut(store).remove(Removal { thread, run });
        for reader in self.w.host.messages_mut(store).wake(page) {
            let reader = self.w.host.thread_of_handler(store, Role::Reader, reader);
            self.wake_thread(reader);
        }
        self.block_thread(thread, Then::BalloonRemoved);
        Some(Flow::Stopped)
    }

    /// What telling of it costs who gives pages back.
    pub(super) fn cost_of_telling(&mut self, page: GuestPage) -> SimDuration {
        let store = self.w.host.registered(page).map(|(store, _)| store);
        let tells =
            store.is_some_and(|store| self.w.host.messages_mut(store).config().remove_events);
        if tells { self.w.setup.prices.uffd_wait.time } else { SimDuration::ZERO }
    }

    /// The change is over: pages can be installed again.
    pub(super) fn removal_is_over(&mut self, run: PageRun) {
        if let Some((store, _)) = self.w.host.registered(run.first) {
            self.w.host.messages_mut(store).removed(run.first);
        }
    }

    /// Whether nobody has read of the pages yet that a thread gives back.
    pub(super) fn removal_waits(&mut self, thread: ThreadId, run: PageRun) -> bool {
        let store = self.w.host.registered(run.first).map(|(store, _)| store);
        store.is_some_and(|store| self.w.host.messages_mut(store).has_removal_of(thread))
    }

    /// A reader looks for an event behind the messages. The read wakes who gives memory back, and the handler knows
    /// of it.
    pub(super) fn read_removal(
        &mut self,
        thread: ThreadId,
        store: StoreId,
        descriptor: u16,
    ) -> bool {
        let Some(removal) = self.w.host.messages_mut(store).read_removal(descriptor) else {
            return false;
        };
        let Removal { thread: caller, run } = removal;
        self.note_progress(thread);
        self.emit(Event::UffdRemoveRead { thread, page: run.first, pages: run.pages });
        let pages = (0..run.pages).filter_map(|at| run.page(at));
        self.w.host.stores[store.index()].removed.extend(pages);
        self.wake_thread(caller);
        true
    }

    /// A call finds that memory is being given back (EAGAIN). A thread that reads messages reads on, as the event is
    /// behind them; others try again.
    pub(super) fn install_again(&mut self, thread: ThreadId, page: GuestPage) -> Flow {
        self.unlock_map(thread);
        self.w.host.threads[thread.index()].fetch = None;
        self.emit(Event::UffdAgain { thread, page });
        let handler = self.w.host.handler_of(thread);
        let reads = self.w.host.handlers[handler.index()].role == Role::Reader;
        let (store, number) = self.w.host.handler(handler);
        if !reads || !self.w.host.messages_mut(store).may_read(number) {
            let again = self.now() + AGAIN;
            return self.sleep_until(thread, again, Then::HandlerInstall);
        }
        Flow::Spend(self.w.setup.prices.uffd_read.time, Then::HandlerReadOn)
    }

    /// A reader reads while it has a page to install: what it finds of messages it serves later.
    pub(super) fn read_on(&mut self, thread: ThreadId) -> Flow {
        let handler = self.w.host.handler_of(thread);
        let (store, number) = self.w.host.handler(handler);
        let descriptor = self.w.host.messages_mut(store).to_be_read(number);
        if let Some(page) = self.w.host.messages_mut(store).read_one(descriptor) {
            let pcpu = self.w.host.threads[thread.index()].pcpu;
            if let Some(queues) = self.w.host.queues_mut(store, descriptor) {
                queues.refile(pcpu);
            }
            self.emit(Event::UffdRead { thread, page });
            self.w.host.handlers[handler.index()].taken.push_back(page);
            return Flow::Spend(self.w.setup.prices.uffd_message.time, Then::HandlerReadOn);
        }
        self.read_removal(thread, store, descriptor);
        Flow::Spend(SimDuration::ZERO, Then::HandlerInstall)
    }

    /// INV-50.
    pub(super) fn check_is_no_discard(&mut self, page: GuestPage) {
        if self.w.host.is_discarded(page) {
            let message = format!("{page} was given back, and what its store has is installed");
            self.note(page.vm(), InvariantId(50), message);
        }
    }
}
