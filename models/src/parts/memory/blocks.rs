//! Which aligned 2 MiB of a guest's memory are huge pages of the host.

use crate::base::ids::{Gfn, GuestPage};
use crate::base::page_size::PageSize;
use crate::base::radix::Radix;

/// Small pages of a huge one.
pub(crate) const HUGE_PAGES: u64 = 1 << PageSize::Large.order();

/// Which blocks of 2 MiB are huge pages, by virtual machine.
#[derive(Clone, Debug)]
pub(super) struct Blocks {
    huge: Vec<Radix<bool>>,
    /// Whether there ever was one.
    any: bool,
}

impl Blocks {
    pub(super) fn new(pages: &[u64]) -> Self {
        let blocks = |&pages: &u64| Radix::new(pages / HUGE_PAGES + 1);
        Self { huge: pages.iter().map(blocks).collect(), any: false }
    }

    pub(super) fn freeze(&mut self) {
        self.huge.iter_mut().for_each(Radix::freeze);
    }

    #[inline]
    pub(super) fn is_huge(&self, page: GuestPage) -> bool {
        self.any && *self.huge[page.vm().index()].get(page.gfn().0 / HUGE_PAGES)
    }

    pub(super) fn set(&mut self, page: GuestPage, huge: bool) {
        self.any |= huge;
        *self.huge[page.vm().index()].get_mut(page.gfn().0 / HUGE_PAGES) = huge;
    }
}

/// The first page of the block around a page.
pub(super) fn first_of(page: GuestPage) -> GuestPage {
    GuestPage::new(page.vm(), Gfn(page.gfn().0 / HUGE_PAGES * HUGE_PAGES))
}

/// The pages of a block, from the first one.
pub(super) fn pages_of(first: GuestPage) -> impl Iterator<Item = GuestPage> {
    (0..HUGE_PAGES).map(move |n| GuestPage::new(first.vm(), Gfn(first.gfn().0 + n)))
}
