//! Work items: one outstanding asynchronous fault each (`struct kvm_async_pf`).
//!
//! An item is used from two sides. The vCPU thread links, announces, pops and frees it; a worker
//! fetches its page and publishes it, and goes on for a while after that without touching the item
//! again. A number therefore stands for both and is used anew only when both are through.

use crate::apf::host::MmuMode;
use crate::base::ids::{Gfn, Gva, Hva, ItemId, Token, VcpuId, WorkerId};

/// The fault that an item stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    /// The frame.
    pub gfn: Gfn,
    /// The fault address: a gpa under direct paging.
    pub gva: Gva,
    /// Where the page is in the address space of the VMM.
    pub hva: Hva,
    /// The mode of the MMU at the fault.
    pub mmu: MmuMode,
}

/// The vCPU's side of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    /// Whose fault it is.
    pub vcpu: VcpuId,
    /// Names it to the guest.
    pub token: Token,
    /// The fault; none for a wake-all.
    pub fault: Option<Fault>,
    /// Whether not present was queued for injection.
    pub told: bool,
    /// Whether the fetch failed and left the page pointer uninitialised.
    pub garbage: bool,
    /// How far the VMM is with it; none where the kernel brings the page.
    pub user: Option<UserStage>,
}

/// How far an item is that the VMM answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UserStage {
    /// The VMM may not know of it.
    Pending,
    /// It has said that it will answer, or the fault is in the ring.
    Accepted,
    /// It is in the list of completed items.
    Completed,
}

/// Stands for the VMM where a worker is named: it has no work that anybody waits for.
pub const VMM: WorkerId = WorkerId(u32::MAX);

impl Item {
    /// The frame; none for a wake-all.
    pub fn gfn(&self) -> Option<Gfn> {
        self.fault.map(|fault| fault.gfn)
    }
}

/// How far the worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkStage {
    /// In the pool's queue.
    Queued,
    /// The worker sleeps for the page.
    Fetching,
    /// The page is there; the vCPU does not know.
    Fetched,
    /// The item is in the list of completed items, and may be freed from now on.
    Published,
    /// The vCPU is asked to look for it; whether it needs a kick is not decided yet.
    Requested,
    /// The worker has hit its tracepoint; the vCPU is not woken yet.
    Traced,
    /// The worker is about to give its reference to the VM back, and to end.
    Ending,
}

/// The worker's side of an item: what it keeps on its stack, and how far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Work {
    /// Whose item it is.
    pub vcpu: VcpuId,
    /// The fault address.
    pub gva: Gva,
    /// Where the page is in the address space of the VMM.
    pub hva: Hva,
    /// Who works on it, once somebody does.
    pub worker: Option<WorkerId>,
    /// How far it is.
    pub stage: WorkStage,
    /// Whether the page could not be had.
    pub failed: bool,
    /// Whether no other item was completed when it was published.
    pub first: bool,
    /// What it saw of the vCPU, if it looked too early: that a page ready was not acknowledged.
    pub saw_unacknowledged: bool,
}

impl Work {
    /// Work that nobody has begun.
    pub(super) const fn queued(vcpu: VcpuId, gva: Gva, hva: Hva) -> Self {
        Self {
            vcpu,
            gva,
            hva,
            worker: None,
            stage: WorkStage::Queued,
            failed: false,
            first: false,
            saw_unacknowledged: false,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Slot {
    item: Option<Item>,
    work: Option<Work>,
}

/// All items of a VM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Items {
    slots: Vec<Slot>,
    used: Numbers,
}

/// A set of numbers of which the least that is missing is found quickly. The first 64 take no memory of their own,
/// and equal sets are equal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Numbers {
    first: u64,
    more: Vec<u64>,
}

impl Numbers {
    fn word(&mut self, at: usize) -> &mut u64 {
        match at.checked_sub(64) {
            None => &mut self.first,
            Some(beyond) => {
                if self.more.len() <= beyond / 64 {
                    self.more.resize(beyond / 64 + 1, 0);
                }
                &mut self.more[beyond / 64]
            }
        }
    }

    fn insert(&mut self, at: usize) {
        *self.word(at) |= 1 << (at % 64);
    }

    fn remove(&mut self, at: usize) {
        *self.word(at) &= !(1 << (at % 64));
        while self.more.last() == Some(&0) {
            self.more.pop();
        }
    }

