//! The host's view of guest memory: what each guest page is backed by, the container's limit,
//! the lists of its pages, and which pages the second-stage tables map.

mod two_lists;

use super::blocks::Blocks;
pub use super::page::{Backing, Entry, Flight, LruList, Page};
use super::page::{NIL, NOBODY};
use super::refaults::Refaults;
pub use super::second_stage::SecondStage;
use super::second_stage::TABLE;
use super::zswap::Zswap;
use crate::base::ids::{Gfn, GuestPage, SwapSlot, VmId};
use crate::base::radix::Radix;
use crate::config::{Lru, ZswapConfig, ZswapKernel};

/// Generations that there can be at once (`MAX_NR_GENS`).
pub const MAX_GENERATIONS: u64 = 4;

/// Generations that are left when reclaim has taken the rest (`MIN_NR_GENS`).
pub const MIN_GENERATIONS: u64 = 2;

/// How a page comes to be on a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Touched for the first time.
    Fresh,
    /// Installed by a handler, in a call and not in a fault.
    Installed,
    /// Read from the swap area.
    Read,
    /// Found in the swap cache while it was being written.
    Found,
}

/// The list of a generation.
pub fn generation(number: u64) -> LruList {
    LruList::Generation((number % MAX_GENERATIONS) as u8)
}

#[derive(Clone, Copy, Debug)]
struct ListEnds {
    head: u64,
    tail: u64,
    len: u64,
}

impl Default for ListEnds {
    fn default() -> Self {
        Self { head: NOBODY, tail: NOBODY, len: 0 }
    }
}

/// All guest pages of the virtual machines that share one memory limit.
#[derive(Clone, Debug)]
pub struct HostMemory {
    /// Those of the first virtual machine by frame, then those of the next one, and so on.
    pages: Radix<Page>,
    /// In the same order.
    second_stage: Radix<SecondStage, TABLE>,
    /// Where the pages of each virtual machine begin, and where those of the last one end.
    pub(super) begins: Vec<u64>,
    /// Which of them are parts of huge pages.
    pub(super) blocks: Blocks,
    active: ListEnds,
    inactive: ListEnds,
    generations: [ListEnds; MAX_GENERATIONS as usize],
    /// Numbers of the oldest and the youngest generation.
    oldest: u64,
    youngest: u64,
    lru: Lru,
    /// What is known of pages that went, where the kernel asks for it.
    refaults: Option<Box<Refaults>>,
    free_frames: Vec<u32>,
    next_frame: u32,
    charged: u64,
    /// Charges ever made.
    charges: u64,
    /// Pages of the limit that stay free, where it is the host's memory as a whole.
    reserve: u64,
    limit: u64,
    /// Compressed pages before the swap device, where there is zswap.
    pub(super) zswap: Option<Box<Zswap>>,
}

impl HostMemory {
    /// Untouched memory of virtual machines with so many pages each, in a container with room for
    /// `limit` of them.
    pub fn new(pages: &[u64], limit: u64, lru: Lru) -> Self {
        let all = pages.iter().sum();
        let refaults = (lru == Lru::TwoListsRefaults).then(|| Box::new(Refaults::new(all)));
        Self {
            pages: Radix::new(all),
            second_stage: Radix::new(all),
            begins: (0..=pages.len()).map(|vm| pages[..vm].iter().sum()).collect(),
            blocks: Blocks::new(pages),
            active: ListEnds::default(),
            inactive: ListEnds::default(),
            generations: Default::default(),
            oldest: 0,
            youngest: MAX_GENERATIONS - 1,
            lru,
            refaults,
            free_frames: Vec::new(),
            next_frame: 0,
            charged: 0,
            charges: 0,
            reserve: 0,
            limit,
            zswap: None,
        }
    }

    /// The same with frames of the host from this one on.
    #[must_use]
    pub(super) fn with_frames_from(self, first: u32) -> Self {
        Self { next_frame: first, ..self }
    }

    /// The same with a pool of compressed pages before the swap device.
    #[must_use]
    pub(super) fn with_zswap(self, config: Option<&ZswapConfig>, kernel: ZswapKernel) -> Self {
        let pages = self.begins.last().copied().unwrap_or(0);
        let zswap = config.map(|config| Box::new(Zswap::new(config, kernel, pages)));
        Self { zswap, ..self }
    }

