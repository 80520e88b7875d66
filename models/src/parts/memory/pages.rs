//! The host's view of guest memory: what each guest page is backed by, the container's limit,
//! the two LRU lists, and which pages the second-stage tables map.
//!
//! One VM with one memslot: gfn g is backed by hva `HVA_BASE + 4096 g`.

use crate::base::abi::HVA_BASE;
use crate::base::ids::{Gfn, Hva, PAGE_SIZE, Pfn, RequestId, SwapSlot};
use crate::base::radix::Radix;
use crate::config::Lru;

/// Host virtual address of a guest frame.
pub fn hva_of(gfn: Gfn) -> Hva {
    Hva(HVA_BASE + gfn.0 * PAGE_SIZE)
}

/// What backs a guest page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backing {
    /// Nothing yet: never touched.
    #[default]
    Untouched,
    /// A frame that holds the page. It may lie in the swap cache only (read ahead), or be
    /// mapped by the VMM.
    Resident,
    /// A locked frame into which the page is being read.
    Reading,
    /// Unmapped, being written out; the frame is freed when the write completes.
    Writeback,
    /// Only its swap slot.
    Swapped,
}

/// Which list a resident page is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LruList {
    /// On no list: locked, under write-back, or not resident.
    #[default]
    None,
    /// Recently used.
    Active,
    /// Candidates for reclaim.
    Inactive,
    /// A generation, by the last two bits of its number.
    Generation(u8),
}

/// Generations that there can be at once (`MAX_NR_GENS`).
pub const MAX_GENERATIONS: u64 = 4;

/// Generations that are left when reclaim has taken the rest (`MIN_NR_GENS`).
pub const MIN_GENERATIONS: u64 = 2;

/// How a page comes to be on a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Touched for the first time.
    Fresh,
    /// Read from the swap area.
    Read,
    /// Found in the swap cache while it was being written.
    Found,
}

/// The list of a generation.
pub fn generation(number: u64) -> LruList {
    LruList::Generation((number % MAX_GENERATIONS) as u8)
}

const NIL: u32 = u32::MAX;

/// State of one guest page.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// What backs it.
    pub backing: Backing,
    /// Which LRU list it is on.
    pub list: LruList,
    /// Mapped by the second-stage tables.
    pub ept_mapped: bool,
    /// Second-stage accessed bit, or freshly mapped.
    pub young: bool,
    /// The VMM's own page table has an accessed entry: the host's kernel brought the page in.
    pub young_in_vmm: bool,
    /// Read ahead, and not wanted since.
    pub read_ahead: bool,
    /// The frame differs from the slot's contents, or there is no slot.
    pub dirty: bool,
    /// A write to the slot is under way although the page is mapped again.
    pub write_in_flight: bool,
    /// It is in guest_memfd: unevictable, so that it is on no list and never swapped.
    pub in_guest_memfd: bool,
    /// References by work items that keep the page from reclaim.
    pub pins: u8,
    /// How often the page has been the target of device I/O; keys its random draws.
    pub io_count: u32,
    /// The read that locked the frame.
    pub locked_by: Option<RequestId>,
    slot: u32,
    pfn: u32,
    previous: u32,
    next: u32,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            backing: Backing::Untouched,
            list: LruList::None,
            ept_mapped: false,
            young: false,
            young_in_vmm: false,
            read_ahead: false,
            dirty: false,
            write_in_flight: false,
            in_guest_memfd: false,
            pins: 0,
            io_count: 0,
            locked_by: None,
            slot: NIL,
            pfn: NIL,
            previous: NIL,
            next: NIL,
        }
    }
}

impl Page {
    /// The swap slot that belongs to the page.
    pub fn slot(&self) -> Option<SwapSlot> {
        (self.slot != NIL).then_some(SwapSlot(self.slot))
    }

    /// The VMM's mapping is gone, and with it what was known of the page's use.
    pub fn forget(&mut self, backing: Backing) {
        self.backing = backing;
        self.dirty = false;
        self.young_in_vmm = false;
        self.read_ahead = false;
    }

    /// The frame that holds the page.
    pub fn pfn(&self) -> Option<Pfn> {
        (self.pfn != NIL).then_some(Pfn(u64::from(self.pfn)))
    }
}

