//! A binary heap of packed keys with lazy removal.
//!
//! The heap holds keys and slot numbers only; events rest in the slab. Cancelling or moving an
//! event leaves its old heap entry behind, which is dropped when it comes up, or all at once
//! when such entries outnumber the live ones.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::slab::Slab;
use super::{EventHandle, EventQueue};
use crate::key::EventKey;

/// Below this many stale entries a sweep is not worth its pass over the heap.
const STALE_MIN: usize = 64;

/// An [`EventQueue`] on [`BinaryHeap`].
///
/// `schedule`, `reschedule` and `pop` take O(log n), `cancel` O(1), all amortised over sweeps.
#[derive(Clone, Debug)]
pub struct StdHeapQueue<E> {
    slab: Slab<Pending<E>>,
    heap: BinaryHeap<Entry>,
    /// Tells a moved event's entries apart. It may wrap: see [`StdHeapQueue::is_live`].
    next_stamp: u32,
}

#[derive(Clone, Debug)]
struct Pending<E> {
    key: EventKey,
    stamp: u32,
    event: E,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: EventKey,
    slot: u32,
    stamp: u32,
}

// The standard heap pops its greatest element, so the earliest key counts as the greatest.
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key.cmp(&self.key)
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Entry {}

impl<E> Default for StdHeapQueue<E> {
    fn default() -> Self {
        Self { slab: Slab::default(), heap: BinaryHeap::new(), next_stamp: 0 }
    }
}

impl<E> StdHeapQueue<E> {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    fn take_stamp(&mut self) -> u32 {
        let stamp = self.next_stamp;
        self.next_stamp = stamp.wrapping_add(1);
        stamp
    }

    /// Whether `entry` is where its event is pending now.
    ///
    /// Equal keys would do for a right order, since keys are unique. The stamp only tells an
    /// event that was moved away and back from its old entry, so that the latter is swept; a
    /// wrapped stamp could at worst keep one stale entry for longer.
    fn is_live(slab: &Slab<Pending<E>>, entry: &Entry) -> bool {
        slab.get_slot(entry.slot).is_some_and(|p| p.key == entry.key && p.stamp == entry.stamp)
    }

    /// Drops stale entries until the top is live.
    fn settle(&mut self) {
        while let Some(top) = self.heap.peek() {
            if Self::is_live(&self.slab, top) {
                break;
            }
            self.heap.pop();
        }
    }

    /// Keeps stale entries below the number of live ones, give or take [`STALE_MIN`].
    fn sweep_if_due(&mut self) {
        if self.heap.len() > 2 * self.slab.len() + STALE_MIN {
            let slab = &self.slab;
            self.heap.retain(|entry| Self::is_live(slab, entry));
        }
    }
}

impl<E> EventQueue<E> for StdHeapQueue<E> {
    fn schedule(&mut self, key: EventKey, event: E) -> EventHandle {
        let stamp = self.take_stamp();
        let handle = self.slab.insert(Pending { key, stamp, event });
        self.heap.push(Entry { key, slot: handle.slot, stamp });
        handle
    }

    fn cancel(&mut self, handle: EventHandle) -> Option<E> {
        let pending = self.slab.remove(handle)?;
        self.sweep_if_due();
        Some(pending.event)
    }

    fn reschedule(&mut self, handle: EventHandle, key: EventKey) -> bool {
        let stamp = self.next_stamp;
        let Some(pending) = self.slab.get_mut(handle) else { return false };
        if pending.key == key {
            return true;
        }
        (pending.key, pending.stamp) = (key, stamp);
        self.take_stamp();
        self.heap.push(Entry { key, slot: handle.slot, stamp });
        self.sweep_if_due();
        true
    }

    fn key_of(&self, handle: EventHandle) -> Option<EventKey> {
        self.slab.get(handle).map(|pending| pending.key)
    }

    fn peek(&mut self) -> Option<EventKey> {
        self.settle();
        self.heap.peek().map(|entry| entry.key)
    }

    fn pop(&mut self) -> Option<(EventKey, E)> {
        self.settle();
        let entry = self.heap.pop()?;
        let pending = self.slab.remove_slot(entry.slot)?;
        debug_assert_ne!(self.peek(), Some(entry.key), "two pending events share a key");
        Some((entry.key, pending.event))
    }

    fn len(&self) -> usize {
        self.slab.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SimTime;

    #[test]
    fn stale_entries_stay_bounded() {
        let mut queue = StdHeapQueue::new();
        let key = |ps| EventKey::at(SimTime::from_ps(ps));
        let handle = queue.schedule(key(1), ());
        for _ in 0..10_000 {
            assert!(queue.reschedule(handle, key(2)));
            assert!(queue.reschedule(handle, key(1)));
            assert!(queue.heap.len() <= STALE_MIN + 2);
        }
        for ps in 10..10_000 {
            let extra = queue.schedule(key(ps), ());
            queue.cancel(extra);
            assert!(queue.heap.len() <= STALE_MIN + 2);
        }
        assert_eq!(queue.pop(), Some((key(1), ())));
        assert_eq!(queue.pop(), None);
    }
}
