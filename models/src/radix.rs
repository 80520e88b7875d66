//! A sparse table of pages: a radix of small shared leaves.
//!
//! A clone shares all leaves; a leaf is copied when one of its owners first writes to it. Memory
//! touched at random costs by the leaf touched, not by its size, and a snapshot of a whole guest
//! costs a vector of pointers.

use std::sync::Arc;

/// Entries in a leaf: small, so that random touches of a huge table stay cheap.
const LEAF: usize = 64;

/// A table indexed by page number whose untouched entries hold the default value.
#[derive(Clone, Debug)]
pub struct Radix<T> {
    leaves: Vec<Option<Arc<[T; LEAF]>>>,
    default: T,
}

impl<T: Copy + Default> Radix<T> {
    /// An empty table for indices below `len`.
    pub fn new(len: u64) -> Self {
        let leaves = usize::try_from(len.div_ceil(LEAF as u64)).unwrap_or(usize::MAX);
        Self { leaves: vec![None; leaves], default: T::default() }
    }

    /// The entry at `index`.
    ///
    /// # Panics
    /// When `index` lies outside the table.
    pub fn get(&self, index: u64) -> &T {
        let index = index as usize;
        match &self.leaves[index / LEAF] {
            Some(leaf) => &leaf[index % LEAF],
            None => &self.default,
        }
    }

    /// The entry at `index`, to be changed.
    ///
    /// # Panics
    /// When `index` lies outside the table.
    pub fn get_mut(&mut self, index: u64) -> &mut T {
        let index = index as usize;
        let default = self.default;
        let leaf = self.leaves[index / LEAF].get_or_insert_with(|| Arc::new([default; LEAF]));
        &mut Arc::make_mut(leaf)[index % LEAF]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_part_at_the_first_write() {
        let mut a: Radix<u32> = Radix::new(1000);
        *a.get_mut(999) = 7;
        let mut b = a.clone();
        *b.get_mut(999) = 8;
        *b.get_mut(1) = 1;
        assert_eq!((*a.get(999), *a.get(1)), (7, 0));
        assert_eq!((*b.get(999), *b.get(1)), (8, 1));
    }

    #[test]
    fn untouched_memory_costs_nothing() {
        let table: Radix<u64> = Radix::new(1 << 28);
        assert!(table.leaves.iter().all(Option::is_none));
        assert_eq!(*table.get((1 << 28) - 1), 0);
    }
}
