//! Huge pages of the host: an aligned 2 MiB of a guest's memory that the VMM maps by one entry, and that is
//! one page to reclaim.
//!
//! One comes into being when memory is touched of which nothing was touched before
//! (`do_huge_pmd_anonymous_page`), and ends when reclaim takes it: its small pages are written side by side.
//! Kernels split it before (2.6.38 to 4.12, and later ones where no cluster of slots is free) or after
//! (`CONFIG_THP_SWAP`); either way all of it goes in one pass (`shrink_folio_list`, 6.12.117), and comes back
//! in small pages (`do_swap_page`).

use super::blocks::{HUGE_PAGES, first_of, pages_of};
use super::page::{Backing, Entry};
use super::pages::{Arrival, HostMemory};
use crate::base::ids::{Gfn, GuestPage, VmId};

impl HostMemory {
    /// Whether a page is part of a huge one.
    #[inline]
    pub fn is_huge(&self, page: GuestPage) -> bool {
        self.blocks.is_huge(page)
    }

    /// The page that stands for a page on the lists, and has its accessed bits: the first one of a huge
    /// page, or itself.
    #[inline]
    pub fn representative(&self, page: GuestPage) -> GuestPage {
        if self.is_huge(page) { first_of(page) } else { page }
    }

    /// The second stage's entries for frames of a virtual machine have been used.
    pub fn set_young(&mut self, vm: VmId, frames: &[Gfn]) {
        for &gfn in frames {
            let stands = self.representative(GuestPage::new(vm, gfn));
            // As a rule it is known already, and memory that snapshots share stays shared.
            if !self.second_stage(stands).young {
                self.second_stage_mut(stands).young = true;
            }
        }
    }

    /// Whether the block around a page may become a huge page: nothing of it was touched, all of it is
    /// memory of the guest, and there is room for it.
    pub fn may_be_huge(&self, page: GuestPage) -> bool {
        let first = first_of(page);
        first.gfn().0 + HUGE_PAGES <= self.pages_of_vm(page.vm())
            && self.room() >= HUGE_PAGES
            && pages_of(first).all(|page| {
                let page = self.page(page);
                page.backing == Backing::Untouched && !page.in_guest_memfd
            })
    }

    /// The block around a page is a huge page from now on, in memory and mapped by the VMM; the page that
    /// stands for it.
    pub fn make_huge(&mut self, page: GuestPage) -> GuestPage {
        let first = first_of(page);
        for page in pages_of(first) {
            self.charge(page);
            let page = self.page_mut(page);
            page.backing = Backing::Resident;
            page.dirty = true;
            page.vmm = Entry::Writable;
        }
        self.blocks.set(first, true);
        self.lru_arrive(first, Arrival::Fresh);
        first
    }

    /// Makes the second-stage entry of a huge page. True: there was none.
    pub(super) fn map_huge(&mut self, page: GuestPage) -> bool {
        let first = first_of(page);
        let fresh = self.second_stage(page).entry != Entry::Writable;
        for page in pages_of(first) {
            self.second_stage_mut(page).entry = Entry::Writable;
        }
        self.second_stage_mut(first).young = true;
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Lru;
    use crate::parts::memory::pass::{ReclaimPass, Scan, YoungTest, unmap};
    use crate::parts::memory::reclaim::reclaim;
    use crate::parts::memory::swap::SwapArea;

    fn page(gfn: u64) -> GuestPage {
        GuestPage::new(VmId(0), Gfn(gfn))
    }

    fn with_two(lru: Lru) -> HostMemory {
        let mut memory = HostMemory::new(&[2000], 1100, lru);
        assert_eq!(memory.make_huge(page(700)), page(512));
        assert_eq!(memory.make_huge(page(1024)), page(1024));
        memory
    }

    #[test]
    fn a_block_is_one_page_of_which_nothing_was_touched() {
        let memory = with_two(Lru::TwoLists);
        assert!(memory.is_huge(page(1023)) && !memory.is_huge(page(511)));
        assert_eq!(memory.representative(page(1023)), page(512));
        assert_eq!((memory.charged(), memory.on_lists()), (1024, 2));
        // No room; and the last one is not whole.
        assert!(!memory.may_be_huge(page(3)) && !memory.may_be_huge(page(1999)));
        let mut memory = HostMemory::new(&[2000], 1100, Lru::TwoLists);
        assert!(memory.may_be_huge(page(3)));
        memory.page_mut(page(5)).backing = Backing::Swapped;
        assert!(!memory.may_be_huge(page(3)) && memory.may_be_huge(page(512)));
    }

    #[test]
    fn one_use_of_a_huge_page_keeps_all_of_it_and_reclaim_takes_all() {
        for lru in [Lru::TwoLists, Lru::Generations, Lru::GenerationsSecondStage] {
            for test in [YoungTest::AccessedBit, YoungTest::Unmap] {
                let mut memory = with_two(lru);
                let mut swap = SwapArea::new(2048);
                let mut pass = ReclaimPass::default();
                assert!(memory.map_huge(page(1030)) && !memory.map_huge(page(1031)));
                assert!(memory.second_stage(page(1535)).allows(true));
                reclaim(&mut memory, &mut swap, Scan::Batch(8), test, &mut pass);
                let gone: Vec<GuestPage> =
                    pass.written[..512].iter().map(|&(page, _)| page).collect();
                assert_eq!(gone, (512..1024).map(page).collect::<Vec<_>>(), "{lru:?} {test:?}");
                assert!(!memory.is_huge(page(600)) && pass.huge[0] == page(512));
                // Of two pages ageing may make the used one old within the pass.
                if lru != Lru::GenerationsSecondStage {
                    assert_eq!((pass.written.len(), pass.huge.len()), (512, 1), "{lru:?} {test:?}");
                    assert!(memory.is_huge(page(1100)));
                    reclaim(&mut memory, &mut swap, Scan::Batch(8), test, &mut pass);
                    assert_eq!(pass.written.len(), 512, "{lru:?} {test:?}");
                    assert_eq!(pass.written[0].0, page(1024));
                }
            }
        }
    }

    #[test]
    fn an_entry_of_two_mebibytes_goes_at_once() {
        let mut memory = with_two(Lru::TwoLists);
        memory.map_huge(page(512));
        let mut pass = ReclaimPass::default();
        unmap(&mut memory, page(512), &mut pass);
        assert_eq!((pass.unmapped.len(), pass.zapped), (512, 1));
        assert!(!memory.second_stage(page(900)).allows(false));
    }

    #[test]
    fn what_finds_no_slot_stays_in_small_pages() {
        let mut memory = with_two(Lru::TwoLists);
        let mut swap = SwapArea::new(100);
        let mut pass = ReclaimPass::default();
        reclaim(&mut memory, &mut swap, Scan::Batch(8), YoungTest::AccessedBit, &mut pass);
        assert_eq!(pass.written.len(), 100);
        // The other block, and what is left of this one.
        assert_eq!(memory.on_lists(), 1 + 412);
    }
}
