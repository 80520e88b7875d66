//! What the host's state says of stores, and of the threads of the VMM that bring their pages.

use sim_core::SimTime;

use super::state::Host;
use super::stores::{Answer, Handler};
use crate::base::ids::{GuestPage, HandlerId, StoreId, SwapSlot, ThreadId};
use crate::parts::device::Device;
use crate::parts::memory::pages::Backing;
use crate::parts::memory::prefetch::PageRun;
use crate::parts::memory::userfault::{Messages, Role};

impl Host {
    /// The device that a request goes to: that of a store, or that of the swap area.
    pub(super) fn device_of(&mut self, store: Option<StoreId>) -> &mut Device {
        let first = store.map(|store| self.first_of_image(store));
        let own = first.and_then(|store| self.stores[store.index()].device.as_mut());
        own.unwrap_or(&mut self.device)
    }

    /// Whether a request goes to the swap device.
    pub(super) fn is_on_swap_device(&self, store: Option<StoreId>) -> bool {
        store.is_none_or(|store| !self.has_device(store))
    }

    /// The store that has the device of an image: those of several virtual machines may be the same.
    pub(super) fn first_of_image(&self, store: StoreId) -> StoreId {
        self.stores[store.index()].shares.unwrap_or(store)
    }

    /// Where a page lies on the device of its store. An image on the swap device has places of its own there,
    /// of which only the distances count.
    pub(super) fn place_in_store(&self, store: StoreId, guest_page: GuestPage) -> SwapSlot {
        let pages = u64::from(self.stores[store.index()].pages);
        SwapSlot((guest_page.gfn().0 % pages) as u32)
    }

    /// A page is nowhere but in its store.
    pub(in crate::machine) fn store_page(&mut self, guest_page: GuestPage, store: StoreId) {
        let page = self.memory.page_mut(guest_page);
        page.backing = Backing::Stored;
        page.store = Some(store);
    }

    /// A page is the next one of a store that threads of the VMM bring without being asked.
    pub(in crate::machine) fn bring_ahead(&mut self, guest_page: GuestPage, store: StoreId) {
        if let Some(prefetcher) = &mut self.stores[store.index()].prefetcher {
            prefetcher.push(guest_page);
        }
    }

    /// A page is one that a store does not give.
    pub(in crate::machine) fn cannot_read(&mut self, guest_page: GuestPage, store: StoreId) {
        self.stores[store.index()].unreadable.insert(guest_page);
    }

    /// Whether a page is one that its store does not give.
    pub(super) fn is_unreadable(&self, page: GuestPage) -> bool {
        let store = self.memory.page(page).store;
        store.is_some_and(|store| self.stores[store.index()].unreadable.contains(&page))
    }

    /// Whether the handler of a page's store knows that the page was given back.
    pub(super) fn is_removed(&self, page: GuestPage) -> bool {
        let store = self.memory.page(page).store;
        store.is_some_and(|store| self.stores[store.index()].removed.contains(&page))
    }

    /// Whether a page was given back, whoever knows it.
    pub(super) fn is_discarded(&self, page: GuestPage) -> bool {
        let store = self.memory.page(page).store;
        store.is_some_and(|store| self.stores[store.index()].discarded.contains(&page))
    }

    /// What the handler installs in place of a page.
    pub(super) fn answer_for(&self, page: GuestPage) -> Answer {
        match (self.is_removed(page), self.is_unreadable(page)) {
            (true, _) => Answer::Zeros,
            (false, true) => Answer::Poison,
            (false, false) => Answer::Contents,
        }
    }

    /// The pages around a missing one that a message about it brings.
    pub(super) fn run_around(&self, store: StoreId, page: GuestPage, block: u32) -> PageRun {
        let missing = |page: GuestPage| self.is_missing(page, store) && !self.is_removed(page);
        match self.is_removed(page) {
            true => PageRun { first: page, pages: 1 },
            false => PageRun::around(page, block, missing),
        }
    }

    /// Whether a page is nowhere but in a store.
    pub(super) fn is_missing(&self, page: GuestPage, store: StoreId) -> bool {
        let memory = self.memory.of(self.memory.container(page.vm()));
        page.gfn().0 < memory.pages_of_vm(page.vm()) && {
            let page = self.memory.page(page);
            page.backing == Backing::Stored && page.store == Some(store)
        }
    }

    /// Takes the next pages that a thread of the VMM brings without being asked.
    pub(super) fn next_ahead(&mut self, store: StoreId, now: SimTime) -> Option<PageRun> {
        let mut prefetcher = self.stores[store.index()].prefetcher.take()?;
        let missing = |page| self.is_missing(page, store) && !self.is_removed(page);
        let run = prefetcher.next(now, missing);
        self.stores[store.index()].prefetcher = Some(prefetcher);
        run
    }

    /// Whether a store is on a device other than the swap device.
    pub(super) fn has_device(&self, store: StoreId) -> bool {
        self.stores[self.first_of_image(store).index()].device.is_some()
    }

    /// What a thread that answers faults serves, and its number there.
    pub(super) fn handler(&self, handler: HandlerId) -> (StoreId, u16) {
        let Handler { store, number, .. } = self.handlers[handler.index()];
        (store, number)
    }

    /// The messages about pages of a store.
    pub(super) fn messages_mut(&mut self, store: StoreId) -> &mut Messages {
        match &mut self.stores[store.index()].messages {
            Some(messages) => messages,
            None => unreachable!("nobody answers faults for {store}"),
        }
    }

    /// Whether a thread of the VMM brings a page that is nowhere but in its store.
    pub(in crate::machine) fn is_served_by_vmm(&self, guest_page: GuestPage) -> bool {
        let page = self.memory.page(guest_page);
        let asks = |messages: &Messages| !messages.is_closed();
        page.backing == Backing::Stored
            && page
                .store
                .is_some_and(|it| self.stores[it.index()].messages.as_ref().is_some_and(asks))
    }

    /// Whether nobody is asked any more for a page that is nowhere but in its store.
    pub(in crate::machine) fn is_orphaned(&self, guest_page: GuestPage) -> bool {
        let page = self.memory.page(guest_page);
        page.backing == Backing::Stored
            && page.store.is_some_and(|store| {
                self.stores[store.index()].messages.as_ref().is_some_and(Messages::is_closed)
            })
    }

    /// Whether somebody sleeps until a page is there.
    pub(super) fn somebody_waits_for(&self, guest_page: GuestPage) -> bool {
        let all = (guest_page, ThreadId(0))..=(guest_page, ThreadId(u32::MAX));
        self.page_waiters.range(all).next().is_some()
    }

    /// The thread of the handler at a place in the list of all.
    pub(super) fn first_handler_thread(&self, place: usize) -> ThreadId {
        ThreadId(self.vcpus + place as u32)
    }

    /// A thread that answers faults, by what it serves and its number there.
    pub(super) fn thread_of_handler(&self, store: StoreId, role: Role, number: u16) -> ThreadId {
        let is_it = |handler: &Handler| {
            (handler.store, handler.role, handler.number) == (store, role, number)
        };
        match self.handlers.iter().position(is_it) {
            Some(place) => self.first_handler_thread(place),
            None => unreachable!("{store} has no such thread"),
        }
    }
}