#[derive(Clone, Copy, Debug)]
struct ListEnds {
    head: u32,
    tail: u32,
    len: u64,
}

impl Default for ListEnds {
    fn default() -> Self {
        Self { head: NIL, tail: NIL, len: 0 }
    }
}

/// All guest pages of one VM, under one memory limit.
#[derive(Clone, Debug)]
pub struct HostMemory {
    pages: Radix<Page>,
    active: ListEnds,
    inactive: ListEnds,
    generations: [ListEnds; MAX_GENERATIONS as usize],
    /// Numbers of the oldest and the youngest generation.
    oldest: u64,
    youngest: u64,
    lru: Lru,
    free_frames: Vec<u32>,
    next_frame: u32,
    charged: u64,
    limit: u64,
}

impl HostMemory {
    /// Untouched memory of `pages` pages in a container with room for `limit` of them.
    pub fn new(pages: u64, limit: u64, lru: Lru) -> Self {
        Self {
            pages: Radix::new(pages),
            active: ListEnds::default(),
            inactive: ListEnds::default(),
            generations: Default::default(),
            oldest: 0,
            youngest: MAX_GENERATIONS - 1,
            lru,
            free_frames: Vec::new(),
            next_frame: 0,
            charged: 0,
            limit,
        }
    }

    /// Makes clones cheap from here on.
    pub fn freeze(&mut self) {
        self.pages.freeze();
    }

    /// The state of a page.
    pub fn page(&self, gfn: Gfn) -> &Page {
        self.pages.get(gfn.0)
    }

    /// The state of a page, to be changed by the fault and reclaim paths.
    pub fn page_mut(&mut self, gfn: Gfn) -> &mut Page {
        self.pages.get_mut(gfn.0)
    }

    /// Frames charged to the container.
    pub fn charged(&self) -> u64 {
        self.charged
    }

