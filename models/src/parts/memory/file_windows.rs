//! Which pages of a mapped file the kernel reads at a fault beside the wanted one (mm/filemap.c, mm/readahead.c).
//!
//! A fault that finds its page nowhere reads the window around it (`do_sync_mmap_readahead`). A quarter before the end
//! of the window a page is marked; the fault that comes upon it reads the next window, for which nobody waits
//! (`do_async_mmap_readahead`). Who has missed a hundred times more than it hit reads its pages one by one.
//!
//! Left out: folios of more than a page, congestion, and the position of `read` calls (`prev_pos`), as nobody
//! reads a memory file so.

use crate::config::{Advice, FileMapping, FileWindows, MmapMiss};

/// Misses beyond hits from which on no window is read (`MMAP_LOTSAMISS`).
const LOTS_OF_MISSES: u64 = 100;

/// Pages that are read together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Window {
    /// The first one.
    pub start: u64,
    /// How many.
    pub size: u64,
    /// How many of them, at the end, begin with the marked page; 0: none is marked.
    pub ahead: u64,
}

impl Window {
    /// What of it lies in a file of so many pages. The mark keeps its distance from the end (`do_page_cache_ra`).
    #[must_use]
    pub(crate) fn within(self, pages: u64) -> Self {
        Self { size: self.size.min(pages.saturating_sub(self.start)), ..self }
    }

    fn end(self) -> u64 {
        self.start + self.size
    }

    /// The marked page, if the window has one.
    pub(crate) fn mark(self) -> Option<u64> {
        let before = self.size.checked_sub(self.ahead)?;
        (self.ahead > 0).then_some(self.start + before)
    }
}

/// What the kernel knows of the accesses through one open file (`struct file_ra_state`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileAccesses {
    /// The last window.
    last: Window,
    /// The logarithm of what its end was rounded down to, where windows are [`FileWindows::Aligned`].
    order: u32,
    /// `mmap_miss`.
    misses: u64,
}

/// The size of a window after one that was wanted (`get_next_ra_size`).
fn next_size(size: u64, most: u64) -> u64 {
    if size < most / 16 {
        4 * size
    } else if size <= most / 2 {
        2 * size
    } else {
        most
    }
}

impl FileAccesses {
    /// A fault finds its page nowhere: the window that it reads. None: the page alone.
    pub(crate) fn missed(
        &mut self,
        page: u64,
        file: FileMapping,
        kernel: FileWindows,
    ) -> Option<Window> {
        if !file.reads_windows() {
            return None;
        }
        let most = u64::from(file.read_ahead_pages);
        if file.advice == Advice::Sequential {
            return Some(self.window_from(page, most, kernel));
        }
        self.misses = (self.misses + 1).min(10 * LOTS_OF_MISSES);
        if self.misses > LOTS_OF_MISSES {
            return None;
        }
        self.order = 0;
        self.last = Window { start: page.saturating_sub(most / 2), size: most, ahead: most / 4 };
        Some(self.last)
    }

    /// The window that begins with a page (`page_cache_sync_ra` for as much as one may have). In the middle of a file
    /// it is a read by itself, which leaves no trace and has no mark.
    fn window_from(&mut self, page: u64, most: u64, kernel: FileWindows) -> Window {
        if page == 0 {
            self.order = 0;
            self.last = Window { start: 0, size: most, ahead: most / 2 };
        } else if kernel == FileWindows::OnDemand && self.follows(page) {
            self.last = self.on_demand(page, most);
        } else {
            return Window { start: page, size: most, ahead: 0 };
        }
        self.last
    }

    /// A fault comes upon the marked page: the window that it reads, for which nobody waits. `missing`: the first page
    /// behind it that is not in memory, as far as a window reaches.
    pub(crate) fn marked(
        &mut self,
        page: u64,
        file: FileMapping,
        kernel: FileWindows,
        missing: impl FnOnce() -> u64,
    ) -> Option<Window> {
        let most = u64::from(file.read_ahead_pages);
        self.last = match kernel {
            FileWindows::OnDemand if page == 0 => self.window_from(page, most, kernel),
            FileWindows::OnDemand if self.follows(page) => self.on_demand(page, most),
            FileWindows::Marks | FileWindows::Aligned if self.last.mark() == Some(page) => {
                let size = next_size(self.last.size, most).max(self.last.size);
                Window { start: self.last.end(), size, ahead: size }
            }
            _ => {
                let start = missing();
                if start - page > most {
                    return None;
                }
                Window { start, size: most, ahead: most }
            }
        };
        if kernel == FileWindows::Aligned {
            self.align(most);
        }
        Some(self.last)
    }

