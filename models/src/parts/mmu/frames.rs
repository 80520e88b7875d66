//! The guest's allocator of page frames.

use crate::base::ids::Gfn;
use crate::base::page_size::PageSize;

/// Frames that nobody has.
#[derive(Clone, Debug)]
pub struct Frames {
    next: u64,
    end: u64,
    /// Frames that were given back, the last one used first.
    released: Vec<Gfn>,
    /// The same of frames in guest_memfd, which stay there.
    released_in_memfd: Vec<Gfn>,
    /// Blocks of frames, where the guest reports those that are free.
    blocks: Option<Blocks>,
}

/// What is known of aligned blocks of frames.
#[derive(Clone, Debug)]
struct Blocks {
    order: u8,
    /// By block: frames of it that were given back, and whether all of it is free and reported.
    free: Vec<u32>,
    reported: Vec<bool>,
}

impl Blocks {
    fn of(&self, gfn: Gfn) -> usize {
        (gfn.0 >> self.order) as usize
    }

    fn is_whole(&self, block: usize) -> bool {
        self.free[block] == 1 << self.order
    }
}

impl Frames {
    /// All frames from `first` to `end` are free.
    pub fn new(first: Gfn, end: Gfn) -> Self {
        let (released, released_in_memfd) = (Vec::new(), Vec::new());
        Self { next: first.0, end: end.0, released, released_in_memfd, blocks: None }
    }

    /// The same where aligned blocks of two to the power of `order` frames are reported when all of them were
    /// given back.
    #[must_use]
    pub fn with_reporting(self, order: u8) -> Self {
        let number = (self.end >> order) as usize + 1;
        let blocks = Blocks { order, free: vec![0; number], reported: vec![false; number] };
        Self { blocks: Some(blocks), ..self }
    }

    fn released(&mut self, in_memfd: bool) -> &mut Vec<Gfn> {
        if in_memfd { &mut self.released_in_memfd } else { &mut self.released }
    }

    /// Gives a frame back. Whether all of its block is free now, which nobody knows yet.
    pub fn release(&mut self, gfn: Gfn, in_memfd: bool) -> bool {
        self.released(in_memfd).push(gfn);
        let Some(blocks) = self.blocks.as_mut().filter(|_| !in_memfd) else { return false };
        let block = blocks.of(gfn);
        blocks.free[block] += 1;
        blocks.is_whole(block)
    }

    /// A frame; `None` when memory is used up.
    pub fn allocate(&mut self, in_memfd: bool) -> Option<Gfn> {
        if let Some(gfn) = self.released(in_memfd).pop() {
            if let Some(blocks) = self.blocks.as_mut().filter(|_| !in_memfd) {
                let block = blocks.of(gfn);
                blocks.free[block] -= 1;
                blocks.reported[block] = false;
            }
            return Some(gfn);
        }
        if self.next == self.end {
            return None;
        }
        let gfn = Gfn(self.next);
        self.next += 1;
        Some(gfn)
    }

    /// A frame for a page table. Where free blocks are reported tables come from the other end of memory: kernels
    /// keep what cannot be moved in blocks of its own (`MIGRATE_UNMOVABLE`), or no block would be free as a whole.
    pub fn allocate_table(&mut self) -> Option<Gfn> {
        if self.blocks.is_none() {
            return self.allocate(false);
        }
        self.allocate_apart()
    }

    /// A frame at the other end of memory, as far as there is one: for a page table that must not lie between pages
    /// of memory that is served by blocks.
    pub fn allocate_apart(&mut self) -> Option<Gfn> {
        if self.next == self.end {
            return self.allocate(false);
        }
        self.end -= 1;
        Some(Gfn(self.end))
    }

    /// How many frames are free, those of guest_memfd apart.
    pub fn free(&self) -> u64 {
        self.released.len() as u64 + self.end - self.next
    }

    /// Blocks that are free as a whole.
    pub fn whole_blocks(&self) -> u64 {
        let whole =
            |blocks: &Blocks| (0..blocks.free.len()).filter(|&at| blocks.is_whole(at)).count();
        self.blocks.as_ref().map_or(0, whole) as u64
    }

    /// Takes blocks out, by their first frames, that are free as a whole and were not reported: at most so many.
    pub fn isolate(&mut self, most: usize) -> Vec<Gfn> {
        let Some(blocks) = &mut self.blocks else { return Vec::new() };
        let new = |&at: &usize| blocks.is_whole(at) && !blocks.reported[at];
        let taken: Vec<usize> = (0..blocks.free.len()).filter(new).take(most).collect();
        if taken.is_empty() {
            return Vec::new();
        }
        let order = blocks.order;
        self.released.retain(|gfn| taken.binary_search(&((gfn.0 >> order) as usize)).is_err());
        for &block in &taken {
            blocks.free[block] = 0;
        }
        taken.into_iter().map(|block| Gfn((block as u64) << order)).collect()
    }

