//! A sparse table of pages: a radix of small leaves, which clones share once they are frozen.
//!
//! Memory touched at random costs by the leaf touched, not by its size; untouched memory costs a pointer
//! for `LEAF` times `BRANCH` pages. After [`Radix::freeze`] a clone shares all leaves, and a leaf is
//! copied when one of its owners first writes to it; so a snapshot of a whole guest costs its pointers.

use std::sync::Arc;

/// Leaves of a branch.
const BRANCH: usize = 512;

#[derive(Clone, Debug)]
enum Leaf<T, const LEAF: usize> {
    Untouched,
    /// Ours alone. A reference count that is one would say the same, but asking it at every write
    /// costs an atomic operation.
    Own(Box<[T; LEAF]>),
    Shared(Arc<[T; LEAF]>),
}

type Branch<T, const LEAF: usize> = Option<Box<[Leaf<T, LEAF>; BRANCH]>>;

/// A table indexed by page number whose untouched entries hold the default value, with `LEAF` entries in a
/// leaf: few, so that random touches of a huge table stay cheap.
#[derive(Clone, Debug)]
pub struct Radix<T, const LEAF: usize = 64> {
    branches: Vec<Branch<T, LEAF>>,
    len: u64,
    default: T,
}

impl<T: Copy + Default, const LEAF: usize> Radix<T, LEAF> {
    /// An empty table for indices below `len`.
    pub fn new(len: u64) -> Self {
        let pages = (LEAF * BRANCH) as u64;
        let branches = usize::try_from(len.div_ceil(pages)).unwrap_or(usize::MAX);
        Self { branches: vec![None; branches], len, default: T::default() }
    }

    /// The entry at `index`.
    ///
    /// # Panics
    /// When `index` lies outside the table; in a release, outside its last branch.
    #[inline]
    pub fn get(&self, index: u64) -> &T {
        let index = index as usize;
        let Some(branch) = &self.branches[index / LEAF / BRANCH] else {
            debug_assert!((index as u64) < self.len, "page {index} of {}", self.len);
            return &self.default;
        };
        match &branch[index / LEAF % BRANCH] {
            Leaf::Own(leaf) => &leaf[index % LEAF],
            Leaf::Shared(leaf) => &leaf[index % LEAF],
            Leaf::Untouched => &self.default,
        }
    }

    /// The entry at `index`, to be changed.
    ///
    /// # Panics
    /// When `index` lies outside the table; in a release, outside its last branch.
    #[inline]
    pub fn get_mut(&mut self, index: u64) -> &mut T {
        debug_assert!(index < self.len, "page {index} of {}", self.len);
        let index = index as usize;
        let branch = match &mut self.branches[index / LEAF / BRANCH] {
            Some(branch) => branch,
            none => new_branch(none),
        };
        let leaf = match &mut branch[index / LEAF % BRANCH] {
            Leaf::Own(leaf) => leaf,
            leaf => leaf.take_over(self.default),
        };
        &mut leaf[index % LEAF]
    }

    /// Entries that may differ from the default, with their indices, in order.
    pub fn touched(&self) -> impl Iterator<Item = (u64, &T)> {
        let branches = self.branches.iter().enumerate();
        let branches = branches.filter_map(|(at, branch)| Some((at * BRANCH, branch.as_ref()?)));
        let leaves = branches.flat_map(|(first, branch)| (first..).zip(branch.iter()));
        leaves.filter_map(|(at, leaf)| Some((at, leaf.entries()?))).flat_map(|(at, leaf)| {
            leaf.iter().enumerate().map(move |(i, entry)| ((at * LEAF + i) as u64, entry))
        })
    }

    /// Makes clones cheap from here on: they share the leaves until one writes to them.
    pub fn freeze(&mut self) {
        for leaf in self.branches.iter_mut().flatten().flat_map(|branch| branch.iter_mut()) {
            if let Leaf::Own(entries) = leaf {
                *leaf = Leaf::Shared(Arc::new(**entries));
            }
        }
    }
}

impl<T: Copy, const LEAF: usize> Leaf<T, LEAF> {
    fn entries(&self) -> Option<&[T; LEAF]> {
        match self {
            Self::Untouched => None,
            Self::Own(leaf) => Some(leaf),
            Self::Shared(leaf) => Some(leaf),
        }
    }

    /// Makes the leaf ours alone.
    #[cold]
    #[inline(never)]
    fn take_over(&mut self, default: T) -> &mut [T; LEAF] {
        *self = Self::Own(match self {
            Self::Untouched | Self::Own(_) => Box::new([default; LEAF]),
            Self::Shared(shared) => Box::new(**shared),
        });
        match self {
            Self::Own(leaf) => leaf,
            Self::Untouched | Self::Shared(_) => unreachable!("a leaf that was taken over"),
        }
    }
}

/// Makes a branch whose leaves are untouched.
#[cold]
#[inline(never)]
fn new_branch<T, const LEAF: usize>(place: &mut Branch<T, LEAF>) -> &mut [Leaf<T, LEAF>; BRANCH] {
    place.get_or_insert_with(|| Box::new([const { Leaf::Untouched }; BRANCH]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves<T>(table: &Radix<T>) -> impl Iterator<Item = &Leaf<T, 64>> {
        table.branches.iter().flatten().flat_map(|branch| branch.iter())
    }

    #[test]
    fn clones_part_at_the_first_write() {
        let mut a: Radix<u32> = Radix::new(1000);
        *a.get_mut(999) = 7;
        a.freeze();
        let mut b = a.clone();
        assert!(leaves(&b).all(|leaf| !matches!(leaf, Leaf::Own(_))));
        *b.get_mut(999) = 8;
        *b.get_mut(1) = 1;
        assert_eq!((*a.get(999), *a.get(1)), (7, 0));
        assert_eq!((*b.get(999), *b.get(1)), (8, 1));
    }

    #[test]
    fn a_clone_of_what_is_not_frozen_is_a_copy() {
        let mut a: Radix<u32> = Radix::new(1000);
        *a.get_mut(5) = 7;
        let b = a.clone();
        *a.get_mut(5) = 8;
        assert_eq!((*a.get(5), *b.get(5)), (8, 7));
        a.freeze();
        *a.get_mut(6) = 9;
        assert_eq!((*a.get(5), *a.get(6)), (8, 9));
    }

    #[test]
    fn untouched_memory_costs_nothing() {
        let table: Radix<u64> = Radix::new(1 << 28);
        assert!(table.branches.iter().all(Option::is_none));
        assert!(table.branches.len() <= 1 << 13);
        assert_eq!(*table.get((1 << 28) - 1), 0);
    }
}