    /// Makes clones cheap from here on.
    pub fn freeze(&mut self) {
        self.pages.freeze();
        self.second_stage.freeze();
        self.blocks.freeze();
        if let Some(refaults) = &mut self.refaults {
            refaults.freeze();
        }
        if let Some(zswap) = &mut self.zswap {
            zswap.freeze();
        }
    }

    /// How many pages a virtual machine has.
    pub(crate) fn pages_of_vm(&self, vm: VmId) -> u64 {
        self.begins[vm.index() + 1] - self.begins[vm.index()]
    }

    /// Whether there is such a page.
    pub(super) fn has(&self, guest_page: GuestPage) -> bool {
        guest_page.gfn().0 < self.pages_of_vm(guest_page.vm())
    }

    /// The place of a page in the table. Pages of the first virtual machine are asked for at every walk.
    #[inline]
    pub(super) fn index(&self, guest_page: GuestPage) -> u64 {
        match guest_page.vm().index() {
            0 => guest_page.0,
            vm => self.begins[vm] + guest_page.gfn().0,
        }
    }

    /// The state of a page.
    #[inline]
    pub fn page(&self, guest_page: GuestPage) -> &Page {
        self.pages.get(self.index(guest_page))
    }

    /// The state of a page, to be changed by the fault and reclaim paths.
    #[inline]
    pub fn page_mut(&mut self, guest_page: GuestPage) -> &mut Page {
        self.pages.get_mut(self.index(guest_page))
    }

    /// What the second stage has of a page.
    #[inline]
    pub fn second_stage(&self, guest_page: GuestPage) -> SecondStage {
        *self.second_stage.get(self.index(guest_page))
    }

    /// What the second stage has of a page, to be changed.
    #[inline]
    pub fn second_stage_mut(&mut self, guest_page: GuestPage) -> &mut SecondStage {
        self.second_stage.get_mut(self.index(guest_page))
    }

    /// Pages of a virtual machine that the second stage maps, in order of address.
    pub fn mapped(&self, vm: VmId) -> impl Iterator<Item = GuestPage> {
        let begin = self.begins[vm.index()];
        let end = self.begins.get(vm.index() + 1).copied().unwrap_or(u64::MAX);
        let mapped = self.second_stage.touched().filter(|(_, has)| has.entry != Entry::None);
        let own = mapped.map(|(at, _)| at).filter(move |at| (begin..end).contains(at));
        own.map(move |at| GuestPage::new(vm, Gfn(at - begin)))
    }

    /// Pages of a virtual machine of which anything may be known, in order of address.
    pub(super) fn touched_of(&self, vm: VmId) -> impl Iterator<Item = GuestPage> {
        let begin = self.begins[vm.index()];
        let end = self.begins.get(vm.index() + 1).copied().unwrap_or(u64::MAX);
        let all = self.pages.touched().map(|(at, _)| at);
        let own = all.filter(move |at| (begin..end).contains(at));
        own.map(move |at| GuestPage::new(vm, Gfn(at - begin)))
    }

    /// Frames charged to the container.
    pub fn charged(&self) -> u64 {
        self.charged
    }

    /// Frames that may still be charged.
    pub fn room(&self) -> u64 {
        self.free().saturating_sub(self.reserve)
    }

    /// Charges ever made.
    pub(crate) fn charges(&self) -> u64 {
        self.charges
    }

    /// Pages that count against the limit.
    pub fn used(&self) -> u64 {
        self.charged + self.zswap.as_ref().map_or(0, |zswap| zswap.charged())
    }

    /// Some pages stay free from now on.
    pub(crate) fn set_reserve(&mut self, pages: u64) {
        self.reserve = pages;
    }

    /// Pages that are free, those that are to stay free included.
    pub(crate) fn free(&self) -> u64 {
        self.limit.saturating_sub(self.used())
    }

    /// From now on it may hold so many pages.
    pub fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// Pages on the active list.
    pub fn active_len(&self) -> u64 {
        self.active.len
    }

    /// Pages on the inactive list.
    pub fn inactive_len(&self) -> u64 {
        self.inactive.len
    }

