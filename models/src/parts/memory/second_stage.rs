//! The entries of the second stage, apart from the rest that is known of pages: walks read them, and few
//! cache lines have many.

use super::page::Entry;

/// Entries on one leaf: those of a table.
pub(super) const TABLE: usize = 512;

/// What the second stage has of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecondStage {
    /// What it lets the guest do.
    pub entry: Entry,
    /// The accessed bit is set, or the entry is new.
    pub young: bool,
}

impl SecondStage {
    /// Whether the guest may read the page, or write it.
    #[inline]
    pub fn allows(self, write: bool) -> bool {
        self.entry >= if write { Entry::Writable } else { Entry::ReadOnly }
    }
}
