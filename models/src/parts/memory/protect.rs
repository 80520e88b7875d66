//! Pages that userfaultfd write-protects: what setting and lifting the protection does to the entries of the VMM and of
//! the second stage (`uffd_wp_range` of mm/userfaultfd.c and `change_pte_range` of mm/mprotect.c, 6.12.117; 5.10.262
//! and 6.1.192 have it in `mwriteprotect_range`).
//!
//! An entry of the VMM's becomes read-only and is marked, one of the swap area is marked
//! (`pte_swp_mkuffd_wp`) and stays so when the page is read again. One that was never made is left alone in anonymous
//! memory (`userfaultfd_wp_use_markers`). The second stage loses its entries through the notifier, whichever way
//! the protection changes.

use super::page::{Backing, Entry, Page};
use super::pages::HostMemory;
use crate::base::ids::{GuestPage, VmId};

impl Page {
    /// Whether it is among what protecting marks. What the container never gives up of a guest is none of it.
    fn can_be_protected(&self) -> bool {
        let in_memory = match self.backing {
            Backing::Resident => self.pfn().is_some(),
            Backing::Reading | Backing::Writeback | Backing::Swapped => true,
            Backing::Untouched | Backing::Stored | Backing::Poisoned => false,
        };
        in_memory && !self.in_guest_memfd
    }
}

/// How many pages of a virtual machine protecting marks.
pub(crate) fn protectable(memory: &HostMemory, vm: VmId) -> u64 {
    memory.touched_of(vm).filter(|&page| memory.page(page).can_be_protected()).count() as u64
}

/// Protects the memory of a virtual machine: the pages, in order, and those among them that the second stage has lost.
pub(crate) fn protect(memory: &mut HostMemory, vm: VmId) -> (Vec<GuestPage>, Vec<GuestPage>) {
    let pages: Vec<GuestPage> =
        memory.touched_of(vm).filter(|&page| memory.page(page).can_be_protected()).collect();
    let mut unmapped = Vec::new();
    for &page in &pages {
        let state = memory.page_mut(page);
        state.protected = true;
        state.vmm = state.vmm.min(Entry::ReadOnly);
        if zap(memory, page) {
            unmapped.push(page);
        }
    }
    (pages, unmapped)
}

/// Lifts the protection of a page; whether the second stage has lost an entry by that. The VMM's entry still does not
/// allow writing: the next write makes it do so, by the way that it has in any case.
pub(crate) fn lift(memory: &mut HostMemory, page: GuestPage) -> bool {
    memory.page_mut(page).protected = false;
    zap(memory, page)
}

/// The second stage loses its entry; that it was used stays known.
fn zap(memory: &mut HostMemory, page: GuestPage) -> bool {
    let before = std::mem::take(memory.second_stage_mut(page));
    memory.page_mut(page).young_in_vmm |= before.young;
    before.entry != Entry::None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::Gfn;
    use crate::config::{Lru, ReadFaults};
    use crate::parts::memory::fault_in::{FaultIn, fault_in, map_second_stage};
    use crate::parts::memory::swap::SwapArea;

    fn page(gfn: u64) -> GuestPage {
        GuestPage::new(VmId(1), Gfn(gfn))
    }

    /// Four pages of the second of two machines: one in memory and mapped, one in the swap area, one never touched, one
    /// that is never given up.
    fn memory() -> HostMemory {
        let mut memory = HostMemory::new(&[8, 8], 16, Lru::TwoLists);
        memory.charge(page(0));
        for (gfn, backing) in
            [(0, Backing::Resident), (1, Backing::Swapped), (3, Backing::Resident)]
        {
            memory.page_mut(page(gfn)).backing = backing;
        }
        memory.page_mut(page(0)).vmm = Entry::Writable;
        let entry = memory.second_stage_mut(page(0));
        (entry.entry, entry.young) = (Entry::Writable, true);
        memory
    }

    #[test]
    fn what_is_in_memory_or_swapped_out_is_marked_and_nothing_else() {
        let mut memory = memory();
        assert_eq!(protectable(&memory, VmId(1)), 2);
        let (pages, unmapped) = protect(&mut memory, VmId(1));
        assert_eq!((pages, unmapped), (vec![page(0), page(1)], vec![page(0)]));
        assert_eq!(protect(&mut memory, VmId(0)), (vec![], vec![]));
        let first = memory.page(page(0));
        assert!(first.protected && first.young_in_vmm && first.vmm == Entry::ReadOnly);
        assert!(!memory.second_stage(page(0)).allows(false));
        assert!(!memory.page(page(2)).protected && !memory.page(page(3)).protected);
    }

    #[test]
    fn no_fault_makes_an_entry_that_allows_writing_while_the_protection_stands() {
        use crate::base::named::Named;
        for &read_faults in ReadFaults::ALL {
            for write in [false, true] {
                let (mut memory, mut swap) = (memory(), SwapArea::new(8));
                protect(&mut memory, VmId(1));
                let fault = FaultIn { write, read_faults, synchronous: false };
                fault_in(&mut memory, &mut swap, page(0), fault);
                map_second_stage(&mut memory, page(0), false);
                assert!(memory.second_stage(page(0)).allows(false), "{read_faults:?}");
                assert!(!memory.second_stage(page(0)).allows(true), "{read_faults:?} {write}");
                assert!(lift(&mut memory, page(0)));
                fault_in(&mut memory, &mut swap, page(0), FaultIn { write: true, ..fault });
                map_second_stage(&mut memory, page(0), false);
                assert!(memory.second_stage(page(0)).allows(true), "{read_faults:?} {write}");
            }
        }
    }
}
