//! One pass of reclaim, whatever order it takes pages in: what it did, how it asks whether a page
//! was used, and how a page goes.
//!
//! What becomes of the frame of a written page is the host kernel's setting
//! ([`crate::config::WrittenPages`]).

use super::SWAP_CLUSTER_MAX;
use super::blocks::{HUGE_PAGES, pages_of};
use crate::base::ids::{GuestPage, SwapSlot, VmId};
use crate::parts::memory::pages::{Arrival, Backing, Entry, HostMemory, SecondStage};
use crate::parts::memory::swap::SwapArea;

/// What one pass of reclaim did. The buffers are reused from pass to pass.
#[derive(Clone, Debug, Default)]
pub struct ReclaimPass {
    /// Pages looked at.
    pub scanned: u32,
    /// Pages whose accessed bit in the second stage was read.
    pub aged: u32,
    /// Pages about which page tables were asked by a walk or a look around, second stage included.
    pub asked: u32,
    /// Clean pages freed at once.
    pub freed: u32,
    /// Pages that went, freed or written, and were in use: a page that was written is freed by a later pass,
    /// or was read ahead for nobody, and does not count.
    pub taken: u32,
    /// Whose pages these were.
    pub taken_of: Vec<VmId>,
    /// Pages whose second-stage entry was removed; their vCPUs must flush.
    pub unmapped: Vec<GuestPage>,
    /// Entries that they had: one for all pages of a huge one.
    pub zapped: u32,
    /// Huge pages that are no more, by their first page.
    pub huge: Vec<GuestPage>,
    /// Pages to be written, each with the slot it got, in the order of allocation.
    pub written: Vec<(GuestPage, SwapSlot)>,
}

impl ReclaimPass {
    pub(super) fn clear(&mut self) {
        self.scanned = 0;
        self.aged = 0;
        self.asked = 0;
        self.freed = 0;
        self.taken = 0;
        self.taken_of.clear();
        self.unmapped.clear();
        self.zapped = 0;
        self.huge.clear();
        self.written.clear();
    }
}

/// How much a pass of reclaim takes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// So many pages, and further ones until something goes.
    Batch(u32),
    /// The part of the lists that a priority stands for: their length, halved so many times
    /// (`size >> sc->priority`), unless there is enough before.
    Priority(u32, Enough),
}

/// When a pass of generations ends before its part (`should_abort_scan`; 6.12.117).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enough {
    /// Never: it reclaims in a container, and all containers are to be treated alike.
    Never,
    /// When it has freed as many pages as a call is to free.
    Freed,
    /// The same where a page that is written is free within the pass; of compressed swap those that the pool refuses
    /// are not, and count all the same.
    Taken,
}

impl Enough {
    pub(super) fn has(self, pass: &ReclaimPass) -> bool {
        let reclaimed = match self {
            Self::Never => return false,
            Self::Freed => u64::from(pass.freed),
            Self::Taken => u64::from(pass.freed) + pass.written.len() as u64,
        };
        reclaimed >= SWAP_CLUSTER_MAX
    }
}

/// How reclaim tells a used page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum YoungTest {
    /// Reads and clears the accessed bit.
    AccessedBit,
    /// Takes a mapped page for used, and unmaps it.
    Unmap,
}

/// Removes the second-stage entry, if there is one.
pub(super) fn unmap(memory: &mut HostMemory, guest_page: GuestPage, pass: &mut ReclaimPass) {
    if memory.is_huge(guest_page) {
        unmap_huge(memory, guest_page, pass);
    } else if memory.second_stage(guest_page).entry != Entry::None {
        *memory.second_stage_mut(guest_page) = SecondStage::default();
        pass.unmapped.push(guest_page);
        pass.zapped += 1;
    }
}

/// Whether the second stage maps a page, or anything of a huge one.
fn is_mapped(memory: &HostMemory, guest_page: GuestPage) -> bool {
    match memory.is_huge(guest_page) {
        true => pages_of(guest_page).any(|page| memory.second_stage(page).entry != Entry::None),
        false => memory.second_stage(guest_page).entry != Entry::None,
    }
}

/// Whether the page was used since the last question (`page_referenced`).
pub(super) fn test_and_clear_young(
    memory: &mut HostMemory,
    guest_page: GuestPage,
    test: YoungTest,
    pass: &mut ReclaimPass,
) -> bool {
    match test {
        YoungTest::AccessedBit => {
            let has = memory.second_stage(guest_page);
            pass.aged += u32::from(is_mapped(memory, guest_page));
            has.young && std::mem::take(&mut memory.second_stage_mut(guest_page).young)
        }
        YoungTest::Unmap => {
            let mapped = is_mapped(memory, guest_page);
            unmap(memory, guest_page, pass);
            mapped
        }
    }
}

/// Takes a page that is on no list away: frees it when the swap area or its store has its contents, begins
/// to write it otherwise. False when the swap area is full (`add_to_swap` fails, the page is
/// activated).
pub(super) fn evict(
    memory: &mut HostMemory,
    swap: &mut SwapArea,
    guest_page: GuestPage,
    pass: &mut ReclaimPass,
) -> bool {
    if memory.is_huge(guest_page) {
        return evict_huge(memory, swap, guest_page, pass);
    }
    let page = memory.page(guest_page);
    let used = u32::from(page.vmm != Entry::None);
    if used > 0 && !pass.taken_of.contains(&guest_page.vm()) {
        pass.taken_of.push(guest_page.vm());
    }
    let elsewhere = match page.slot() {
        Some(_) if !page.dirty => Some(Backing::Swapped),
        None if page.is_as_stored() => Some(Backing::Stored),
        _ => None,
    };
    if let Some(elsewhere) = elsewhere {
        unmap(memory, guest_page, pass);
        memory.page_mut(guest_page).forget(elsewhere);
        memory.uncharge(guest_page);
        memory.was_evicted(guest_page);
        pass.freed += 1;
        pass.taken += used;
        return true;
    }
    let Some(slot) = page.slot().or_else(|| swap.allocate(guest_page)) else { return false };
    unmap(memory, guest_page, pass);
    memory.set_slot(guest_page, Some(slot));
    memory.page_mut(guest_page).forget(Backing::Writeback);
    pass.written.push((guest_page, slot));
    pass.taken += used;
    true
}

/// Takes the second-stage entries of a huge page away, one or many.
fn unmap_huge(memory: &mut HostMemory, first: GuestPage, pass: &mut ReclaimPass) {
    let before = pass.unmapped.len();
    for page in pages_of(first) {
        if memory.second_stage(page).entry != Entry::None {
            pass.unmapped.push(page);
        }
        *memory.second_stage_mut(page) = SecondStage::default();
    }
    let entries = pass.unmapped.len() - before;
    pass.zapped += match entries as u64 {
        HUGE_PAGES => 1,
        _ => entries as u32,
    };
}

/// Takes a huge page that is on no list away, page by page. What finds no slot stays, as small pages; true
/// unless the first one does.
fn evict_huge(
    memory: &mut HostMemory,
    swap: &mut SwapArea,
    first: GuestPage,
    pass: &mut ReclaimPass,
) -> bool {
    unmap_huge(memory, first, pass);
    memory.blocks.set(first, false);
    pass.huge.push(first);
    let mut goes = false;
    for page in pages_of(first) {
        let gone = evict(memory, swap, page, pass);
        if page == first {
            goes = gone;
        } else if !gone {
            memory.lru_arrive(page, Arrival::Fresh);
        }
    }
    goes
}
