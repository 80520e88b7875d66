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
    /// Whether a page was activated when it came back, since the last call of reclaim ended (`snapshot_refaults`).
    activated: bool,
}

impl Refaults {
    /// For so many pages, none of which has gone.
    pub(super) fn new(pages: u64) -> Self {
        Self { clock: 0, shadows: Radix::new(pages), activated: false }
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
        self.activated |= is_soon;
        is_soon
    }

    /// Whether the active list is to be shrunk for pages that come back, as a new working set is being established
    /// (`prepare_scan_count`).
    pub(super) fn shrinks_active(&self) -> bool {
        self.activated
    }

    /// A call of reclaim is over.
    pub(super) fn call_ends(&mut self) {
        self.activated = false;
    }

    /// The part of anonymous pages that a pass scans where there are no others, as a fraction, with a swappiness of 60
    /// (`get_scan_count`): 60 of 60 and 140. What was written and came back makes them dear, and with no cost of others
    /// that is 90 of 90 and 420.
    pub(super) fn scanned_share(&self) -> (u64, u64) {
        match self.clock {
            0 => (60, 200),
            _ => (90, 510),
        }
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
        assert!(!refaults.shrinks_active());
        assert!(refaults.refaults(7, 3));
        assert!(refaults.shrinks_active());
        refaults.call_ends();
        assert!(!refaults.refaults(7, 3), "it is back");
        assert!(!refaults.shrinks_active());
        // Activations move the clock as well: that of page 7, and two further ones.
        refaults.activated();
        refaults.activated();
        assert!(!refaults.clone().refaults(10, 2));
        assert!(refaults.refaults(10, 3));
    }
}
