//! A call of direct reclaim, as kernels keep it in `struct scan_control`: its goal and its priority.

use super::pass::{Enough, Scan};
use super::{MAX_RECLAIM_RETRIES, SWAP_CLUSTER_MAX};

/// The priority of the first pass of a call (`DEF_PRIORITY`).
pub(super) const DEF_PRIORITY: u32 = 12;
/// As often a charge calls again; once more, as it drains the stocks of all processors after the first call in vain
/// and tries again without counting (`try_charge_memcg`).
const RETRIES: u32 = MAX_RECLAIM_RETRIES + 1;

/// A call of direct reclaim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReclaimCall {
    left: u64,
    priority: u32,
    reclaimed: u64,
    retries: u32,
}

impl Default for ReclaimCall {
    fn default() -> Self {
        Self { left: SWAP_CLUSTER_MAX, priority: DEF_PRIORITY, reclaimed: 0, retries: RETRIES }
    }
}

impl ReclaimCall {
    /// How much its next pass takes on, and when it has enough.
    pub(crate) const fn scan(self, enough: Enough) -> Scan {
        Scan::Priority(self.priority, enough)
    }

    /// Pages that it has freed so far.
    pub(crate) const fn reclaimed(self) -> u64 {
        self.reclaimed
    }

    /// The call that follows on this one, which has freed nothing, if any does (`try_charge_memcg`).
    pub(crate) fn retry(self) -> Option<Self> {
        let retries = self.retries.checked_sub(1)?;
        Some(Self { retries, ..Self::default() })
    }

    /// A pass has freed so many pages. Whether there is another one: not when the goal is reached, nor after a pass
    /// over all pages.
    pub(crate) fn pass_done(&mut self, reclaimed: u64) -> bool {
        self.left = self.left.saturating_sub(reclaimed);
        self.reclaimed += reclaimed;
        let goes_on = self.left > 0 && self.priority > 0;
        self.priority = self.priority.saturating_sub(1);
        goes_on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_ends_with_its_goal_or_after_a_pass_over_everything() {
        let mut call = ReclaimCall::default();
        assert!(call.pass_done(0) && call.pass_done(31));
        assert_eq!(call.scan(Enough::Never), Scan::Priority(10, Enough::Never));
        assert!(!call.pass_done(1));
        assert_eq!(call.reclaimed(), 32);

        let mut call = ReclaimCall::default();
        let passes = 1 + std::iter::repeat_with(|| call.pass_done(1)).take_while(|on| *on).count();
        assert_eq!(passes as u32, DEF_PRIORITY + 1);

        let calls = std::iter::successors(Some(call), |call| call.retry());
        assert_eq!(calls.count() as u32, RETRIES + 1);
    }
}
