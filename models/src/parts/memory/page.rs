//! What is known of one guest page.

use crate::base::ids::{Pfn, RequestId, StoreId, SwapSlot};

/// What backs a guest page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backing {
    /// Nothing yet: never touched.
    #[default]
    Untouched,
    /// A frame that holds the page. It may lie in the swap cache only (read ahead), or be
    /// mapped by the VMM.
    Resident,
    /// A locked frame into which the page is being read.
    Reading,
    /// Unmapped, being written out; the frame is freed when the write completes.
    Writeback,
    /// Only its swap slot.
    Swapped,
    /// Only the store.
    Stored,
    /// A marker in the VMM's page table: who touches the page gets SIGBUS (`PTE_MARKER_POISONED`).
    Poisoned,
}

/// Which list a resident page is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LruList {
    /// On no list: locked, under write-back, or not resident.
    #[default]
    None,
    /// Recently used.
    Active,
    /// Candidates for reclaim.
    Inactive,
    /// A generation, by the last two bits of its number.
    Generation(u8),
}

/// What a page table has of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entry {
    /// Nothing.
    #[default]
    None,
    /// An entry that does not allow writing.
    ReadOnly,
    /// An entry that allows writing.
    Writable,
}

/// A write to a page's slot that is under way although the page is mapped again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flight {
    /// There is none.
    #[default]
    None,
    /// The page keeps the slot.
    KeepsSlot,
    /// The page gives the slot up when the write is over.
    GivesSlotUp,
}

/// No slot, no frame.
pub(super) const NIL: u32 = u32::MAX;
/// No page.
pub(super) const NOBODY: u64 = u64::MAX;

/// State of one guest page.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// What backs it.
    pub backing: Backing,
    /// Which LRU list it is on.
    pub list: LruList,
    /// The entry of the VMM's own page table; none of a page that is in the swap cache only.
    pub vmm: Entry,
    /// The VMM's own page table has an accessed entry: the host's kernel brought the page in.
    pub young_in_vmm: bool,
    /// Read ahead, and not wanted since.
    pub read_ahead: bool,
    /// The frame differs from the slot's contents, or there is no slot.
    pub dirty: bool,
    /// Whether a write to the slot is under way although the page is mapped again.
    pub flight: Flight,
    /// The VMM's entry, or the swap area's, is marked as write-protected by userfaultfd.
    pub protected: bool,
    /// It is in guest_memfd: unevictable, so that it is on no list and never swapped.
    pub in_guest_memfd: bool,
    /// References by work items that keep the page from reclaim.
    pub pins: u16,
    /// How often the page has been the target of device I/O; keys its random draws.
    pub io_count: u32,
    /// The read that locked the frame.
    pub locked_by: Option<RequestId>,
    /// The store that has its contents as they were when the guest started.
    pub store: Option<StoreId>,
    pub(super) slot: u32,
    pub(super) pfn: u32,
    /// The neighbours on its list.
    pub(super) previous: u64,
    pub(super) next: u64,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            backing: Backing::Untouched,
            list: LruList::None,
            vmm: Entry::None,
            young_in_vmm: false,
            read_ahead: false,
            dirty: false,
            flight: Flight::None,
            protected: false,
            in_guest_memfd: false,
            pins: 0,
            io_count: 0,
            locked_by: None,
            store: None,
            slot: NIL,
            pfn: NIL,
            previous: NOBODY,
            next: NOBODY,
        }
    }
}

impl Page {
    /// The swap slot that belongs to the page.
    pub fn slot(&self) -> Option<SwapSlot> {
        (self.slot != NIL).then_some(SwapSlot(self.slot))
    }

    /// Whether its store has the same contents: it was not written since it was read from there.
    pub fn is_as_stored(&self) -> bool {
        self.store.is_some() && !self.dirty && self.slot == NIL
    }

    /// The VMM's mapping is gone, and with it what was known of the page's use.
    pub fn forget(&mut self, backing: Backing) {
        self.backing = backing;
        self.dirty = false;
        self.vmm = Entry::None;
        self.young_in_vmm = false;
        self.read_ahead = false;
    }

    /// The frame that holds the page.
    pub fn pfn(&self) -> Option<Pfn> {
        (self.pfn != NIL).then_some(Pfn(u64::from(self.pfn)))
    }
}
