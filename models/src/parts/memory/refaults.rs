//! Pages that come back soon after they went (mm/workingset.c of 5.10.262 and 6.1.192).
//!
//! A clock counts pages that leave the inactive list, by going or by being activated. A page that goes leaves its time
//! behind; when it comes back, what the clock has moved since is how much longer the inactive list would have had to be
//! to keep it. Where that is no more than the active list has, which the page could have displaced, it is activated.

use crate::base::radix::Radix;

/// The clock of a container, and the times that its pages left behind.
#[derive(Clone, Debug)]
pub(super) struct Refaults {
    /// `nonresident_age`.
    clock: u64,
    /// One more than the clock when a page went; 0: it did not, or has come back.
    shadows: Radix<u64>,
}

impl Refaults {
    /// For so many pages, none of which has gone.
    pub(super) fn new(pages: u64) -> Self {
        Self { clock: 0, shadows: Radix::new(pages) }
    }

    pub(super) fn freeze(&mut self) {
        self.shadows.freeze();
    }

    /// A page goes (`workingset_eviction`).
    pub(super) fn evicted(&mut self, page: u64) {
        self.clock += 1;
        *self.shadows.get_mut(page) = self.clock + 1;
    }

    /// A page is activated (`workingset_age_nonresident`).
    pub(super) fn activated(&mut self) {
        self.clock += 1;
    }

    /// A page comes back: whether it is to be activated, where the active list has so many pages
    /// (`workingset_refault`). What it left behind is gone.
    pub(super) fn refaults(&mut self, page: u64, active: u64) -> bool {
        if *self.shadows.get(page) == 0 {
            return false;
        }
        let shadow = std::mem::take(self.shadows.get_mut(page));
        let is_soon = self.clock + 1 - shadow <= active;
        self.clock += u64::from(is_soon);
        is_soon
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_comes_back_within_the_active_list_is_activated_once() {
        let mut refaults = Refaults::new(100);
        assert!(!refaults.refaults(7, 100), "it never went");
        refaults.evicted(7);
        (8..11).for_each(|page| refaults.evicted(page));
        // Three others went since.
        assert!(!refaults.clone().refaults(7, 2));
        assert!(refaults.refaults(7, 3));
        assert!(!refaults.refaults(7, 3), "it is back");
        // Activations move the clock as well: that of page 7, and two further ones.
        refaults.activated();
        refaults.activated();
        assert!(!refaults.clone().refaults(10, 2));
        assert!(refaults.refaults(10, 3));
    }
}
