//! The page of two rings that a vCPU and the VMM share, and the stores of a processor that others
//! do not see yet.
//!
//! The kernel writes of faults into one ring, the VMM writes its answers into the other. Counters run
//! freely and are cut to a place in the ring only to find an entry; the kernel's have 32 bits, these
//! have eight, which is enough to tell a full ring from an empty one.

use crate::apf::rules::Stores;
use crate::base::ids::Gfn;

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The frame.
    pub gfn: Gfn,
    /// Whether it is well-formed: an aligned address, and no unknown flags.
    pub valid: bool,
}

/// One ring, as it is in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ring {
    /// Entries written, by the producer's word.
    pub head: u8,
    /// Entries read, by the consumer's word.
    pub tail: u8,
    /// By place, what was written and not read.
    pub entries: Vec<Option<Entry>>,
}

impl Ring {
    fn new(size: u32) -> Self {
        Self { head: 0, tail: 0, entries: vec![None; size as usize] }
    }

    /// Entries that it can hold.
    pub fn size(&self) -> u8 {
        // At most 128.
        self.entries.len() as u8
    }

    /// The place of the entry with that number.
    fn place(&self, number: u8) -> usize {
        usize::from(number) & self.entries.len().wrapping_sub(1)
    }

    /// The entry with that number, if it is written.
    pub fn entry(&self, number: u8) -> Option<Entry> {
        self.entries[self.place(number)]
    }

    /// Reads the entry with that number and forgets it.
    pub(super) fn take(&mut self, number: u8) -> Option<Entry> {
        let place = self.place(number);
        self.entries[place].take()
    }

    /// Writes an entry, and gives what it overwrites.
    pub(super) fn put(&mut self, number: u8, entry: Entry) -> Option<Entry> {
        let place = self.place(number);
        self.entries[place].replace(entry)
    }

    /// Entries between tail and head, by these two.
    pub fn len(&self) -> u8 {
        self.head.wrapping_sub(self.tail)
    }

    /// Whether head and tail say that there are none.
    pub fn is_empty(&self) -> bool {
        self.head == self.tail
    }
}

/// The shared page of a vCPU.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RingPage {
    /// Faults: the kernel produces, the VMM consumes.
    pub notify: Ring,
    /// Answers: the VMM produces, the kernel consumes.
    pub complete: Ring,
    /// Whether the VMM wants a signal at the next fault.
    pub armed: bool,
}

impl RingPage {
    /// A page with rings of this size, empty.
    pub(super) fn new(size: u32) -> Self {
        Self { notify: Ring::new(size), complete: Ring::new(size), armed: false }
    }
}

/// A store to the shared page or to the bitmap of frames that the VMM answers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Store {
    /// An entry of the ring of faults.
    NotifyEntry(u8, Entry),
    /// The head of the ring of faults.
    NotifyHead(u8),
    /// The tail of the ring of faults.
    NotifyTail(u8),
    /// An entry of the ring of answers.
    CompleteEntry(u8, Entry),
    /// The head of the ring of answers.
    CompleteHead(u8),
    /// The flag with which the VMM asks for a signal.
    Armed(bool),
    /// A frame's bit is cleared: from now on it is an ordinary one.
    ClearBit(Gfn),
}

impl Store {
    /// Whether it comes after all stores before it (`smp_store_release`).
    fn is_release(self) -> bool {
        match self {
            Self::NotifyHead(_)
            | Self::NotifyTail(_)
            | Self::CompleteHead(_)
            | Self::ClearBit(_) => true,
            Self::NotifyEntry(..) | Self::CompleteEntry(..) | Self::Armed(_) => false,
        }
    }

    /// Whether both go to one place, so that they stay in their order.
    fn same_place(self, other: Self) -> bool {
        match (self, other) {
            (Self::NotifyEntry(one, _), Self::NotifyEntry(two, _))
            | (Self::CompleteEntry(one, _), Self::CompleteEntry(two, _)) => one == two,
            (Self::ClearBit(one), Self::ClearBit(two)) => one == two,
            _ => std::mem::discriminant(&self) == std::mem::discriminant(&other),
        }
    }
}

/// The stores that a processor has made and others do not see yet, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct StoreBuffer(Vec<Store>);

impl StoreBuffer {
    /// Whether all stores are visible.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The stores that are not visible.
    pub fn iter(&self) -> impl Iterator<Item = Store> + '_ {
        self.0.iter().copied()
    }

    pub(super) fn push(&mut self, store: Store) {
        self.0.push(store);
    }

    pub(super) fn take(&mut self, index: usize) -> Store {
        self.0.remove(index)
    }

    /// Whether the store of this place in the buffer may become visible next. `plain` says that no
    /// store is a release.
    pub(super) fn may_leave(&self, index: usize, order: Stores, plain: bool) -> bool {
        let store = self.0[index];
        match order {
            Stores::InOrder => index == 0,
            Stores::AnyOrder if store.is_release() && !plain => index == 0,
            Stores::AnyOrder => !self.0[..index].iter().any(|&older| older.same_place(store)),
        }
    }

    /// What the processor itself reads of the head of the ring of answers, if it wrote it.
    pub(super) fn complete_head(&self) -> Option<u8> {
        self.0.iter().rev().find_map(|store| match *store {
            Store::CompleteHead(head) => Some(head),
            _ => None,
        })
    }

    /// What the processor itself reads of the head of the ring of faults, if it wrote it.
    pub(super) fn notify_head(&self) -> Option<u8> {
        self.0.iter().rev().find_map(|store| match *store {
            Store::NotifyHead(head) => Some(head),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: Entry = Entry { gfn: Gfn(1), valid: true };

    #[test]
    fn numbers_run_on_where_places_come_again() {
        let mut ring = Ring::new(2);
        for number in [254, 255, 0, 1] {
            assert_eq!(ring.put(number, ENTRY), None);
            (ring.head, ring.tail) = (number.wrapping_add(1), number);
            assert_eq!((ring.len(), ring.entry(number)), (1, Some(ENTRY)));
            assert_eq!(ring.take(number), Some(ENTRY));
        }
    }

    #[test]
    fn stores_of_x86_become_visible_in_their_order() {
        let mut buffer = StoreBuffer::default();
        buffer.push(Store::NotifyEntry(0, ENTRY));
        buffer.push(Store::NotifyHead(1));
        assert!(buffer.may_leave(0, Stores::InOrder, true));
        assert!(!buffer.may_leave(1, Stores::InOrder, true));
    }

    #[test]
    fn elsewhere_a_release_comes_after_what_is_before_it() {
        let mut buffer = StoreBuffer::default();
        buffer.push(Store::NotifyEntry(0, ENTRY));
        buffer.push(Store::NotifyHead(1));
        buffer.push(Store::Armed(true));
        buffer.push(Store::Armed(false));
        let may = |index, plain| buffer.may_leave(index, Stores::AnyOrder, plain);
        assert!(!may(1, false) && may(1, true) && may(2, false) && !may(3, false));
    }
}