    /// Frames that may still be charged.
    pub fn room(&self) -> u64 {
        self.limit.saturating_sub(self.charged)
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
    pub fn charge(&mut self, gfn: Gfn) {
        assert!(self.charged < self.limit, "charge beyond the container's limit");
        self.charged += 1;
        let frame = self.free_frames.pop().unwrap_or_else(|| {
            let frame = self.next_frame;
            self.next_frame += 1;
            frame
        });
        let page = self.page_mut(gfn);
        assert!(page.pfn == NIL, "page {gfn} has a frame already");
        page.pfn = frame;
    }

    /// Takes the frame from the page and gives its charge back.
    ///
    /// # Panics
    /// When the page has no frame or is on a list.
    pub fn uncharge(&mut self, gfn: Gfn) {
        let page = self.page_mut(gfn);
        assert!(page.pfn != NIL && page.list == LruList::None, "page {gfn} cannot be freed");
        let frame = std::mem::replace(&mut page.pfn, NIL);
        self.free_frames.push(frame);
        self.charged -= 1;
    }

    /// Ties a swap slot to the page, or removes the tie.
    pub fn set_slot(&mut self, gfn: Gfn, slot: Option<SwapSlot>) {
        self.page_mut(gfn).slot = slot.map_or(NIL, |s| s.0);
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
    pub fn lru_add(&mut self, gfn: Gfn, list: LruList) {
        let id = gfn.0 as u32;
        let ends = self.ends(list);
        let old_head = std::mem::replace(&mut ends.head, id);
        if ends.tail == NIL {
            ends.tail = id;
        }
        ends.len += 1;
        let page = self.page_mut(gfn);
        assert!(page.list == LruList::None, "page {gfn} is on a list already");
        page.list = list;
        page.previous = NIL;
        page.next = old_head;
        if old_head != NIL {
            self.page_mut(Gfn(u64::from(old_head))).previous = id;
        }
    }

    /// Puts a page at the tail (the old end) of a list.
    ///
    /// # Panics
    /// When the page is on a list already.
    fn lru_add_tail(&mut self, gfn: Gfn, list: LruList) {
        let id = gfn.0 as u32;
        let ends = self.ends(list);
        let old_tail = std::mem::replace(&mut ends.tail, id);
        if ends.head == NIL {
            ends.head = id;
        }
        ends.len += 1;
        let page = self.page_mut(gfn);
        assert!(page.list == LruList::None, "page {gfn} is on a list already");
        page.list = list;
        page.previous = old_tail;
        page.next = NIL;
        if old_tail != NIL {
            self.page_mut(Gfn(u64::from(old_tail))).next = id;
        }
    }

    /// Puts a page on the list on which pages of its kind begin. Pages that come by a fault begin
    /// in the youngest generation (`lru_gen_in_fault`).
    pub fn lru_arrive(&mut self, gfn: Gfn, arrival: Arrival) {
        let list = match (self.lru, arrival) {
            (Lru::Generations { .. }, _) => self.youngest_generation(),
            (Lru::TwoLists, Arrival::Fresh) => LruList::Active,
            (Lru::TwoLists, Arrival::Read | Arrival::Found) => LruList::Inactive,
        };
        self.lru_add(gfn, list);
    }

    /// Puts a page where reclaim finds it first (`rotate_reclaimable_page`).
    pub fn lru_rotate(&mut self, gfn: Gfn) {
        let list = match self.lru {
            Lru::TwoLists => LruList::Inactive,
            Lru::Generations { .. } => generation(self.oldest),
        };
        self.lru_add_tail(gfn, list);
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
    pub fn lru_next(&self, gfn: Gfn) -> Option<Gfn> {
        let next = self.page(gfn).next;
        (next != NIL).then_some(Gfn(u64::from(next)))
    }

    /// The page at the young end of a generation.
    pub fn generation_head(&self, number: u64) -> Option<Gfn> {
        let head = self.generations[(number % MAX_GENERATIONS) as usize].head;
        (head != NIL).then_some(Gfn(u64::from(head)))
    }

    /// Takes a page off its list; nothing happens when it is on none.
    pub fn lru_remove(&mut self, gfn: Gfn) {
        let page = self.page_mut(gfn);
        let (list, previous, next) = (page.list, page.previous, page.next);
        if list == LruList::None {
            return;
        }
        page.list = LruList::None;
        if previous != NIL {
            self.page_mut(Gfn(u64::from(previous))).next = next;
        }
        if next != NIL {
            self.page_mut(Gfn(u64::from(next))).previous = previous;
        }
        let ends = self.ends(list);
        if previous == NIL {
            ends.head = next;
        }
        if next == NIL {
            ends.tail = previous;
        }
        ends.len -= 1;
    }

    /// The page at the old end of a list.
    pub fn lru_tail(&self, list: LruList) -> Option<Gfn> {
        let tail = match list {
            LruList::Active => self.active.tail,
            LruList::Inactive => self.inactive.tail,
            LruList::Generation(at) => self.generations[usize::from(at)].tail,
            LruList::None => NIL,
        };
        (tail != NIL).then_some(Gfn(u64::from(tail)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn charges_are_counted_and_frames_reused() {
        let mut memory = HostMemory::new(10, 2, Lru::TwoLists);
        memory.charge(Gfn(1));
        memory.charge(Gfn(2));
        assert_eq!(memory.room(), 0);
        let frame = memory.page(Gfn(1)).pfn();
        memory.uncharge(Gfn(1));
        memory.charge(Gfn(3));
        assert_eq!(memory.page(Gfn(3)).pfn(), frame);
    }

    proptest! {
        /// The intrusive lists behave like two deques.
        #[test]
        fn lru_lists_match_deques(ops in prop::collection::vec((0u64..20, 0u8..3), 1..200)) {
            let mut memory = HostMemory::new(20, 20, Lru::TwoLists);
            let mut model = [std::collections::VecDeque::new(), std::collections::VecDeque::new()];
            for (gfn, op) in ops {
                memory.lru_remove(Gfn(gfn));
                for deque in &mut model { deque.retain(|&g| g != gfn); }
                if op < 2 {
                    let list = [LruList::Active, LruList::Inactive][usize::from(op)];
                    memory.lru_add(Gfn(gfn), list);
                    model[usize::from(op)].push_front(gfn);
                }
                prop_assert_eq!(memory.lru_tail(LruList::Active).map(|g| g.0), model[0].back().copied());
                prop_assert_eq!(memory.lru_tail(LruList::Inactive).map(|g| g.0), model[1].back().copied());
                prop_assert_eq!(memory.active_len() as usize, model[0].len());
                prop_assert_eq!(memory.inactive_len() as usize, model[1].len());
            }
        }
    }
}
