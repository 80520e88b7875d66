//! How many neighbours a swap-in reads besides the wanted page, where the window follows how many of
//! the last ones were wanted (`mm/swap_state.c`: `__swapin_nr_pages`, `swap_vma_ra_win`).

use std::ops::Range;

use crate::base::ids::{Gfn, SwapSlot};

/// Pages that a second-level page table maps: a window in the address space ends there.
const TABLE_PAGES: u64 = 512;
/// Largest window in the address space (`SWAP_RA_ORDER_CEILING`).
const LARGEST_ADDRESS_WINDOW: u32 = 32;

/// What windows are made from: one for all slots, or one for the VMM's one mapping of guest memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadAheadState {
    /// Pages read ahead that were wanted since the last window.
    hits: u32,
    /// Where the last one was.
    previous: u64,
    /// How large it was.
    window: u32,
}

impl Default for ReadAheadState {
    fn default() -> Self {
        // `swapin_readahead_hits` and the value of a mapping without history.
        Self { hits: 4, previous: 0, window: 0 }
    }
}

impl ReadAheadState {
    /// A page is found in the swap cache, which was read ahead for this or is there anyway (`swap_cache_get_folio`).
    /// Windows of addresses go on from there.
    pub fn found(&mut self, at: Option<Gfn>, was_read_ahead: bool) {
        self.hits = self.hits.saturating_add(u32::from(was_read_ahead));
        if let Some(gfn) = at {
            self.previous = gfn.0;
        }
    }

    /// Size of the next window: two more than were wanted, as a power of two; without any, one page
    /// unless the access follows the last one; never less than half of the last window.
    fn next_window(&mut self, at: u64, largest: u32) -> u32 {
        let hits = std::mem::take(&mut self.hits);
        let neighbour = at == self.previous + 1 || at + 1 == self.previous;
        let wanted = match hits {
            0 if neighbour => 2,
            0 => 1,
            hits => hits.saturating_add(2).min(1 << 16).next_power_of_two().max(4),
        };
        self.window = wanted.min(largest).max(self.window / 2);
        self.window
    }

    /// The size of the aligned window of slots around a slot.
    pub fn slot_window(&mut self, slot: SwapSlot, largest: u32) -> u32 {
        if largest <= 1 {
            return 1;
        }
        let at = u64::from(slot.0);
        let without_hits = self.hits == 0;
        let window = self.next_window(at, largest);
        if without_hits {
            self.previous = at;
        }
        window
    }

    /// The size of the window of frames around a frame, and what of it is inside the `pages` of guest memory and
    /// one table: ahead of the frame in the direction of travel, or around it.
    pub fn address_window(&mut self, gfn: Gfn, largest: u32, pages: u64) -> (u32, Range<u64>) {
        let at = gfn.0;
        if largest <= 1 {
            return (1, at..at + 1);
        }
        let last = self.previous;
        let size = self.next_window(at, largest.min(LARGEST_ADDRESS_WINDOW));
        let window = u64::from(size);
        self.previous = at;
        let start = if at == last + 1 {
            at
        } else if at + 1 == last {
            (at + 1).saturating_sub(window)
        } else {
            at.saturating_sub((window - 1) / 2)
        };
        let table = at / TABLE_PAGES * TABLE_PAGES;
        (size, start.max(table)..(start + window).min(table + TABLE_PAGES).min(pages))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_nobody_wants_shrinks_to_one_page() {
        let mut state = ReadAheadState::default();
        let sizes: Vec<u32> = (0..6).map(|n| state.slot_window(SwapSlot(100 * n), 8)).collect();
        assert_eq!(sizes, [8, 4, 2, 1, 1, 1]);
    }

    #[test]
    fn a_window_that_is_wanted_grows_to_the_largest() {
        let mut state = ReadAheadState { hits: 0, ..ReadAheadState::default() };
        let mut sizes = Vec::new();
        for n in 1..6 {
            sizes.push(state.slot_window(SwapSlot(n), 8));
            (0..sizes[sizes.len() - 1] - 1).for_each(|_| state.found(None, true));
        }
        assert_eq!(sizes, [2, 4, 8, 8, 8]);
    }

    #[test]
    fn a_window_of_addresses_goes_where_the_accesses_go() {
        let mut state = ReadAheadState::default();
        assert_eq!(state.address_window(Gfn(100), 8, 1000).1, 97..105);
        state.found(None, true);
        assert_eq!(state.address_window(Gfn(101), 8, 1000).1, 101..105);
        state.found(None, true);
        assert_eq!(state.address_window(Gfn(100), 8, 1000).1, 97..101);
        (0..6).for_each(|_| state.found(None, true));
        assert_eq!(state.address_window(Gfn(510), 8, 1000).1, 507..512);
        (200..206).for_each(|gfn| state.found(Some(Gfn(gfn)), true));
        assert_eq!(state.address_window(Gfn(206), 8, 1000).1, 206..214);
        assert_eq!(state.address_window(Gfn(3), 1, 1000).1, 3..4);
    }
}
