//! The set of frames that are outstanding on a vCPU (`vcpu->arch.apf.gfns`).
//!
//! An open-addressing hash table with linear probing, as large as the cap rounded up to a power of
//! two: it can be completely full, so a probe is bounded by its size. Deletion closes the gap by
//! moving later entries of the cluster back, or a lookup would stop at the hole. Sources:
//! `kvm_async_pf_gfn_slot`, `kvm_add_async_pf_gfn`, `kvm_del_async_pf_gfn` in
//! `arch/x86/kvm/x86.c`.

use crate::base::ids::Gfn;

/// `GOLDEN_RATIO_PRIME_32` of the kernels before 4.7.
const GOLDEN_RATIO_32: u32 = 0x9e37_0001;

/// The largest table. A cap beyond it is a cap of this many.
pub const MAX_SLOTS: u32 = 1 << 16;

/// A bounded set of frames.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GfnTable {
    slots: Vec<Option<Gfn>>,
    len: u32,
}

impl GfnTable {
    /// An empty table for `capacity` frames.
    pub fn new(capacity: u32) -> Self {
        let slots = capacity.clamp(2, MAX_SLOTS).next_power_of_two();
        Self { slots: vec![None; slots as usize], len: 0 }
    }

    /// Frames in the table; a frame that was entered twice counts twice.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether no frame is in the table.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Slots in the table.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// What the slots hold, in their order.
    pub fn slots(&self) -> impl Iterator<Item = Option<Gfn>> + '_ {
        self.slots.iter().copied()
    }

    /// Whether a probe finds the frame.
    pub fn contains(&self, gfn: Gfn) -> bool {
        self.find(gfn).is_some()
    }

    /// Enters a frame without looking whether it is there. False when the table is full.
    pub fn insert(&mut self, gfn: Gfn) -> bool {
        let Some(slot) = self.probe(gfn).find(|&slot| self.slots[slot].is_none()) else {
            return false;
        };
        self.slots[slot] = Some(gfn);
        self.len += 1;
        true
    }

    /// Removes a frame and closes the gap. False when no probe finds the frame.
    pub fn remove(&mut self, gfn: Gfn) -> bool {
        let Some(mut hole) = self.clear_slot(gfn) else { return false };
        let mut at = hole;
        loop {
            at = self.next(at);
            let Some(moved) = self.slots[at] else { return true };
            if !self.lies_after(self.home(moved), hole, at) {
                self.slots[at] = None;
                self.slots[hole] = Some(moved);
                hole = at;
            }
        }
    }

    /// Removes a frame and leaves the gap: the mistake of `Defect::HashDeleteHole`.
    pub fn remove_leaving_hole(&mut self, gfn: Gfn) -> bool {
        self.clear_slot(gfn).is_some()
    }

    /// Forgets all frames (`kvm_async_pf_hash_reset`).
    pub fn clear(&mut self) {
        self.slots.fill(None);
        self.len = 0;
    }

    /// The slot where a probe for the frame begins (`hash_32`).
    pub fn home(&self, gfn: Gfn) -> usize {
        let bits = self.slots.len().trailing_zeros();
        // The kernel hashes the low half of the frame number.
        let low = gfn.0 as u32;
        (low.wrapping_mul(GOLDEN_RATIO_32) >> (32 - bits)) as usize
    }

    fn clear_slot(&mut self, gfn: Gfn) -> Option<usize> {
        let slot = self.find(gfn)?;
        self.slots[slot] = None;
        self.len -= 1;
        Some(slot)
    }

    /// The slot of a frame: the probe ends at the frame, at a hole, or after all slots.
    fn find(&self, gfn: Gfn) -> Option<usize> {
        self.probe(gfn)
            .find(|&slot| self.slots[slot].is_none_or(|held| held == gfn))
            .filter(|&slot| self.slots[slot].is_some())
    }

    fn probe(&self, gfn: Gfn) -> impl Iterator<Item = usize> + use<> {
        let (home, mask) = (self.home(gfn), self.slots.len() - 1);
        (0..=mask).map(move |step| (home + step) & mask)
    }

    fn next(&self, slot: usize) -> usize {
        (slot + 1) & (self.slots.len() - 1)
    }

    /// Whether `home` lies cyclically in `(hole, at]`, so that an entry at `at` is found without
    /// passing `hole`.
    fn lies_after(&self, home: usize, hole: usize, at: usize) -> bool {
        let mask = self.slots.len() - 1;
        let distance = at.wrapping_sub(hole) & mask;
        let offset = home.wrapping_sub(hole) & mask;
        offset != 0 && offset <= distance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames whose probes begin at the same slot.
    fn colliding(table: &GfnTable, count: usize) -> Vec<Gfn> {
        let home = table.home(Gfn(0));
        (0..).map(Gfn).filter(|&gfn| table.home(gfn) == home).take(count).collect()
    }

    #[test]
    fn probes_begin_where_the_kernels_hash_says() {
        // hash_32(gfn, 6): the upper six bits of the product with 0x9e370001.
        let table = GfnTable::new(64);
        let homes: Vec<usize> = [0, 1, 2, 3, 1 << 32].map(|gfn| table.home(Gfn(gfn))).into();
        assert_eq!(homes, [0, 39, 15, 54, 0]);
    }

    #[test]
    fn slots_hold_what_was_entered() {
        let mut table = GfnTable::new(4);
        assert!(table.is_empty());
        assert!(table.insert(Gfn(7)));
        assert!(!table.is_empty());
        let slots: Vec<Option<Gfn>> = table.slots().collect();
        assert_eq!(slots.len(), 4);
        assert_eq!(slots[table.home(Gfn(7))], Some(Gfn(7)));
        assert_eq!(slots.iter().flatten().count(), 1);
    }

    #[test]
    fn a_gap_in_a_cluster_is_closed() {
        let mut table = GfnTable::new(64);
        let gfns = colliding(&table, 3);
        for &gfn in &gfns {
            assert!(table.insert(gfn));
        }
        assert!(table.remove(gfns[0]));
        assert!(!table.contains(gfns[0]));
        assert!(table.contains(gfns[1]) && table.contains(gfns[2]));
    }

    #[test]
    fn a_hole_hides_the_rest_of_the_cluster() {
        let mut table = GfnTable::new(64);
        let gfns = colliding(&table, 2);
        table.insert(gfns[0]);
        table.insert(gfns[1]);
        assert!(table.remove_leaving_hole(gfns[0]));
        assert!(!table.contains(gfns[1]));
    }

    #[test]
    fn a_full_table_still_answers() {
        let mut table = GfnTable::new(64);
        for gfn in 0..64 {
            assert!(table.insert(Gfn(gfn * 7919)));
        }
        assert!(!table.insert(Gfn(1)));
        assert!(!table.contains(Gfn(1)));
        assert!(!table.remove(Gfn(1)));
        for gfn in 0..64 {
            assert!(table.remove(Gfn(gfn * 7919)));
        }
        assert!(table.is_empty());
    }

    #[test]
    fn sizes_are_powers_of_two() {
        assert_eq!(GfnTable::new(0).capacity(), 2);
        assert_eq!(GfnTable::new(3).capacity(), 4);
        assert_eq!(GfnTable::new(100).capacity(), 128);
        assert_eq!(GfnTable::new(u32::MAX).capacity(), 1 << 16);
    }
}
