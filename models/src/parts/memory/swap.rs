//! Swap slots: which are free, which page each holds, and where the next write goes.
//!
//! Allocation follows `scan_swap_map`: slots are handed out one after the other inside a cluster
//! of 256, so that the pages of one reclaim batch lie side by side on the disk; a new cluster is
//! the first one that is entirely free, and without one the first free slot.

use crate::base::ids::{GuestPage, SwapSlot};
use crate::base::radix::Radix;

/// Slots in an allocation cluster (`SWAPFILE_CLUSTER`).
const CLUSTER: u32 = 256;

/// The swap area.
#[derive(Clone, Debug)]
pub struct SwapArea {
    /// Owner of each slot, plus one; zero when free.
    owners: Radix<u64>,
    /// Used slots in each cluster.
    used: Vec<u16>,
    next: u32,
    /// End of the run of slots that may be handed out without a search.
    run_end: u32,
    size: u32,
    in_use: u32,
}

impl SwapArea {
    /// An empty area of `size` slots.
    pub fn new(size: u32) -> Self {
        Self {
            owners: Radix::new(u64::from(size)),
            used: vec![0; size.div_ceil(CLUSTER) as usize],
            next: 0,
            run_end: 0,
            size,
            in_use: 0,
        }
    }

    /// Makes clones cheap from here on.
    pub fn freeze(&mut self) {
        self.owners.freeze();
    }

    /// The page whose contents a slot holds.
    pub fn owner(&self, slot: SwapSlot) -> Option<GuestPage> {
        if slot.0 >= self.size {
            return None;
        }
        self.owners.get(u64::from(slot.0)).checked_sub(1).map(GuestPage)
    }

    /// Slots in the area.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// Slots in use.
    pub fn in_use(&self) -> u32 {
        self.in_use
    }

    /// Whether so much is in use that pages in memory give up their slots (`vm_swap_full`): more than
    /// half.
    pub fn is_filling(&self) -> bool {
        u64::from(self.in_use) * 2 > u64::from(self.size)
    }

    /// A free slot for `guest_page`, next to the previous one where possible; `None` when all are used.
    pub fn allocate(&mut self, guest_page: GuestPage) -> Option<SwapSlot> {
        if self.in_use == self.size {
            return None;
        }
        if self.next >= self.run_end {
            self.find_run();
        }
        let slot = self.next;
        debug_assert!(self.owner(SwapSlot(slot)).is_none());
        self.next += 1;
        *self.owners.get_mut(u64::from(slot)) = guest_page.0 + 1;
        self.used[(slot / CLUSTER) as usize] += 1;
        self.in_use += 1;
        Some(SwapSlot(slot))
    }

    /// Points `next` at a free slot: a whole free cluster if there is one.
    fn find_run(&mut self) {
        let whole = self.used.iter().position(|&used| used == 0);
        if let Some(cluster) = whole {
            self.next = cluster as u32 * CLUSTER;
            self.run_end = (self.next + CLUSTER).min(self.size);
            return;
        }
        let start = self.next % self.size;
        let free = (start..self.size).chain(0..start).find(|&s| self.owner(SwapSlot(s)).is_none());
        if let Some(slot) = free {
            self.next = slot;
            let cluster_end = ((slot / CLUSTER + 1) * CLUSTER).min(self.size);
            self.run_end = (slot + 1..cluster_end)
                .find(|&s| self.owner(SwapSlot(s)).is_some())
                .unwrap_or(cluster_end);
        }
    }

    /// Gives a slot back.
    ///
    /// # Panics
    /// When the slot is free already.
    pub fn free(&mut self, slot: SwapSlot) {
        let owner = self.owners.get_mut(u64::from(slot.0));
        assert!(*owner != 0, "{slot} is free already");
        *owner = 0;
        self.used[(slot.0 / CLUSTER) as usize] -= 1;
        self.in_use -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_batch_lies_side_by_side() {
        let mut area = SwapArea::new(1024);
        let slots: Vec<u32> = (0..300).map(|g| area.allocate(GuestPage(g)).unwrap().0).collect();
        assert_eq!(slots, (0..300).collect::<Vec<u32>>());
    }

    #[test]
    fn a_free_cluster_is_preferred_to_holes() {
        let mut area = SwapArea::new(3 * CLUSTER);
        for g in 0..u64::from(2 * CLUSTER) {
            area.allocate(GuestPage(g)).unwrap();
        }
        area.free(SwapSlot(5));
        assert_eq!(area.allocate(GuestPage(9)), Some(SwapSlot(2 * CLUSTER)));
    }

    proptest! {
        /// No slot is handed out twice, and a free slot is always found.
        #[test]
        fn slots_are_unique(ops in prop::collection::vec((any::<bool>(), 0usize..600), 1..2000)) {
            let mut area = SwapArea::new(600);
            let mut held: Vec<SwapSlot> = Vec::new();
            for (allocate, pick) in ops {
                if allocate {
                    match area.allocate(GuestPage(pick as u64)) {
                        Some(slot) => {
                            prop_assert!(!held.contains(&slot));
                            prop_assert_eq!(area.owner(slot), Some(GuestPage(pick as u64)));
                            held.push(slot);
                        }
                        None => prop_assert_eq!(held.len(), 600),
                    }
                } else if !held.is_empty() {
                    let slot = held.swap_remove(pick % held.len());
                    area.free(slot);
                    prop_assert_eq!(area.owner(slot), None);
                }
                prop_assert_eq!(area.in_use() as usize, held.len());
            }
        }
    }
}
