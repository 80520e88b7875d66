//! What a world knows of pages that a VMM write-protects, and of workers that wait for it.

use super::setup::MAX_PAGES;
use crate::base::ids::ItemId;

/// How far a worker is that wants to write to a protected page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Wait {
    /// It has not found the page protected.
    #[default]
    No,
    /// It has, before its message can be seen.
    Seen,
    /// Its message is linked.
    Linked,
    /// It sleeps.
    Asleep,
}

/// By page, how far a vCPU's workers are.
pub(super) type Waits = [Wait; MAX_PAGES as usize];

/// What the VMM, or a worker that waits for it, does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum ProtectMove {
    /// The VMM's thread takes a page.
    Take(u8),
    /// It does the next thing with it.
    Act,
    /// A worker finds its page protected.
    Find(ItemId),
    /// Its message is linked.
    Link(ItemId),
    /// It looks at the entry once more, and sleeps if it must.
    Sleep(ItemId),
}

/// What is protected, a bit a page each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Protection {
    /// Pages that the guest has had, as long as that matters.
    pub(super) had: u8,
    /// Pages whose entry is marked, be it in swap.
    pub(super) marked: u8,
    /// Pages of the snapshot, and those of them that it has.
    pub(super) wanted: u8,
    pub(super) saved: u8,
    /// The page that the VMM's thread has taken, and how much it has done with it.
    pub(super) at: Option<(u8, u8)>,
}

impl Protection {
    /// Whether a snapshot may begin.
    pub(super) fn is_over(&self) -> bool {
        self.marked == 0 && self.at.is_none()
    }
}
