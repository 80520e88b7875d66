//! Pages that lie side by side, and the order in which threads of a VMM bring pages before anybody misses them.

use sim_core::{SimDuration, SimTime};

use crate::base::ids::{Gfn, GuestPage};
use crate::config::Prefetch;

/// Pages side by side in an image of the guest's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageRun {
    pub first: GuestPage,
    pub pages: u32,
}

impl PageRun {
    /// The page at a place, if it has so many.
    pub(crate) fn page(self, at: u32) -> Option<GuestPage> {
        (at < self.pages).then(|| after(self.first, at))
    }

    /// All of them.
    pub(crate) fn all(self) -> impl Iterator<Item = GuestPage> {
        (0..self.pages).map(move |at| after(self.first, at))
    }

    /// Whether a page is one of them.
    pub(crate) fn contains(self, page: GuestPage) -> bool {
        let (first, gfn) = (self.first.gfn().0, page.gfn().0);
        page.vm() == self.first.vm() && (first..first + u64::from(self.pages)).contains(&gfn)
    }

    /// The pages around one that are missing as it is and lie side by side with it, inside the block of so
    /// many pages, a power of two, in which it lies.
    pub(crate) fn around(
        page: GuestPage,
        block: u32,
        mut missing: impl FnMut(GuestPage) -> bool,
    ) -> Self {
        let (gfn, block) = (page.gfn().0, u64::from(block.max(1)));
        let (begin, end) = (gfn - gfn % block, gfn - gfn % block + block);
        let mut is_missing = |gfn: u64| missing(GuestPage::new(page.vm(), Gfn(gfn)));
        let first = (begin..gfn).rev().take_while(|&gfn| is_missing(gfn)).last().unwrap_or(gfn);
        let last = (gfn + 1..end).take_while(|&gfn| is_missing(gfn)).last().unwrap_or(gfn);
        let pages = (last - first + 1) as u32;
        Self { first: GuestPage::new(page.vm(), Gfn(first)), pages }
    }
}

fn after(page: GuestPage, pages: u32) -> GuestPage {
    GuestPage::new(page.vm(), Gfn(page.gfn().0 + u64::from(pages)))
}

/// What is left to be brought, for all threads that do so.
#[derive(Clone, Debug)]
pub(crate) struct Prefetcher {
    order: Vec<GuestPage>,
    at: usize,
    batch: u32,
    pace: SimDuration,
    /// When the next run may begin.
    due: SimTime,
    /// Threads that are not through.
    busy: u16,
    /// The guest's tasks wait for them.
    before_start: bool,
}

impl Prefetcher {
    /// Nothing is to be brought yet.
    pub(crate) fn new(config: &Prefetch) -> Self {
        let &Prefetch { threads: busy, batch, pace, before_start, .. } = config;
        Self { order: Vec::new(), at: 0, batch, pace, due: SimTime::ZERO, busy, before_start }
    }

    /// A page comes next in the order.
    pub(crate) fn push(&mut self, page: GuestPage) {
        self.order.push(page);
    }

    /// When the next run may begin.
    pub(crate) fn due(&self) -> SimTime {
        self.due
    }

    /// Takes the next pages that are missing and lie side by side, as many as a batch has at most.
    pub(crate) fn next(
        &mut self,
        now: SimTime,
        missing: impl Fn(GuestPage) -> bool,
    ) -> Option<PageRun> {
        let left = &self.order[self.at..];
        let skipped = left.iter().take_while(|&&page| !missing(page)).count();
        let left = &left[skipped..];
        let first = *left.first()?;
        let side_by_side = |&(at, &page): &(u32, &GuestPage)| page == after(first, at);
        let run = (0..self.batch).zip(left).take_while(side_by_side);
        let pages = run.take_while(|&(_, &page)| missing(page)).count() as u32;
        self.at += skipped + pages as usize;
        self.due = self.due.max(now) + self.pace.times(pages.into());
        Some(PageRun { first, pages })
    }

    /// A thread finds nothing left. True: it was the last one.
    pub(crate) fn is_through(&mut self) -> bool {
        self.busy -= 1;
        self.busy == 0
    }

    /// Whether the guest's tasks wait, and something is still to be brought.
    pub(crate) fn holds_tasks_up(&self) -> bool {
        self.before_start && self.busy > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::VmId;

    fn page(gfn: u64) -> GuestPage {
        GuestPage::new(VmId(0), Gfn(gfn))
    }

    fn one(gfn: u64) -> PageRun {
        PageRun { first: page(gfn), pages: 1 }
    }

    #[test]
    fn a_block_is_cut_where_a_page_is_there() {
        let run = PageRun::around(page(21), 8, |page| page.gfn().0 != 18);
        assert_eq!((run.first, run.pages), (page(19), 5));
        assert_eq!(PageRun::around(page(21), 1, |_| true), one(21));
        assert_eq!((run.page(4), run.page(5)), (Some(page(23)), None));
    }

    #[test]
    fn runs_follow_the_order_skip_what_is_there_and_keep_the_pace() {
        let pace = SimDuration::from_us(10);
        let (runs, before_start) = (Vec::new(), true);
        let config = Prefetch { threads: 2, runs, batch: 3, pace, before_start };
        let mut prefetcher = Prefetcher::new(&config);
        for gfn in [7, 8, 9, 10, 4, 5] {
            prefetcher.push(page(gfn));
        }
        let now = SimTime::ZERO;
        let there = |gone: u64| move |page: GuestPage| page.gfn().0 != gone;
        let run = prefetcher.next(now, there(7));
        assert_eq!(run, Some(PageRun { first: page(8), pages: 3 }));
        assert_eq!(prefetcher.due(), now + pace.times(3));
        let run = prefetcher.next(now, there(5));
        assert_eq!(run, Some(one(4)));
        assert_eq!(prefetcher.next(now, there(5)), None);
        assert!(!prefetcher.is_through() && prefetcher.holds_tasks_up());
        assert!(prefetcher.is_through() && !prefetcher.holds_tasks_up());
    }
}
