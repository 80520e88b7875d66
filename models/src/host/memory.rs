//! The host's view of guest memory: what each guest page is backed by, the container's limit,
//! the two LRU lists, and which pages the second-stage tables map.
//!
//! One VM with one memslot: gfn g is backed by hva `HVA_BASE + 4096 g`.

use crate::ids::{Gfn, Hva, PAGE_SIZE, Pfn, RequestId, SwapSlot};
use crate::radix::Radix;

/// Where the VMM has mapped guest memory; any value serves, this one looks like x86-64.
pub const HVA_BASE: u64 = 0x7f00_0000_0000;

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
    /// The frame differs from the slot's contents, or there is no slot.
    pub dirty: bool,
    /// A write to the slot is under way although the page is mapped again.
    pub write_in_flight: bool,
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
            dirty: false,
            write_in_flight: false,
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
    free_frames: Vec<u32>,
    next_frame: u32,
    charged: u64,
    limit: u64,
}

impl HostMemory {
    /// Untouched memory of `pages` pages in a container with room for `limit` of them.
    pub fn new(pages: u64, limit: u64) -> Self {
        Self {
            pages: Radix::new(pages),
            active: ListEnds::default(),
            inactive: ListEnds::default(),
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
        let mut memory = HostMemory::new(10, 2);
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
            let mut memory = HostMemory::new(20, 20);
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
