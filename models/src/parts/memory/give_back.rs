//! Pages that a VMM gives back (`madvise` with MADV_DONTNEED): mappings, frames and swap slots go, and who touches
//! one again touches it for the first time (`zap_pte_range`, `free_swap_and_cache`, mm/memory.c of 6.12).

use super::page::{Backing, Entry, Flight};
use super::pages::HostMemory;
use super::swap::SwapArea;
use crate::base::ids::GuestPage;

/// What was given back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GivenBack {
    /// Pages that the second stage has lost.
    pub unmapped: Vec<GuestPage>,
    /// Frames that are free.
    pub frames: u32,
    /// Swap slots that are.
    pub slots: u32,
}

/// Gives pages back. Those that are being read or written, or that an item holds, stay as they are: in a kernel
/// they are nobody's then, and go when that is over.
pub(crate) fn give_back(
    memory: &mut HostMemory,
    swap: &mut SwapArea,
    pages: impl Iterator<Item = GuestPage>,
) -> GivenBack {
    let mut back = GivenBack::default();
    for page in pages {
        let state = memory.page(page);
        let is_busy = state.pins > 0 || state.flight != Flight::None || state.in_guest_memfd;
        let goes = matches!(state.backing, Backing::Resident | Backing::Swapped | Backing::Stored);
        if is_busy || !goes {
            continue;
        }
        let (has_frame, slot) = (state.pfn().is_some(), state.slot());
        if std::mem::take(memory.second_stage_mut(page)).entry != Entry::None {
            back.unmapped.push(page);
        }
        memory.lru_remove(page);
        if has_frame {
            memory.uncharge(page);
            back.frames += 1;
        }
        if let Some(slot) = slot {
            memory.set_slot(page, None);
            swap.free(slot);
            back.slots += 1;
        }
        let state = memory.page_mut(page);
        state.forget(Backing::Untouched);
        // Anonymous memory takes the place of a file's.
        (state.store, state.protected) = (None, false);
    }
    back
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Lru;
    use crate::parts::memory::pages::Arrival;
    use crate::parts::memory::second_stage::SecondStage;

    fn resident(memory: &mut HostMemory, page: u64) {
        memory.charge(GuestPage(page));
        memory.lru_arrive(GuestPage(page), Arrival::Fresh);
        memory.page_mut(GuestPage(page)).backing = Backing::Resident;
        memory.second_stage_mut(GuestPage(page)).entry = Entry::Writable;
    }

    #[test]
    fn frames_slots_and_mappings_go_and_what_is_busy_stays() {
        for lru in [Lru::TwoLists, Lru::Generations] {
            let (mut memory, mut swap) = (HostMemory::new(&[8], 8, lru), SwapArea::new(8));
            for page in 0..5 {
                resident(&mut memory, page);
            }
            // In memory and in the swap area; in the swap area alone; held by an item; being written.
            for page in [1, 2, 4] {
                let slot = swap.allocate(GuestPage(page));
                memory.set_slot(GuestPage(page), slot);
            }
            memory.lru_remove(GuestPage(2));
            memory.uncharge(GuestPage(2));
            memory.page_mut(GuestPage(2)).forget(Backing::Swapped);
            *memory.second_stage_mut(GuestPage(2)) = SecondStage::default();
            memory.page_mut(GuestPage(3)).pins = 1;
            memory.page_mut(GuestPage(4)).flight = Flight::KeepsSlot;
            let back = give_back(&mut memory, &mut swap, (0..8).map(GuestPage));
            assert_eq!(back.unmapped, [GuestPage(0), GuestPage(1)]);
            assert_eq!((back.frames, back.slots), (2, 2));
            assert_eq!((memory.charged(), swap.in_use(), memory.on_lists()), (2, 1, 2));
            for page in [0, 1, 2, 5] {
                assert_eq!(memory.page(GuestPage(page)).backing, Backing::Untouched);
                assert!(memory.page(GuestPage(page)).slot().is_none());
            }
            assert!(memory.second_stage(GuestPage(3)).allows(true));
            // It is a first touch again.
            resident(&mut memory, 0);
        }
    }
}
