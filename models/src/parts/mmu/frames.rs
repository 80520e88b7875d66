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
}

impl Frames {
    /// All frames from `first` to `end` are free.
    pub fn new(first: Gfn, end: Gfn) -> Self {
        Self { next: first.0, end: end.0, released: Vec::new(), released_in_memfd: Vec::new() }
    }

    fn released(&mut self, in_memfd: bool) -> &mut Vec<Gfn> {
        if in_memfd { &mut self.released_in_memfd } else { &mut self.released }
    }

    /// Gives a frame back.
    pub fn release(&mut self, gfn: Gfn, in_memfd: bool) {
        self.released(in_memfd).push(gfn);
    }

    /// A frame; `None` when memory is used up.
    pub fn allocate(&mut self, in_memfd: bool) -> Option<Gfn> {
        if let Some(gfn) = self.released(in_memfd).pop() {
            return Some(gfn);
        }
        if self.next == self.end {
            return None;
        }
        let gfn = Gfn(self.next);
        self.next += 1;
        Some(gfn)
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
        self.released.extend((self.next..first).rev().map(Gfn));
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
        assert_eq!(frames.allocate(false), Some(Gfn(5)));
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
}