    /// Charges a frame to the container and gives it to the page.
    ///
    /// # Panics
    /// When the page has a frame already or the limit is reached.
    pub fn charge(&mut self, guest_page: GuestPage) {
        assert!(self.room() > 0, "charge beyond the container's limit");
        self.charged += 1;
        self.charges += 1;
        let frame = self.free_frames.pop().unwrap_or_else(|| {
            let frame = self.next_frame;
            self.next_frame += 1;
            frame
        });
        let page = self.page_mut(guest_page);
        assert!(page.pfn == NIL, "page {guest_page} has a frame already");
        page.pfn = frame;
    }

    /// Takes the frame from the page and gives its charge back.
    ///
    /// # Panics
    /// When the page has no frame or is on a list.
    pub fn uncharge(&mut self, guest_page: GuestPage) {
        let page = self.page_mut(guest_page);
        assert!(page.pfn != NIL && page.list == LruList::None, "page {guest_page} cannot be freed");
        let frame = std::mem::replace(&mut page.pfn, NIL);
        self.free_frames.push(frame);
        self.charged -= 1;
    }

    /// Ties a swap slot to the page, or removes the tie, and with it the compressed copy.
    pub fn set_slot(&mut self, guest_page: GuestPage, slot: Option<SwapSlot>) {
        if slot.is_none() {
            self.forget_compressed(guest_page);
        }
        self.page_mut(guest_page).slot = slot.map_or(NIL, |s| s.0);
    }

    /// The copy of a page in the pool of zswap, if there is one, is stale.
    pub(super) fn forget_compressed(&mut self, page: GuestPage) {
        let place = self.index(page);
        if let Some(zswap) = &mut self.zswap {
            zswap.forget(place);
        }
    }

    fn ends(&mut self, list: LruList) -> &mut ListEnds {
        match list {
            LruList::Active => &mut self.active,
            LruList::Inactive => &mut self.inactive,
            LruList::Generation(at) => &mut self.generations[usize::from(at)],
            LruList::None => unreachable!("no list has no ends"),
        }
    }

    /// Puts a page at the head (the young end) of a list.
    ///
    /// # Panics
    /// When the page is on a list already.
    pub fn lru_add(&mut self, guest_page: GuestPage, list: LruList) {
        let id = guest_page.0;
        let ends = self.ends(list);
        let old_head = std::mem::replace(&mut ends.head, id);
        if ends.tail == NOBODY {
            ends.tail = id;
        }
        ends.len += 1;
        let page = self.page_mut(guest_page);
        assert!(page.list == LruList::None, "page {guest_page} is on a list already");
        page.list = list;
        page.previous = NOBODY;
        page.next = old_head;
        if old_head != NOBODY {
            self.page_mut(GuestPage(old_head)).previous = id;
        }
    }

    /// Puts a page at the tail (the old end) of a list.
    ///
    /// # Panics
    /// When the page is on a list already.
    fn lru_add_tail(&mut self, guest_page: GuestPage, list: LruList) {
        let id = guest_page.0;
        let ends = self.ends(list);
        let old_tail = std::mem::replace(&mut ends.tail, id);
        if ends.head == NOBODY {
            ends.head = id;
        }
        ends.len += 1;
        let page = self.page_mut(guest_page);
        assert!(page.list == LruList::None, "page {guest_page} is on a list already");
        page.list = list;
        page.previous = old_tail;
        page.next = NOBODY;
        if old_tail != NOBODY {
            self.page_mut(GuestPage(old_tail)).next = id;
        }
    }

    /// Puts a page on the list on which pages of its kind begin. Pages that come by a fault begin
    /// in the youngest generation (`lru_gen_in_fault`), others in the one before (`lru_gen_add_folio`).
    pub fn lru_arrive(&mut self, guest_page: GuestPage, arrival: Arrival) {
        let list = match (self.lru, arrival) {
            (Lru::Generations | Lru::GenerationsSecondStage, Arrival::Installed) => {
                generation(self.youngest - 1)
            }
            (Lru::Generations | Lru::GenerationsSecondStage, _) => self.youngest_generation(),
            (Lru::TwoLists, Arrival::Fresh | Arrival::Installed) => LruList::Active,
            (Lru::TwoListsRefaults, Arrival::Read) if self.refaults_soon(guest_page) => {
                LruList::Active
            }
            (Lru::TwoLists | Lru::TwoListsRefaults, _) => LruList::Inactive,
        };
        self.lru_add(guest_page, list);
    }

