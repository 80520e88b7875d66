//! Faults on a file that the VMM maps (`filemap_fault`, `filemap_map_pages`, mm/filemap.c; `do_read_fault` and
//! `do_cow_fault`, mm/memory.c).
//!
//! A fault for reading first maps what of the aligned block around its page is in the page cache (fault-around). KVM
//! faults like any other user of the VMM's memory (`hva_to_pfn_slow`, `get_user_pages_unlocked`), but makes a
//! second-stage entry for its own page alone: an access to a page that was mapped around is another exit, which finds
//! the VMM's entry and looks into no file. A fault for writing copies its page, and maps nothing around it; a worker
//! asks for writing always.
//!
//! Who finds its page nowhere reads it, alone or in a window. Pages of a window are locked until they are read: who
//! waits, sleeps for the lock, and a lookup that must not wait comes back without the page. A page that is read alone
//! is waited for by the lookup itself (`stored_lookup`).
//!
//! Pages that nobody has touched are charged to the container of who read them and lie on its lists like others that
//! were read, without an entry.

use std::collections::BTreeSet;

use sim_core::EventQueue;

use super::page_cache::Cached;
use super::state::Host;
use super::stores::Store;
use super::thread::{Fetch, FetchGoal};
use crate::apf::rules::StoredLookup;
use crate::base::ids::{Gfn, GuestPage, StoreId, ThreadId};
use crate::config::ReadFaults;
use crate::machine::world::{Cx, Flow, MachineEvent, Then};
use crate::parts::device::Request;
use crate::parts::memory::file_windows::Window;
use crate::parts::memory::pages::{Arrival, Backing, Entry};

/// Pages of one request at most (`BIO_MAX_VECS`).
const REQUEST_PAGES: u32 = 256;

impl Host {
    /// The file of a page that the VMM's page table does not have, and which is in the page cache or on its way there.
    fn unmapped_page_of(&self, guest_page: GuestPage) -> Option<StoreId> {
        let page = self.memory.page(guest_page);
        let there = matches!(page.backing, Backing::Resident | Backing::Reading);
        let found = there && page.vmm == Entry::None && page.is_as_stored();
        page.store.filter(|store| found && self.stores[store.index()].messages.is_none())
    }

    /// Whether a fault on a page that is in memory looks into the file which the VMM maps.
    pub(in crate::machine) fn is_unmapped_page_of_file(&self, guest_page: GuestPage) -> bool {
        self.unmapped_page_of(guest_page).is_some()
    }

    /// Whether the page cache has a page of a file, or is about to. A copy that the VMM has made of it stands for it.
    fn has_page_of_file(&self, page: GuestPage, store: StoreId) -> Cached {
        let state = self.memory.page(page);
        match state.backing {
            _ if state.store != Some(store) => Cached::No,
            Backing::Resident | Backing::Writeback => Cached::There,
            Backing::Reading => state.locked_by.map_or(Cached::No, Cached::Coming),
            Backing::Stored => self.cached(page),
            _ => Cached::No,
        }
    }

    fn marks_mut(&mut self, store: StoreId) -> &mut BTreeSet<Gfn> {
        let first = self.first_of_image(store);
        &mut self.stores[first.index()].marks
    }

    fn is_marked(&self, page: GuestPage, store: StoreId) -> bool {
        self.stores[self.first_of_image(store).index()].marks.contains(&page.gfn())
    }

    /// The pages of a virtual machine: what its memory file has.
    fn pages_of_file(&self, page: GuestPage) -> u64 {
        self.memory.of(self.memory.container(page.vm())).pages_of_vm(page.vm())
    }

