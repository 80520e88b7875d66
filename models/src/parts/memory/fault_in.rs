//! A fault on a page that is in memory: which entry the VMM's own page table gets, and what becomes of
//! the page's swap slot. Both depend on whether the fault is for writing.
//!
//! The kernel's functions are `do_swap_page` for a page that is in the swap cache only, and
//! `do_wp_page` for one that is mapped read-only.

use crate::base::ids::GuestPage;
use crate::config::ReadFaults;
use crate::parts::memory::pages::{Entry, Flight, HostMemory};
use crate::parts::memory::swap::SwapArea;

/// What decides besides the page itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FaultIn {
    /// Whether the fault asks for writing.
    pub write: bool,
    /// What the host's kernel makes of faults that do not.
    pub read_faults: ReadFaults,
    /// Whether the swap device is as fast as memory, so that a page that was read keeps no slot
    /// (`SWP_SYNCHRONOUS_IO`).
    pub synchronous: bool,
}

/// Maps a resident page in the VMM. The page is dirty when it is mapped for writing, or has no slot
/// any more.
pub(crate) fn fault_in(
    memory: &mut HostMemory,
    swap: &mut SwapArea,
    guest_page: GuestPage,
    fault: FaultIn,
) {
    let page = memory.page(guest_page);
    let (before, in_flight) = (page.vmm, page.flight != Flight::None);
    if page.is_as_stored() && !fault.write && fault.read_faults != ReadFaults::ForWriting {
        // A page of the page cache under a private mapping: the first write makes a copy (`do_read_fault`).
        memory.page_mut(guest_page).vmm = before.max(Entry::ReadOnly);
        return;
    }
    // guest_memfd knows no swap, and its entries are for writing.
    let write = fault.write || fault.read_faults == ReadFaults::ForWriting || page.in_guest_memfd;
    // What is protected is mapped for reading whoever asks (`do_swap_page` and `do_wp_page`: userfaultfd_pte_wp).
    let (write, may_write) = (write && !page.protected, !page.protected);
    let gives_up = match (before, write) {
        (Entry::None, true) => true,
        // A slot to which the page is just being written stays.
        (Entry::None, false) => !in_flight && (fault.synchronous || swap.is_filling()),
        (Entry::ReadOnly, true) => fault.read_faults == ReadFaults::ReadOnly,
        (Entry::ReadOnly, false) | (Entry::Writable, _) => false,
    };
    let entry = match write || (fault.read_faults == ReadFaults::Writable && may_write) {
        true => Entry::Writable,
        false => Entry::ReadOnly,
    };
    let slot = page.slot();
    let page = memory.page_mut(guest_page);
    page.vmm = before.max(entry);
    page.dirty |= write || gives_up;
    if gives_up && in_flight {
        page.flight = Flight::GivesSlotUp;
    } else if gives_up && let Some(slot) = slot {
        memory.set_slot(guest_page, None);
        swap.free(slot);
    }
}