    fn least_missing(&self) -> usize {
        let words = std::iter::once(&self.first).chain(&self.more);
        let gap = words.enumerate().find(|(_, word)| **word != u64::MAX);
        let end = 64 * (1 + self.more.len());
        gap.map_or(end, |(at, word)| 64 * at + word.trailing_ones() as usize)
    }
}

impl Items {
    /// A new item under the lowest free number.
    pub fn allocate(&mut self, item: Item) -> ItemId {
        let index = self.used.least_missing();
        if index == self.slots.len() {
            self.slots.push(Slot::default());
        }
        self.slots[index].item = Some(item);
        self.used.insert(index);
        ItemId(index as u32)
    }

    /// The vCPU's side of an item, unless it is freed.
    pub fn get(&self, id: ItemId) -> Option<&Item> {
        self.slots.get(id.index())?.item.as_ref()
    }

    /// The worker's side of an item, from queueing until the worker is done.
    pub fn work(&self, id: ItemId) -> Option<&Work> {
        self.slots.get(id.index())?.work.as_ref()
    }

    /// Items that are not freed, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (ItemId, &Item)> {
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(index, slot)| Some((ItemId(index as u32), slot.item.as_ref()?)))
    }

    /// The worker's sides that exist, in the order of their numbers.
    pub fn works(&self) -> impl Iterator<Item = (ItemId, &Work)> {
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(index, slot)| Some((ItemId(index as u32), slot.work.as_ref()?)))
    }

    /// Whether a vCPU has an item for this frame.
    pub fn has_frame(&self, vcpu: VcpuId, gfn: Gfn) -> bool {
        self.iter().any(|(_, item)| item.vcpu == vcpu && item.gfn() == Some(gfn))
    }

    /// The item of that number.
    ///
    /// # Panics
    ///
    /// When it is freed.
    pub fn item(&self, id: ItemId) -> &Item {
        self.get(id).expect("the item is not freed")
    }

    pub(super) fn item_mut(&mut self, id: ItemId) -> &mut Item {
        self.slots[id.index()].item.as_mut().expect("the item is not freed")
    }

    pub(super) fn work_mut(&mut self, id: ItemId) -> &mut Work {
        self.slots[id.index()].work.as_mut().expect("the item has work under way")
    }

    pub(super) fn set_work(&mut self, id: ItemId, work: Work) {
        self.slots[id.index()].work = Some(work);
        self.used.insert(id.index());
    }

    pub(super) fn free(&mut self, id: ItemId) -> Item {
        let item = self.slots[id.index()].item.take().expect("the item is freed once");
        self.note_end(id);
        item
    }

    pub(super) fn end_work(&mut self, id: ItemId) {
        self.slots[id.index()].work = None;
        self.note_end(id);
    }

    /// Keeps equal states equal: what was in use before leaves no mark.
    fn note_end(&mut self, id: ItemId) {
        let slot = &self.slots[id.index()];
        if slot.item.is_some() || slot.work.is_some() {
            return;
        }
        self.used.remove(id.index());
        while self.slots.last().is_some_and(|slot| slot.item.is_none() && slot.work.is_none()) {
            self.slots.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEM: Item = Item {
        vcpu: VcpuId(0),
        token: Token(1),
        fault: None,
        told: false,
        garbage: false,
        user: None,
    };
    const WORK: Work = Work::queued(VcpuId(0), Gva(0), Hva(0));

    #[test]
    fn a_number_is_used_again_when_both_sides_are_through() {
        let mut items = Items::default();
        let first = items.allocate(ITEM);
        items.set_work(first, WORK);
        items.free(first);
        assert_eq!(items.allocate(ITEM), ItemId(1));
        items.end_work(first);
        assert_eq!(items.allocate(ITEM), first);
    }

    #[test]
    fn the_lowest_free_number_is_used_however_many_there_are() {
        let mut items = Items::default();
        for number in 0..200 {
            assert_eq!(items.allocate(ITEM), ItemId(number));
        }
        for number in [150, 63, 64, 199, 0] {
            items.free(ItemId(number));
        }
        let next: Vec<u32> = (0..6).map(|_| items.allocate(ITEM).0).collect();
        assert_eq!(next, [0, 63, 64, 150, 199, 200]);
        for number in 0..201 {
            items.free(ItemId(number));
        }
        assert_eq!(items, Items::default());
    }

    #[test]
    fn used_and_unused_tables_are_equal() {
        let mut items = Items::default();
        let first = items.allocate(ITEM);
        let second = items.allocate(ITEM);
        items.free(first);
        items.free(second);
        assert_eq!(items, Items::default());
    }
}
