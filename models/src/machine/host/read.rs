//! Which pages a swap-in reads, and in which requests.

use sim_core::EventQueue;

use super::thread::{Fetch, FetchGoal};
use crate::apf::rules::{FirstLookup, Workers};
use crate::base::ids::{Gfn, GuestPage, RequestId, SwapSlot, ThreadId};
use crate::base::record::IoKind;
use crate::config::ReadAhead;
use crate::machine::world::{Cx, Flow, MachineEvent, Then};
use crate::parts::device::Request;
use crate::parts::memory::pages::Backing;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Locks the page, and its neighbours as far as there is room, for a read.
    pub(super) fn prepare_read(&mut self, thread: ThreadId, guest_page: GuestPage) -> Flow {
        let Some(slot) = self.w.host.memory.page(guest_page).slot() else {
            unreachable!("a swapped page has a slot");
        };
        // `do_swap_page` reads no neighbours from a device that is memory (since 4.15).
        let alone = self.w.setup.config.host.device.is_work_of_submitter();
        let largest = if alone { 1 } else { self.w.setup.config.host.read_ahead_pages.max(1) };
        let (window, (reads, extra)) = match self.w.setup.config.host.kernel.read_ahead {
            ReadAhead::Fixed => (largest, self.lock_window(guest_page, slot, largest)),
            ReadAhead::Adaptive => {
                let window = self.w.host.read_ahead_mut(None).slot_window(slot, largest);
                (window, self.lock_window(guest_page, slot, window))
            }
            ReadAhead::AddressSpace => {
                let vm = guest_page.vm();
                let pages = self.w.setup.config.guest_of(vm).memory_pages;
                let state = self.w.host.read_ahead_mut(Some(vm));
                let (window, addresses) = state.address_window(guest_page.gfn(), largest, pages);
                (window, self.lock_addresses(guest_page, addresses))
            }
        };
        let waits = window == 1 && self.reads_alone(thread);
        let requests = reads.iter().filter(|read| !self.is_work_of_thread(read)).count() as u64;
        self.w.host.threads[thread.index()].reads = reads.into();
        let prices = &self.w.setup.prices;
        let cost = prices.swap_in_prepare.time
            + prices.read_ahead_page.time.times(extra)
            + prices.block_submit.time.times(requests);
        Flow::Spend(cost, if waits { Then::FaultWaits } else { Then::FetchSubmit })
    }

    /// The window of a read is one page. Whether a lookup that must not wait waits for it all the same, as those of
    /// hosts from 5.0 to 6.5 do (`swap_readpage` with `synchronous`, which is `do_poll` of `swap_cluster_readahead`
    /// and `win == 1` of `swap_vma_readahead`: mm/swap_state.c of 5.10.262 and 6.1.192).
    fn reads_alone(&mut self, thread: ThreadId) -> bool {
        let Fetch { guest_page, .. } = self.w.host.fetch_of(thread);
        let rules = self.w.protocol.rules_of(guest_page.vm());
        let inside = rules.first_lookup == FirstLookup::WaitsWithoutReadAhead;
        let native = rules.workers == Workers::NativeIo;
        self.w.host.fetch_mut(thread).alone = true;
        self.w.host.fetch_mut(thread).inside = inside;
        inside && !native && self.waits_after_all(thread)
    }

    /// A lookup that must not wait waits, so that its fault is a synchronous one.
    pub(super) fn waits_after_all(&mut self, thread: ThreadId) -> bool {
        let fetch = self.w.host.fetch_mut(thread);
        let must_not = fetch.goal == FetchGoal::StartRead;
        if must_not {
            (fetch.goal, fetch.inside) = (FetchGoal::Fault, true);
        }
        must_not
    }

    fn lock_window(
        &mut self,
        guest_page: GuestPage,
        slot: SwapSlot,
        window: u32,
    ) -> (Vec<Request>, u64) {
        match self.w.host.zswap {
            Some(_) => self.lock_slots_of_both(guest_page, slot, window),
            None => self.lock_slots(guest_page, slot, window),
        }
    }

    /// One read of the swapped pages in the aligned window around a slot, from the first to the
    /// last of them. Also says how many pages come besides the wanted one.
    fn lock_slots(
        &mut self,
        guest_page: GuestPage,
        slot: SwapSlot,
        window: u32,
    ) -> (Vec<Request>, u64) {
        let id = self.new_read(guest_page, slot).id;
        self.lock_for_read(guest_page, id);
        let (mut first, mut last, mut extra) = (slot.0, slot.0, 0);
        let start = slot.0 / window * window;
        for neighbour in (start..start + window).map(SwapSlot) {
            let Some(owner) = self.w.host.swap.owner(neighbour) else { continue };
            let swapped = self.w.host.memory.page(owner).backing == Backing::Swapped;
            if neighbour != slot && swapped && self.w.host.memory.room(owner.vm()) > 0 {
                self.lock_for_read(owner, id);
                self.mark_read_ahead(owner);
                first = first.min(neighbour.0);
                last = last.max(neighbour.0);
                extra += 1;
            }
        }
        let (slot, pages) = (SwapSlot(first), last - first + 1);
        let read = Request { id, slot, pages, ..self.occurrence_of(guest_page) };
        (vec![read], extra)
    }

    /// One read for each run of consecutive slots of a window that are all in the pool, or all on the
    /// device. Also says how many pages come besides the wanted one.
    fn lock_slots_of_both(
        &mut self,
        guest_page: GuestPage,
        slot: SwapSlot,
        window: u32,
    ) -> (Vec<Request>, u64) {
        // The wanted page has its frame before the room is given to others.
        self.w.host.memory.charge(guest_page);
        let mut reads: Vec<(Request, bool)> = Vec::new();
        let mut extra = 0;
        let start = slot.0 / window * window;
        for neighbour in (start..start + window).map(SwapSlot) {
            let Some(owner) = self.w.host.swap.owner(neighbour) else { continue };
            if neighbour != slot {
                let swapped = self.w.host.memory.page(owner).backing == Backing::Swapped;
                if !swapped || self.w.host.memory.room(owner.vm()) == 0 {
                    continue;
                }
                self.w.host.memory.charge(owner);
                self.mark_read_ahead(owner);
                extra += 1;
            }
            let compressed = self.w.host.memory.is_compressed(owner);
            let id = match reads.last_mut() {
                Some((last, kind))
                    if last.slot.0 + last.pages == neighbour.0 && *kind == compressed =>
                {
                    last.pages += 1;
                    last.id
                }
                _ => {
                    let id = self.new_read(owner, neighbour).id;
                    let read = Request { id, slot: neighbour, ..self.occurrence_of(owner) };
                    reads.push((read, compressed));
                    id
                }
            };
            self.reading(owner, id);
        }
        (reads.into_iter().map(|(read, _)| read).collect(), extra)
    }

    /// A read for each run of consecutive slots among the swapped pages of a window of addresses
    /// (the block layer merges them while plugged).
    fn lock_addresses(
        &mut self,
        guest_page: GuestPage,
        window: std::ops::Range<u64>,
    ) -> (Vec<Request>, u64) {
        // The wanted page has its frame before the room is given to others.
        let mut wanted = Some(self.w.host.memory.page(guest_page).slot());
        self.w.host.memory.charge(guest_page);
        let mut reads: Vec<Request> = Vec::new();
        let mut last_compressed = false;
        let mut extra = 0;
        for page in window.map(|gfn| GuestPage::new(guest_page.vm(), Gfn(gfn))) {
            let slot = match page == guest_page {
                true => wanted.take().flatten(),
                false if self.w.host.memory.room(page.vm()) == 0 => None,
                false if self.w.host.memory.page(page).backing != Backing::Swapped => None,
                false => self.w.host.memory.page(page).slot(),
            };
            let Some(slot) = slot else { continue };
            if page != guest_page {
                extra += 1;
                self.w.host.memory.charge(page);
                self.mark_read_ahead(page);
            }
            let compressed = self.w.host.memory.is_compressed(page);
            let alike = std::mem::replace(&mut last_compressed, compressed) == compressed;
            let id = match reads.last_mut() {
                Some(last) if last.slot.0 + last.pages == slot.0 && alike => {
                    last.pages += 1;
                    last.id
                }
                _ => {
                    let id = self.new_read(page, slot).id;
                    reads.push(Request { id, slot, ..self.occurrence_of(page) });
                    id
                }
            };
            self.reading(page, id);
        }
        (reads, extra)
    }

    /// A number for a read; the pages are locked in its name.
    pub(super) fn new_read(&mut self, guest_page: GuestPage, slot: SwapSlot) -> Request {
        let (id, op, submitted) = (RequestId(0), IoKind::Read, self.now());
        self.w.host.new_request(Request {
            id,
            op,
            store: None,
            slot,
            pages: 1,
            guest_page,
            occurrence: 0,
            submitted,
        })
    }

    /// A read on behalf of a page, with the number that keys its draws.
    pub(super) fn occurrence_of(&mut self, guest_page: GuestPage) -> Request {
        let page = self.w.host.memory.page_mut(guest_page);
        let occurrence = page.io_count;
        page.io_count += 1;
        let (id, op, slot, submitted) = (RequestId(0), IoKind::Read, SwapSlot(0), self.now());
        Request { id, op, store: None, slot, pages: 1, guest_page, occurrence, submitted }
    }

    /// Windows that follow their success want to know of it.
    fn mark_read_ahead(&mut self, guest_page: GuestPage) {
        if self.w.setup.config.host.kernel.read_ahead != ReadAhead::Fixed {
            self.w.host.memory.page_mut(guest_page).read_ahead = true;
        }
    }

    pub(super) fn lock_for_read(&mut self, guest_page: GuestPage, request: RequestId) {
        self.w.host.memory.charge(guest_page);
        self.reading(guest_page, request);
    }

    pub(super) fn reading(&mut self, guest_page: GuestPage, request: RequestId) {
        let page = self.w.host.memory.page_mut(guest_page);
        page.backing = Backing::Reading;
        page.locked_by = Some(request);
    }
}
