//! Direct reclaim: which pages go, in the manner of `shrink_zone` of 2.6.3x for anonymous memory.
//!
//! The active list is shrunk while the inactive one is too short. Pages move from its old end to the inactive list;
//! there a page that was used since gets a second chance. Without accessed bits in the second-stage
//! tables, "used since" means "mapped", and asking unmaps (`kvm_age_rmapp`).
//!
//! Kernels from 5.9 on activate a page at the second sign of use (`page_check_references`). One that the guest uses has
//! had the first when KVM looked it up (`mark_page_accessed` in `follow_page_pte`), so that it is activated all the
//! same.

use crate::base::ids::GuestPage;
use crate::config::Lru;
use crate::parts::memory::SWAP_CLUSTER_MAX;
use crate::parts::memory::generations;
use crate::parts::memory::pages::{Flight, HostMemory, LruList};
use crate::parts::memory::pass::{ReclaimPass, Scan, YoungTest, evict, test_and_clear_young};
use crate::parts::memory::swap::SwapArea;

/// Moves a batch from the old end of the active list to the inactive list.
fn shrink_active(memory: &mut HostMemory, batch: u32, test: YoungTest, pass: &mut ReclaimPass) {
    for _ in 0..batch {
        let Some(guest_page) = memory.lru_tail(LruList::Active) else { return };
        pass.scanned += 1;
        // Anonymous pages are deactivated whether used or not; the question clears the bit.
        test_and_clear_young(memory, guest_page, test, pass);
        memory.lru_remove(guest_page);
        memory.lru_add(guest_page, LruList::Inactive);
    }
}

/// A page that stays gives its slot up while the swap area is filling (`try_to_free_swap` where
/// `shrink_page_list` activates a page).
fn keep_without_slot(memory: &mut HostMemory, swap: &mut SwapArea, guest_page: GuestPage) {
    let slot = memory.page(guest_page).slot();
    if let (true, Some(slot)) = (swap.is_filling(), slot) {
        memory.set_slot(guest_page, None);
        memory.page_mut(guest_page).dirty = true;
        swap.free(slot);
    }
}

/// Tries to reclaim the page at the old end of the inactive list.
fn shrink_one_inactive(
    memory: &mut HostMemory,
    swap: &mut SwapArea,
    test: YoungTest,
    guest_page: GuestPage,
    pass: &mut ReclaimPass,
) {
    memory.lru_remove(guest_page);
    if memory.page(guest_page).pins > 0 || memory.page(guest_page).flight != Flight::None {
        memory.lru_add(guest_page, LruList::Inactive);
        return;
    }
    if test_and_clear_young(memory, guest_page, test, pass) {
        keep_without_slot(memory, swap, guest_page);
        memory.activate(guest_page);
        return;
    }
    if !evict(memory, swap, guest_page, pass) {
        memory.activate(guest_page);
    }
}

/// Both lists in parts that the priority stands for (`shrink_lruvec`), 32 pages at a time, until as many are free as a
/// call is to free.
fn reclaim_at(
    memory: &mut HostMemory,
    swap: &mut SwapArea,
    priority: u32,
    test: YoungTest,
    pass: &mut ReclaimPass,
) {
    let mut inactive = memory.to_scan(memory.inactive_len(), priority);
    let mut active = match memory.shrinks_active() {
        true => memory.to_scan(memory.active_len(), priority),
        false => 0,
    };
    while inactive > 0 && u64::from(pass.freed) < SWAP_CLUSTER_MAX {
        let (from_inactive, from_active) =
            (inactive.min(SWAP_CLUSTER_MAX), active.min(SWAP_CLUSTER_MAX));
        for _ in 0..from_inactive {
            let Some(guest_page) = memory.lru_tail(LruList::Inactive) else { break };
            pass.scanned += 1;
            shrink_one_inactive(memory, swap, test, guest_page, pass);
        }
        shrink_active(memory, from_active as u32, test, pass);
        (inactive, active) = (inactive - from_inactive, active - from_active);
    }
    if memory.inactive_is_low() {
        shrink_active(memory, SWAP_CLUSTER_MAX as u32, test, pass);
    }
}