    /// Whether a page is where the last window calls for the next one.
    fn follows(&self, page: u64) -> bool {
        self.last.mark() == Some(page) || self.last.end() == page
    }

    /// The window behind the last one. A page that would be marked and is the page of the fault begins the window
    /// after it as well: two in one (`ondemand_readahead`).
    fn on_demand(&self, page: u64, most: u64) -> Window {
        let (start, size) = (self.last.end(), next_size(self.last.size, most));
        let next = next_size(size, most);
        match (page == start, size + next <= most) {
            (true, true) => Window { start, size: size + next, ahead: next },
            (true, false) => Window { start, size: most, ahead: most / 2 },
            (false, _) => Window { start, size, ahead: size },
        }
    }

    /// Rounds the end of the last window down to a multiple of 4, of 16 the next time, and so on
    /// (`page_cache_async_ra` of 7.2).
    fn align(&mut self, most: u64) {
        self.order += 2;
        let multiple = 1 << self.order.min(most.trailing_zeros());
        let end = self.last.end() / multiple * multiple;
        if end > self.last.start {
            self.last.size = end - self.last.start;
        }
        self.last.ahead = self.last.size;
    }

    /// A fault comes upon its page, which is being read or not (`do_async_mmap_readahead`).
    pub(crate) fn found(&mut self, kernel: MmapMiss, being_read: bool) {
        if kernel == MmapMiss::AnyPage || !being_read {
            self.misses = self.misses.saturating_sub(1);
        }
    }

