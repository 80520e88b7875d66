//! The active and the inactive list: how much of them a pass of reclaim scans.

use super::HostMemory;

impl HostMemory {
    /// Whether the active list is to be shrunk (`inactive_is_low`, mm/vmscan.c of 5.10.262; `inactive_anon_is_low` of
    /// 2.6.3x has the same ratio): the more pages, the shorter the inactive list may be.
    pub(in crate::parts::memory) fn inactive_is_low(&self) -> bool {
        const GIB_SHIFT: u32 = 30 - 12;
        let gib = (self.active.len + self.inactive.len) >> GIB_SHIFT;
        let ratio = (10 * gib).isqrt().max(1);
        self.inactive.len * ratio < self.active.len
    }

    /// Whether a pass of a call shrinks the active list beside the other (`may_deactivate`).
    pub(in crate::parts::memory) fn shrinks_active(&self) -> bool {
        let refaults = self.refaults.as_ref();
        self.inactive_is_low() || refaults.is_some_and(|refaults| refaults.shrinks_active())
    }

    /// What a pass of a call scans of a list, where its priority stands for so many pages; the last one leaves nothing
    /// out (`SCAN_EQUAL`).
    pub(in crate::parts::memory) fn to_scan(&self, pages: u64, priority: u32) -> u64 {
        match &self.refaults {
            Some(refaults) if priority > 0 => {
                let (part, whole) = refaults.scanned_share();
                (pages >> priority) * part / whole
            }
            _ => pages >> priority,
        }
    }

    /// A call of reclaim is over.
    pub fn call_ends(&mut self) {
        if let Some(refaults) = &mut self.refaults {
            refaults.call_ends();
        }
    }
}
