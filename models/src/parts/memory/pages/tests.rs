//! The lists of pages, and frames.

use super::*;
use crate::base::ids::VmId;
use proptest::prelude::*;

#[test]
fn pages_of_two_virtual_machines_share_the_container_and_its_lists() {
    let mut memory = HostMemory::new(&[8, 8], 4, Lru::TwoLists);
    let [here, there] = [VmId(0), VmId(1)].map(|vm| GuestPage::new(vm, Gfn(3)));
    for page in [here, there] {
        memory.charge(page);
        memory.lru_add(page, LruList::Active);
    }
    memory.page_mut(there).dirty = true;
    assert!(!memory.page(here).dirty && memory.page(here).pfn() != memory.page(there).pfn());
    assert_eq!((memory.room(), memory.active_len()), (2, 2));
    assert_eq!(memory.lru_tail(LruList::Active), Some(here));
    memory.lru_remove(here);
    assert_eq!(memory.lru_tail(LruList::Active), Some(there));
    assert_eq!((there.vm(), there.gfn()), (VmId(1), Gfn(3)));
    assert_eq!((here.to_string(), there.to_string()), ("0x3".into(), "vm1:0x3".into()));
}

/// What a handler installs is in no fault, so that it is not as young as what is.
#[test]
fn where_pages_begin() {
    let begin = |lru: Lru, arrival: Arrival| {
        let mut memory = HostMemory::new(&[8], 8, lru);
        memory.lru_arrive(GuestPage(0), arrival);
        memory.page(GuestPage(0)).list
    };
    let [youngest, second] = [MAX_GENERATIONS - 1, MAX_GENERATIONS - 2].map(generation);
    for (arrival, old, new, by_age) in [
        (Arrival::Fresh, LruList::Active, LruList::Inactive, youngest),
        (Arrival::Installed, LruList::Active, LruList::Inactive, second),
        (Arrival::Read, LruList::Inactive, LruList::Inactive, youngest),
    ] {
        assert_eq!(begin(Lru::TwoLists, arrival), old, "{arrival:?}");
        assert_eq!(begin(Lru::TwoListsRefaults, arrival), new, "{arrival:?}");
        assert_eq!(begin(Lru::GenerationsSecondStage, arrival), by_age, "{arrival:?}");
    }
}

#[test]
fn charges_are_counted_and_frames_reused() {
    let mut memory = HostMemory::new(&[10], 2, Lru::TwoLists);
    memory.charge(GuestPage(1));
    memory.charge(GuestPage(2));
    assert_eq!(memory.room(), 0);
    let frame = memory.page(GuestPage(1)).pfn();
    memory.uncharge(GuestPage(1));
    memory.charge(GuestPage(3));
    assert_eq!(memory.page(GuestPage(3)).pfn(), frame);
}

proptest! {
    /// The intrusive lists behave like two deques.
    #[test]
    fn lru_lists_match_deques(ops in prop::collection::vec((0u64..20, 0u8..3), 1..200)) {
        let mut memory = HostMemory::new(&[20], 20, Lru::TwoLists);
        let mut model = [std::collections::VecDeque::new(), std::collections::VecDeque::new()];
        for (guest_page, op) in ops {
            memory.lru_remove(GuestPage(guest_page));
            for deque in &mut model { deque.retain(|&g| g != guest_page); }
            if op < 2 {
                let list = [LruList::Active, LruList::Inactive][usize::from(op)];
                memory.lru_add(GuestPage(guest_page), list);
                model[usize::from(op)].push_front(guest_page);
            }
            prop_assert_eq!(memory.lru_tail(LruList::Active).map(|g| g.0), model[0].back().copied());
            prop_assert_eq!(memory.lru_tail(LruList::Inactive).map(|g| g.0), model[1].back().copied());
            prop_assert_eq!(memory.active_len() as usize, model[0].len());
            prop_assert_eq!(memory.inactive_len() as usize, model[1].len());
        }
    }
}