    /// A fault for reading has passed so many pages in memory around its own, which was among them or not
    /// (`filemap_map_pages`).
    pub(crate) fn mapped_around(
        &mut self,
        kernel: MmapMiss,
        (passed, own): (u64, bool),
        first_try: bool,
    ) {
        let hits = match kernel {
            MmapMiss::AnyPage => passed,
            MmapMiss::FirstTry => u64::from(own && first_try),
        };
        self.misses = self.misses.saturating_sub(hits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::named::Named;

    const FILE: FileMapping = FileMapping { advice: Advice::Normal, read_ahead_pages: 32 };

    fn window(start: u64, size: u64, ahead: u64) -> Window {
        Window { start, size, ahead }
    }

    /// The window of a page that is found nowhere, by the first fault on a file.
    fn first(page: u64, file: FileMapping) -> Option<Window> {
        FileAccesses::default().missed(page, file, FileWindows::OnDemand)
    }

    #[test]
    fn a_miss_reads_half_a_window_before_its_page_and_marks_a_quarter_before_the_end() {
        // `do_sync_mmap_readahead`: start = pgoff - 16, size = 32, async_size = 8.
        assert_eq!(first(100, FILE), Some(window(84, 32, 8)));
        assert_eq!(window(84, 32, 8).mark(), Some(108));
        // Near the begin of the file the window is not cut, but moved.
        assert_eq!(first(5, FILE), Some(window(0, 32, 8)));
        let odd = FileMapping { read_ahead_pages: 3, ..FILE };
        assert_eq!(first(10, odd), Some(window(9, 3, 0)));
        assert_eq!(window(9, 3, 0).mark(), None);
        for none in [
            FileMapping { read_ahead_pages: 0, ..FILE },
            FileMapping { advice: Advice::Random, ..FILE },
        ] {
            assert_eq!(first(100, none), None);
        }
    }

    #[test]
    fn the_end_of_the_file_cuts_a_window_and_moves_its_mark() {
        // nr_to_read becomes 20, and `nr_to_read - lookahead_size` 12.
        let cut = window(84, 32, 8).within(104);
        assert_eq!((cut, cut.mark()), (window(84, 20, 8), Some(96)));
        // Less than what lies behind the mark: no page is marked.
        assert_eq!(window(84, 32, 8).within(90).mark(), None);
        assert_eq!(window(84, 32, 8).within(50).size, 0);
    }

    #[test]
    fn windows_end_after_a_hundred_misses_more_than_hits() {
        let mut file = FileAccesses::default();
        let reads =
            |file: &mut FileAccesses, page| file.missed(page, FILE, FileWindows::Marks).is_some();
        let windows = (0..150).filter(|page| reads(&mut file, 1000 * page)).count();
        assert_eq!(windows, 100);
        // 150 misses: after 51 hits the next miss is the hundredth again.
        (0..50).for_each(|_| file.found(MmapMiss::FirstTry, false));
        assert!(!reads(&mut file, 7));
        (0..2).for_each(|_| file.found(MmapMiss::FirstTry, false));
        assert!(reads(&mut file, 7));
        // It counts to a thousand.
        for page in 0..5000 {
            reads(&mut file, 1000 * page);
        }
        file.mapped_around(MmapMiss::AnyPage, (901, true), false);
        assert!(reads(&mut file, 7));
    }

    #[test]
    fn what_counts_as_a_hit_is_the_kernels_choice() {
        let after = |kernel, hit: &dyn Fn(&mut FileAccesses, MmapMiss)| {
            let mut file = FileAccesses { misses: 50, ..FileAccesses::default() };
            hit(&mut file, kernel);
            50 - file.misses
        };
        let both = |hit: &dyn Fn(&mut FileAccesses, MmapMiss)| {
            [MmapMiss::AnyPage, MmapMiss::FirstTry].map(|kernel| after(kernel, hit))
        };
        assert_eq!(both(&|file, kernel| file.found(kernel, false)), [1, 1]);
        assert_eq!(both(&|file, kernel| file.found(kernel, true)), [1, 0]);
        let around = |passed, own, first_try| {
            both(&move |file: &mut FileAccesses, kernel| {
                file.mapped_around(kernel, (passed, own), first_try);
            })
        };
        assert_eq!(around(15, true, true), [15, 1]);
        assert_eq!(around(15, true, false), [15, 0]);
        assert_eq!(around(3, false, true), [3, 0]);
        assert_eq!(around(0, false, true), [0, 0]);
    }

    #[test]
    fn the_mark_calls_for_the_window_behind_the_last_one_which_begins_with_a_mark() {
        for &kernel in FileWindows::ALL {
            let mut file = FileAccesses::default();
            let around = file.missed(100, FILE, kernel).unwrap();
            let mut mark = around.mark().unwrap();
            let mut found = Vec::new();
            for _ in 0..3 {
                let next = file.marked(mark, FILE, kernel, || unreachable!()).unwrap();
                mark = next.mark().unwrap();
                assert_eq!(mark, next.start);
                found.push((next.start, next.size));
            }
            let expected = match kernel {
                // 84 + 32, a whole window each.
                FileWindows::OnDemand | FileWindows::Marks => [(116, 32), (148, 32), (180, 32)],
                // Ends 148 (a multiple of 4), 176 (of 16: 180 rounded down), 192 (of 32: 208).
                FileWindows::Aligned => [(116, 32), (148, 28), (176, 16)],
            };
            assert_eq!(found, expected, "{kernel:?}");
        }
    }

    #[test]
    fn a_mark_of_an_older_window_continues_behind_what_is_in_memory() {
        for kernel in [FileWindows::OnDemand, FileWindows::Marks] {
            let mut file = FileAccesses::default();
            file.missed(100, FILE, kernel);
            file.missed(1000, FILE, kernel);
            // Pages 84 to 115 are in memory.
            let next = file.marked(108, FILE, kernel, || 116);
            assert_eq!(next, Some(window(116, 32, 32)), "{kernel:?}");
            // All that a window could have is there.
            assert_eq!(file.marked(108, FILE, kernel, || 141), None);
        }
    }

    #[test]
    fn sequential_windows_begin_with_their_page() {
        let file = FileMapping { advice: Advice::Sequential, ..FILE };
        for &kernel in FileWindows::ALL {
            let mut accesses = FileAccesses::default();
            assert_eq!(accesses.missed(100, file, kernel), Some(window(100, 32, 0)));
            // The one before left no trace.
            assert_eq!(accesses.missed(132, file, kernel), Some(window(132, 32, 0)));
            assert_eq!(accesses.missed(0, file, kernel), Some(window(0, 32, 16)));
            let behind = accesses.missed(32, file, kernel);
            let expected = match kernel {
                // The end of the last window is where it is expected: size = 32 of 32, half of it ahead.
                FileWindows::OnDemand => window(32, 32, 16),
                FileWindows::Marks | FileWindows::Aligned => window(32, 32, 0),
            };
            assert_eq!(behind, Some(expected), "{kernel:?}");
        }
    }

    #[test]
    fn sizes_grow_to_the_largest() {
        let sizes = [1, 2, 3, 8, 16, 17, 32].map(|size| next_size(size, 32));
        assert_eq!(sizes, [4, 4, 6, 16, 32, 32, 32]);
    }
}