    /// The first page behind one that is not in memory, as far as a window reaches.
    fn missing_behind(&self, page: GuestPage, store: StoreId, most: u32) -> u64 {
        let end = page.gfn().0 + 1 + u64::from(most);
        let is_there = |&gfn: &u64| {
            let page = GuestPage::new(page.vm(), Gfn(gfn));
            gfn < self.pages_of_file(page) && self.has_page_of_file(page, store) != Cached::No
        };
        (page.gfn().0 + 1..end).find(|gfn| !is_there(gfn)).unwrap_or(end)
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// A fault looks for its page, which the VMM's page table does not have, in the file that the VMM maps, and
    /// comes upon it. What it has to do before it goes on with the page, if anything.
    pub(super) fn find_in_file(&mut self, thread: ThreadId) -> Option<Flow> {
        let Fetch { guest_page, goal, tried, .. } = self.w.host.fetch_of(thread);
        let store = self.w.host.unmapped_page_of(guest_page)?;
        self.w.host.fetch_mut(thread).tried = true;
        // A lookup that must not wait is not tried again.
        let again = tried && goal == FetchGoal::StartRead;
        if !again && self.map_around(thread, store, !tried) || tried {
            return None;
        }
        let being_read = self.w.host.memory.page(guest_page).backing == Backing::Reading;
        let kernel = self.w.setup.config.host.kernel;
        let own = &mut self.w.host.stores[store.index()];
        own.accesses.found(kernel.mmap_miss, being_read);
        let reads_windows = own.mapping.reads_windows();
        let marked = reads_windows && self.w.host.marks_mut(store).remove(&guest_page.gfn());
        marked.then(|| self.read_next_window(thread, store)).flatten()
    }

    /// What a fault for reading finds around its page is mapped (`do_fault_around`). Whether its own page is.
    fn map_around(&mut self, thread: ThreadId, store: StoreId, first_try: bool) -> bool {
        let Fetch { guest_page, write, .. } = self.w.host.fetch_of(thread);
        let kernel = self.w.setup.config.host.kernel;
        let block = u64::from(kernel.fault_around_pages);
        if write || kernel.read_faults == ReadFaults::ForWriting || block <= 1 {
            return false;
        }
        let begin = guest_page.gfn().0 / block * block;
        let end = (begin + block).min(self.w.host.pages_of_file(guest_page));
        let (mut passed, mut own) = (0, false);
        for page in (begin..end).map(|gfn| GuestPage::new(guest_page.vm(), Gfn(gfn))) {
            let there = self.w.host.has_page_of_file(page, store) == Cached::There;
            if !there || self.w.host.is_marked(page, store) {
                continue;
            }
            passed += 1;
            own |= page == guest_page;
            let state = self.w.host.memory.page(page);
            if self.w.host.is_unmapped_page_of_file(page) && !state.protected {
                let state = self.w.host.memory.page_mut(page);
                (state.vmm, state.young_in_vmm) = (Entry::ReadOnly, true);
            }
        }
        let accesses = &mut self.w.host.stores[store.index()].accesses;
        accesses.mapped_around(kernel.mmap_miss, (passed, own), first_try);
        own
    }

    /// Reads the window that the mark on a fault's page calls for.
    fn read_next_window(&mut self, thread: ThreadId, store: StoreId) -> Option<Flow> {
        let Fetch { guest_page, .. } = self.w.host.fetch_of(thread);
        let kernel = self.w.setup.config.host.kernel.file_windows;
        let file = self.w.host.stores[store.index()].mapping;
        let missing = self.w.host.missing_behind(guest_page, store, file.read_ahead_pages);
        let accesses = &mut self.w.host.stores[store.index()].accesses;
        let window = accesses.marked(guest_page.gfn().0, file, kernel, || missing)?;
        let (reads, brought) = self.lock_file_window(guest_page, (store, window), None);
        (!reads.is_empty()).then(|| self.submit_file_reads(thread, reads, brought))
    }

    /// A fault finds its page nowhere: locks it for a read from its store, with the window around it where one is read,
    /// or takes it from the page cache.
    pub(super) fn prepare_store_read(&mut self, thread: ThreadId, guest_page: GuestPage) -> Flow {
        let Some(store) = self.w.host.memory.page(guest_page).store else {
            unreachable!("a stored page has a store");
        };
        let prepare = self.w.setup.prices.swap_in_prepare.time;
        match self.w.host.cached(guest_page) {
            Cached::No => {}
            Cached::Coming(id) => {
                self.lock_for_read(guest_page, id);
                return Flow::Spend(prepare, Then::Fetch);
            }
            Cached::There => {
                self.w.host.memory.charge(guest_page);
                let page = self.w.host.memory.page_mut(guest_page);
                (page.backing, page.dirty) = (Backing::Resident, false);
                self.w.host.memory.lru_arrive(guest_page, Arrival::Read);
                return Flow::Spend(prepare, Then::Fetch);
            }
        }
        let tried = std::mem::replace(&mut self.w.host.fetch_mut(thread).tried, true);
        self.map_around(thread, store, !tried);
        let kernel = self.w.setup.config.host.kernel.file_windows;
        let Store { mapping, accesses, .. } = &mut self.w.host.stores[store.index()];
        let window = accesses.missed(guest_page.gfn().0, *mapping, kernel);
        if let Some(window) = window {
            let (reads, brought) =
                self.lock_file_window(guest_page, (store, window), Some(guest_page));
            return match self.submit_file_reads(thread, reads, brought) {
                Flow::Spend(span, then) => Flow::Spend(prepare + span, then),
                flow => flow,
            };
        }
        let alone = Window { start: guest_page.gfn().0, size: 1, ahead: 0 };
        let (reads, _) = self.lock_file_window(guest_page, (store, alone), Some(guest_page));
        self.w.host.threads[thread.index()].reads = reads.into();
        let rules = self.w.protocol.rules_of(guest_page.vm());
        let waits = rules.stored_lookup == StoredLookup::Waits && self.waits_after_all(thread);
        let cost = prepare + self.w.setup.prices.block_submit.time;
        Flow::Spend(cost, if waits { Then::FaultWaits } else { Then::FetchSubmit })
    }

    /// Locks the pages of a window that are nowhere, as far as there is room: the reads, one for each run of pages, and
    /// how many pages come beside the wanted one.
    fn lock_file_window(
        &mut self,
        near: GuestPage,
        (store, window): (StoreId, Window),
        wanted: Option<GuestPage>,
    ) -> (Vec<Request>, u64) {
        let window = window.within(self.w.host.pages_of_file(near));
        if let Some(wanted) = wanted {
            // The wanted page has its frame before the room is given to others.
            self.w.host.memory.charge(wanted);
        }
        let mut reads: Vec<Request> = Vec::new();
        let mut brought = 0;
        for gfn in window.start..window.start + window.size {
            let page = GuestPage::new(near.vm(), Gfn(gfn));
            if wanted != Some(page) {
                let missing =
                    self.w.host.is_missing(page, store) && self.w.host.cached(page) == Cached::No;
                if !missing || self.w.host.memory.room(page.vm()) == 0 {
                    continue;
                }
                self.w.host.memory.charge(page);
                brought += 1;
            }
            self.w.host.marks_mut(store).remove(&page.gfn());
            if window.mark() == Some(gfn) {
                self.w.host.marks_mut(store).insert(page.gfn());
            }
            let slot = self.w.host.place_in_store(store, page);
            let id = match reads.last_mut() {
                Some(last) if last.slot.0 + last.pages == slot.0 && last.pages < REQUEST_PAGES => {
                    last.pages += 1;
                    last.id
                }
                _ => {
                    let id = self.new_read(page, slot).id;
                    let read = Request { id, slot, store: Some(store), ..self.occurrence_of(page) };
                    reads.push(read);
                    id
                }
            };
            self.reading(page, id);
        }
        (reads, brought)
    }

    /// A thread submits the reads of a window.
    fn submit_file_reads(&mut self, thread: ThreadId, reads: Vec<Request>, brought: u64) -> Flow {
        let requests = reads.iter().filter(|read| !self.is_work_of_thread(read)).count() as u64;
        self.w.host.threads[thread.index()].reads = reads.into();
        let prices = &self.w.setup.prices;
        let cost =
            prices.read_ahead_page.time.times(brought) + prices.block_submit.time.times(requests);
        Flow::Spend(cost, Then::FetchSubmit)
    }
}