/// One pass of reclaim.
pub fn reclaim(
    memory: &mut HostMemory,
    swap: &mut SwapArea,
    scan: Scan,
    test: YoungTest,
    pass: &mut ReclaimPass,
) {
    pass.clear();
    if !matches!(memory.lru(), Lru::TwoLists | Lru::TwoListsRefaults) {
        let walk_sees_guest = memory.lru() == Lru::GenerationsSecondStage;
        let how = (test, walk_sees_guest);
        match scan {
            Scan::Batch(batch) => generations::reclaim(memory, swap, batch, how, pass),
            Scan::Priority(priority, enough) => {
                generations::reclaim_at(memory, swap, (priority, enough), how, pass);
            }
        }
        return;
    }
    match scan {
        Scan::Batch(batch) => reclaim_batch(memory, swap, batch, test, pass),
        Scan::Priority(priority, _) => reclaim_at(memory, swap, priority, test, pass),
    }
}

/// Batches of pages until so many go. Gives up after both lists have been scanned twice.
fn reclaim_batch(
    memory: &mut HostMemory,
    swap: &mut SwapArea,
    batch: u32,
    test: YoungTest,
    pass: &mut ReclaimPass,
) {
    let most = 2 * (memory.active_len() + memory.inactive_len());
    while pass.freed as usize + pass.written.len() < batch as usize
        && u64::from(pass.scanned) < most
    {
        if memory.active_len() + memory.inactive_len() == 0 {
            // All that could go is on its way.
            return;
        }
        if memory.inactive_is_low() {
            shrink_active(memory, batch, test, pass);
        }
        for _ in 0..batch {
            if pass.freed as usize + pass.written.len() >= batch as usize {
                return;
            }
            let Some(guest_page) = memory.lru_tail(LruList::Inactive) else { break };
            pass.scanned += 1;
            shrink_one_inactive(memory, swap, test, guest_page, pass);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::SwapSlot;
    use crate::parts::memory::pages::{Arrival, Backing, Entry, SecondStage};
    use crate::parts::memory::pass::Enough;

    fn resident(memory: &mut HostMemory, guest_page: GuestPage, mapped: bool) {
        memory.charge(guest_page);
        memory.lru_add(guest_page, LruList::Active);
        let page = memory.page_mut(guest_page);
        page.backing = Backing::Resident;
        page.dirty = true;
        let entry = if mapped { Entry::Writable } else { Entry::None };
        memory.second_stage_mut(guest_page).entry = entry;
    }

    #[test]
    fn the_oldest_pages_are_written_to_neighbouring_slots() {
        let mut memory = HostMemory::new(&[100], 100, Lru::TwoLists);
        for guest_page in 0..64 {
            resident(&mut memory, GuestPage(guest_page), true);
        }
        let mut swap = SwapArea::new(1024);
        let mut pass = ReclaimPass::default();
        reclaim(&mut memory, &mut swap, Scan::Batch(8), YoungTest::Unmap, &mut pass);
        let expected: Vec<_> = (0..8).map(|i| (GuestPage(i), SwapSlot(i as u32))).collect();
        assert_eq!(pass.written, expected);
        assert!(pass.unmapped.contains(&GuestPage(0)));
        assert_eq!(memory.page(GuestPage(0)).backing, Backing::Writeback);
    }

    #[test]
    fn a_pass_of_a_call_takes_the_part_of_the_lists_that_its_priority_stands_for() {
        let mut memory = HostMemory::new(&[8192], 8192, Lru::TwoLists);
        for guest_page in (0..8192).map(GuestPage) {
            resident(&mut memory, guest_page, false);
            if guest_page.0 < 4096 {
                memory.lru_remove(guest_page);
                memory.lru_add(guest_page, LruList::Inactive);
            }
        }
        let mut swap = SwapArea::new(8192);
        let mut written = |memory: &mut HostMemory, priority| {
            let mut pass = ReclaimPass::default();
            let scan = Scan::Priority(priority, Enough::Never);
            reclaim(memory, &mut swap, scan, YoungTest::AccessedBit, &mut pass);
            (pass.written.len(), pass.freed)
        };
        assert_eq!(written(&mut memory, 12), (1, 0));
        // 32 came from the active list, as it was the longer one.
        assert_eq!(memory.inactive_len(), 4095 + 32);
        assert_eq!(written(&mut memory, 8), (16, 0));
        assert_eq!(written(&mut memory, 5), (128, 0));
        // Written pages are at the old end: after 32 of them enough are free, whatever the priority.
        for guest_page in (0..100).map(GuestPage) {
            memory.page_mut(guest_page).backing = Backing::Resident;
            memory.lru_rotate(guest_page);
        }
        assert_eq!(written(&mut memory, 0), (0, 32));
    }

    #[test]
    fn a_page_mapped_again_on_the_inactive_list_is_activated() {
        for test in [YoungTest::Unmap, YoungTest::AccessedBit] {
            let mut memory = HostMemory::new(&[10], 10, Lru::TwoLists);
            resident(&mut memory, GuestPage(0), false);
            resident(&mut memory, GuestPage(1), false);
            memory.lru_remove(GuestPage(0));
            memory.lru_add(GuestPage(0), LruList::Inactive);
            *memory.second_stage_mut(GuestPage(0)) =
                SecondStage { entry: Entry::Writable, young: true };
            let mut pass = ReclaimPass::default();
            reclaim(&mut memory, &mut SwapArea::new(64), Scan::Batch(1), test, &mut pass);
            assert_eq!(pass.written.first().map(|w| w.0), Some(GuestPage(1)), "{test:?}");
            assert_eq!(memory.page(GuestPage(0)).backing, Backing::Resident);
        }
    }

    #[test]
    fn the_inactive_list_may_be_the_shorter_the_more_pages_there_are() {
        const GIB: u64 = 1 << 18;
        // At 1 GiB the ratio is the root of ten, cut to 3.
        for (pages, inactive, low) in [
            (GIB - 1, GIB / 2, false),
            (GIB - 1, GIB / 2 - 1, true),
            (GIB, GIB / 4, false),
            (GIB, GIB / 4 - 1, true),
        ] {
            let mut memory = HostMemory::new(&[pages], pages, Lru::TwoLists);
            for page in (0..pages).map(GuestPage) {
                let is_inactive = page.0 < inactive;
                memory.lru_add(page, if is_inactive { LruList::Inactive } else { LruList::Active });
            }
            assert_eq!(memory.inactive_is_low(), low, "{inactive} of {pages}");
        }
    }

    #[test]
    fn a_page_that_comes_back_soon_begins_on_the_active_list() {
        let mut memory = HostMemory::new(&[100], 100, Lru::TwoListsRefaults);
        let mut swap = SwapArea::new(1024);
        for guest_page in (0..64).map(GuestPage) {
            memory.charge(guest_page);
            memory.lru_arrive(guest_page, Arrival::Fresh);
            memory.set_slot(guest_page, swap.allocate(guest_page));
            memory.page_mut(guest_page).backing = Backing::Resident;
        }
        // New pages begin on the inactive list; the last ones are used.
        assert_eq!((memory.active_len(), memory.inactive_len()), (0, 64));
        for guest_page in (8..16).map(GuestPage) {
            memory.second_stage_mut(guest_page).young = true;
        }
        let mut pass = ReclaimPass::default();
        let scan = Scan::Batch(32);
        reclaim(&mut memory, &mut swap, scan, YoungTest::AccessedBit, &mut pass);
        assert_eq!((pass.freed, memory.active_len()), (32, 8));
        let mut back = |page: u64| {
            memory.charge(GuestPage(page));
            memory.lru_arrive(GuestPage(page), Arrival::Read);
            memory.page(GuestPage(page)).list
        };
        // Since page 39 went none did; since page 0 seven others went, and eight were activated.
        assert_eq!((back(39), back(0)), (LruList::Active, LruList::Inactive));
    }

    #[test]
    fn pinned_pages_stay_and_clean_pages_go_at_once() {
        let mut memory = HostMemory::new(&[10], 10, Lru::TwoLists);
        let mut swap = SwapArea::new(64);
        for guest_page in [GuestPage(0), GuestPage(1)] {
            resident(&mut memory, guest_page, false);
            memory.lru_remove(guest_page);
            memory.lru_add(guest_page, LruList::Inactive);
        }
        memory.page_mut(GuestPage(0)).pins = 1;
        let slot = swap.allocate(GuestPage(1));
        memory.set_slot(GuestPage(1), slot);
        memory.page_mut(GuestPage(1)).dirty = false;
        let mut pass = ReclaimPass::default();
        reclaim(&mut memory, &mut swap, Scan::Batch(2), YoungTest::Unmap, &mut pass);
        assert_eq!((pass.freed, pass.written.len()), (1, 0));
        assert_eq!(memory.page(GuestPage(1)).backing, Backing::Swapped);
        assert_eq!(memory.charged(), 1);
    }
}
