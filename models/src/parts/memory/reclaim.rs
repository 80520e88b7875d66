//! Direct reclaim: which pages go, in the manner of `shrink_zone` of 2.6.3x for anonymous memory.
//!
//! The active list is shrunk while it is the longer one (`inactive_anon_is_low` with a ratio of
//! one, as for containers below 1 GiB). Pages move from its old end to the inactive list; there a
//! page that was used since gets a second chance. Without accessed bits in the second-stage
//! tables, "used since" means "mapped", and asking unmaps (`kvm_age_rmapp`).

use crate::base::ids::GuestPage;
use crate::config::Lru;
use crate::parts::memory::generations;
use crate::parts::memory::pages::{Flight, HostMemory, LruList};
use crate::parts::memory::pass::{ReclaimPass, YoungTest, evict, test_and_clear_young};
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
        memory.lru_add(guest_page, LruList::Active);
        return;
    }
    if !evict(memory, swap, guest_page, pass) {
        memory.lru_add(guest_page, LruList::Active);
    }
}

/// One pass of direct reclaim that aims at `batch` pages (`SWAP_CLUSTER_MAX`). Gives up after
/// both lists have been scanned twice.
pub fn reclaim(
    memory: &mut HostMemory,
    swap: &mut SwapArea,
    batch: u32,
    test: YoungTest,
    pass: &mut ReclaimPass,
) {
    pass.clear();
    if memory.lru() != Lru::TwoLists {
        let walk_sees_guest = memory.lru() == Lru::GenerationsSecondStage;
        generations::reclaim(memory, swap, batch, (test, walk_sees_guest), pass);
        return;
    }
    let most = 2 * (memory.active_len() + memory.inactive_len());
    while pass.freed as usize + pass.written.len() < batch as usize
        && u64::from(pass.scanned) < most
    {
        if memory.active_len() + memory.inactive_len() == 0 {
            // All that could go is on its way.
            return;
        }
        if memory.active_len() > memory.inactive_len() {
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
    use crate::parts::memory::pages::{Backing, Entry, SecondStage};

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
        reclaim(&mut memory, &mut swap, 8, YoungTest::Unmap, &mut pass);
        let expected: Vec<_> = (0..8).map(|i| (GuestPage(i), SwapSlot(i as u32))).collect();
        assert_eq!(pass.written, expected);
        assert!(pass.unmapped.contains(&GuestPage(0)));
        assert_eq!(memory.page(GuestPage(0)).backing, Backing::Writeback);
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
            reclaim(&mut memory, &mut SwapArea::new(64), 1, test, &mut pass);
            assert_eq!(pass.written.first().map(|w| w.0), Some(GuestPage(1)), "{test:?}");
            assert_eq!(memory.page(GuestPage(0)).backing, Backing::Resident);
        }
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
        reclaim(&mut memory, &mut swap, 2, YoungTest::Unmap, &mut pass);
        assert_eq!((pass.freed, pass.written.len()), (1, 0));
        assert_eq!(memory.page(GuestPage(1)).backing, Backing::Swapped);
        assert_eq!(memory.charged(), 1);
    }
}