/// Makes the second-stage entry of a page that the VMM maps: it allows what the VMM's entry allows, and
/// where that is writing, the page counts as dirty from here on (see [`ReadFaults`]). True: there was
/// no entry, or one that allowed less. `large`: a huge page gets one entry for all of it.
pub(crate) fn map_second_stage(
    memory: &mut HostMemory,
    guest_page: GuestPage,
    large: bool,
) -> bool {
    if large && memory.is_huge(guest_page) {
        return memory.map_huge(guest_page);
    }
    let before = memory.second_stage(guest_page).entry;
    let page = memory.page_mut(guest_page);
    let entry = before.max(page.vmm);
    page.dirty |= entry == Entry::Writable;
    memory.second_stage_mut(guest_page).entry = entry;
    let young = memory.representative(guest_page);
    memory.second_stage_mut(young).young = true;
    entry != before
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::SwapSlot;
    use crate::base::named::Named;
    use crate::config::Lru;
    use crate::parts::memory::pages::Backing;

    const PAGE: GuestPage = GuestPage(3);

    /// A clean page in the swap cache, among so many used slots of eight.
    fn cached(used: u64) -> (HostMemory, SwapArea) {
        let (mut memory, mut swap) = (HostMemory::new(&[8], 8, Lru::TwoLists), SwapArea::new(8));
        memory.charge(PAGE);
        memory.page_mut(PAGE).backing = Backing::Resident;
        let slot = swap.allocate(PAGE);
        memory.set_slot(PAGE, slot);
        for other in 1..used {
            swap.allocate(GuestPage(other + 3));
        }
        (memory, swap)
    }

    /// VMM's entry, second-stage entry, whether the page is dirty, whether it has its slot.
    fn after(read_faults: ReadFaults, writes: &[bool]) -> (Entry, Entry, bool, bool) {
        let (mut memory, mut swap) = cached(1);
        for &write in writes {
            let fault = FaultIn { write, read_faults, synchronous: false };
            fault_in(&mut memory, &mut swap, PAGE, fault);
            map_second_stage(&mut memory, PAGE, true);
        }
        let page = memory.page(PAGE);
        assert_eq!(swap.in_use() == 1, page.slot().is_some());
        (page.vmm, memory.second_stage(PAGE).entry, page.dirty, page.slot().is_some())
    }

    #[test]
    fn a_read_maps_and_dirties_what_the_kernel_makes_of_it() {
        use Entry::{ReadOnly, Writable};
        let read = |kernel| after(kernel, &[false]);
        assert_eq!(read(ReadFaults::ForWriting), (Writable, Writable, true, false));
        assert_eq!(read(ReadFaults::ReadOnly), (ReadOnly, ReadOnly, false, true));
        assert_eq!(read(ReadFaults::ReadOnlyExclusive), (ReadOnly, ReadOnly, false, true));
        // The VMM never wrote it: only the second stage counts as dirty.
        assert_eq!(read(ReadFaults::Writable), (Writable, Writable, true, true));
    }

    #[test]
    fn a_write_gives_the_slot_up_unless_the_page_was_read_before_and_is_known_to_have_one_user() {
        for &kernel in ReadFaults::ALL {
            let (.., dirty, slot) = after(kernel, &[true]);
            assert!(dirty && !slot, "{kernel:?}");
            let (vmm, second, dirty, slot) = after(kernel, &[false, true]);
            assert_eq!((vmm, second, dirty), (Entry::Writable, Entry::Writable, true));
            let keeps = matches!(kernel, ReadFaults::ReadOnlyExclusive | ReadFaults::Writable);
            assert_eq!(slot, keeps, "{kernel:?}");
        }
    }

    #[test]
    fn a_read_page_keeps_no_slot_where_the_swap_is_filling_or_as_fast_as_memory() {
        for (used, synchronous, keeps) in [(4, false, true), (5, false, false), (1, true, false)] {
            let (mut memory, mut swap) = cached(used);
            let read_faults = ReadFaults::ReadOnly;
            fault_in(
                &mut memory,
                &mut swap,
                PAGE,
                FaultIn { write: false, read_faults, synchronous },
            );
            let page = memory.page(PAGE);
            assert_eq!(
                (page.slot().is_some(), page.dirty),
                (keeps, !keeps),
                "{used} {synchronous}"
            );
            assert_eq!(page.vmm, Entry::ReadOnly);
        }
    }

    #[test]
    fn a_slot_to_which_the_page_is_being_written_is_given_up_later() {
        for (write, flight) in [(true, Flight::GivesSlotUp), (false, Flight::KeepsSlot)] {
            let (mut memory, mut swap) = cached(8);
            memory.page_mut(PAGE).flight = Flight::KeepsSlot;
            let read_faults = ReadFaults::ReadOnly;
            let fault = FaultIn { write, read_faults, synchronous: true };
            fault_in(&mut memory, &mut swap, PAGE, fault);
            assert_eq!(memory.page(PAGE).flight, flight);
            assert_eq!(memory.page(PAGE).slot(), Some(SwapSlot(0)));
        }
    }
}