    /// Blocks are back that were reported: their frames are used last (`__putback_isolated_page`).
    pub fn put_back(&mut self, taken: &[Gfn]) {
        let Some(blocks) = &mut self.blocks else { return };
        let frames = 1 << blocks.order;
        for first in taken {
            let block = blocks.of(*first);
            (blocks.free[block], blocks.reported[block]) = (frames, true);
        }
        let all = taken.iter().flat_map(|first| (0..u64::from(frames)).map(|at| Gfn(first.0 + at)));
        self.released.splice(0..0, all);
    }

    /// The frame that [`Self::allocate`] would give next, outside guest_memfd.
    pub fn upcoming(&self) -> Option<Gfn> {
        let fresh = (self.next < self.end).then_some(Gfn(self.next));
        self.released.last().copied().or(fresh)
    }

    /// The first one of so many frames in a row; `None` when there are none.
    pub fn allocate_row(&mut self, pages: u64) -> Option<Gfn> {
        let first = self.next;
        (pages <= self.end - first).then(|| {
            self.next += pages;
            Gfn(first)
        })
    }

    /// The first one of the frames of a page of 2 MiB, aligned; `None` when there are none in a row.
    /// Those that are passed over for the alignment are free for small pages.
    pub fn allocate_large(&mut self) -> Option<Gfn> {
        let pages = 1 << PageSize::Large.order();
        let first = self.next.next_multiple_of(pages);
        if first + pages > self.end {
            return None;
        }
        for gfn in (self.next..first).rev().map(Gfn) {
            self.release(gfn, false);
        }
        self.next = first + pages;
        Some(Gfn(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_in_order_and_those_given_back_first() {
        let mut frames = Frames::new(Gfn(5), Gfn(8));
        assert_eq!(frames.allocate(false), Some(Gfn(5)));
        assert_eq!(frames.allocate(true), Some(Gfn(6)));
        frames.release(Gfn(5), false);
        frames.release(Gfn(6), true);
        assert_eq!((frames.free(), frames.allocate(false)), (2, Some(Gfn(5))));
        assert_eq!(frames.allocate(false), Some(Gfn(7)));
        assert_eq!(frames.allocate(false), None);
        assert_eq!(frames.allocate(true), Some(Gfn(6)));
    }

    #[test]
    fn large_pages_are_aligned_and_waste_nothing() {
        let mut frames = Frames::new(Gfn(510), Gfn(1024));
        assert_eq!(frames.allocate_large(), Some(Gfn(512)));
        assert_eq!(frames.allocate_large(), None);
        assert_eq!(frames.allocate(false), Some(Gfn(510)));
        assert_eq!(frames.allocate(false), Some(Gfn(511)));
        assert_eq!(frames.allocate(false), None);
    }

    #[test]
    fn a_block_is_reported_once_all_of_it_was_given_back_and_again_after_it_was_used() {
        let mut frames = Frames::new(Gfn(2), Gfn(16)).with_reporting(2);
        let taken: Vec<Gfn> = std::iter::from_fn(|| frames.allocate(false)).collect();
        assert_eq!(taken.len(), 14);
        // The first block has frames of the kernel, and is never whole.
        let told: Vec<bool> = (2..11).map(|gfn| frames.release(Gfn(gfn), false)).collect();
        assert_eq!(told, [false, false, false, false, false, true, false, false, false]);
        assert_eq!((frames.whole_blocks(), frames.isolate(8)), (1, vec![Gfn(4)]));
        // It cannot be used meanwhile; what is left is used first, and it last.
        assert_eq!(frames.free(), 5);
        frames.put_back(&[Gfn(4)]);
        assert!(frames.isolate(8).is_empty());
        let order: Vec<u64> =
            (0..6).filter_map(|_| frames.allocate(false)).map(|gfn| gfn.0).collect();
        assert_eq!(order, [10, 9, 8, 3, 2, 7]);
        assert!(frames.release(Gfn(7), false));
        assert_eq!(frames.isolate(8), [Gfn(4)]);
    }

    #[test]
    fn tables_lie_apart_where_blocks_are_reported() {
        let mut plain = Frames::new(Gfn(2), Gfn(16));
        assert_eq!((plain.allocate_table(), plain.allocate(false)), (Some(Gfn(2)), Some(Gfn(3))));
        let mut frames = Frames::new(Gfn(2), Gfn(16)).with_reporting(2);
        assert_eq!(
            (frames.allocate_table(), frames.allocate(false)),
            (Some(Gfn(15)), Some(Gfn(2)))
        );
        assert_eq!(frames.free(), 12);
    }
}