    /// Puts a page that was on the inactive list on the active one.
    pub(super) fn activate(&mut self, guest_page: GuestPage) {
        if let Some(refaults) = &mut self.refaults {
            refaults.activated();
        }
        self.lru_add(guest_page, LruList::Active);
    }

    /// A page has gone, and only the swap area or its store has it.
    pub(super) fn was_evicted(&mut self, guest_page: GuestPage) {
        let place = self.index(guest_page);
        if let Some(refaults) = &mut self.refaults {
            refaults.evicted(place);
        }
    }

    /// Whether a page that comes back did not go long ago.
    fn refaults_soon(&mut self, guest_page: GuestPage) -> bool {
        let (place, active) = (self.index(guest_page), self.active_len());
        self.refaults.as_mut().is_some_and(|refaults| refaults.refaults(place, active))
    }

    /// Puts a page where reclaim finds it first (`rotate_reclaimable_page`).
    pub fn lru_rotate(&mut self, guest_page: GuestPage) {
        let list = match self.lru {
            Lru::TwoLists | Lru::TwoListsRefaults => LruList::Inactive,
            Lru::Generations | Lru::GenerationsSecondStage => generation(self.oldest),
        };
        self.lru_add_tail(guest_page, list);
    }

    /// How pages are kept in the order of their age.
    pub fn lru(&self) -> Lru {
        self.lru
    }

    /// Pages on all lists.
    pub fn on_lists(&self) -> u64 {
        let in_generations: u64 = self.generations.iter().map(|ends| ends.len).sum();
        self.active.len + self.inactive.len + in_generations
    }

    /// Numbers of the oldest and the youngest generation.
    pub fn generations(&self) -> (u64, u64) {
        (self.oldest, self.youngest)
    }

    /// Pages of a generation.
    pub fn generation_len(&self, number: u64) -> u64 {
        self.generations[(number % MAX_GENERATIONS) as usize].len
    }

    /// The list of the youngest generation.
    pub fn youngest_generation(&self) -> LruList {
        generation(self.youngest)
    }

    /// Gives up the oldest generation, which must be empty.
    ///
    /// # Panics
    /// When it is not empty.
    pub fn drop_oldest_generation(&mut self) {
        assert!(self.generation_len(self.oldest) == 0, "a generation with pages is dropped");
        self.oldest += 1;
    }

    /// Begins a generation. The caller makes sure that there is a number left for it.
    ///
    /// # Panics
    /// When there are four already.
    pub fn new_generation(&mut self) {
        assert!(self.youngest + 1 - self.oldest < MAX_GENERATIONS, "a fifth generation");
        self.youngest += 1;
    }

    /// The page that follows on its list, towards the old end.
    pub fn lru_next(&self, guest_page: GuestPage) -> Option<GuestPage> {
        let next = self.page(guest_page).next;
        (next != NOBODY).then_some(GuestPage(next))
    }

    /// The page at the young end of a generation.
    pub fn generation_head(&self, number: u64) -> Option<GuestPage> {
        let head = self.generations[(number % MAX_GENERATIONS) as usize].head;
        (head != NOBODY).then_some(GuestPage(head))
    }

    /// Takes a page off its list; nothing happens when it is on none.
    pub fn lru_remove(&mut self, guest_page: GuestPage) {
        let page = self.page_mut(guest_page);
        let (list, previous, next) = (page.list, page.previous, page.next);
        if list == LruList::None {
            return;
        }
        page.list = LruList::None;
        if previous != NOBODY {
            self.page_mut(GuestPage(previous)).next = next;
        }
        if next != NOBODY {
            self.page_mut(GuestPage(next)).previous = previous;
        }
        let ends = self.ends(list);
        if previous == NOBODY {
            ends.head = next;
        }
        if next == NOBODY {
            ends.tail = previous;
        }
        ends.len -= 1;
    }

    /// The page at the old end of a list.
    pub fn lru_tail(&self, list: LruList) -> Option<GuestPage> {
        let tail = match list {
            LruList::Active => self.active.tail,
            LruList::Inactive => self.inactive.tail,
            LruList::Generation(at) => self.generations[usize::from(at)].tail,
            LruList::None => NOBODY,
        };
        (tail != NOBODY).then_some(GuestPage(tail))
    }
}

#[cfg(test)]
mod tests;
