//! The reference queue: the `priority-queue` crate, a heap with an index of its items.
//!
//! It removes and re-arms in place and so has nothing of its own that could go wrong; it is the
//! queue that others are held against, and slower than they are.

use std::cmp::Reverse;
use std::hash::{BuildHasherDefault, Hasher};

use priority_queue::PriorityQueue;

use super::slab::Slab;
use super::{EventHandle, EventQueue};
use crate::key::EventKey;

/// Hashes a slot number by one multiplication (2^64 over the golden ratio, as Knuth advises).
///
/// The standard hasher is seeded at random; nothing here may differ from run to run.
#[derive(Clone, Copy, Default)]
struct SlotHasher(u64);

impl Hasher for SlotHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32(u32::from(byte));
        }
    }

    fn write_u32(&mut self, value: u32) {
        let mixed = (self.0 ^ u64::from(value)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        // The table takes its bucket from the low bits and a tag from the high ones.
        self.0 = mixed ^ (mixed >> 32);
    }
}

/// An [`EventQueue`] on [`PriorityQueue`]: plain, slow, never wrong.
#[derive(Clone, Debug)]
pub struct ReferenceQueue<E> {
    slab: Slab<Pending<E>>,
    order: PriorityQueue<SlotNumber, Reverse<EventKey>, BuildHasherDefault<SlotHasher>>,
}

#[derive(Clone, Debug)]
struct Pending<E> {
    key: EventKey,
    event: E,
}

/// A slot number, as the item of the crate's index.
type SlotNumber = u32;

impl<E> Default for ReferenceQueue<E> {
    fn default() -> Self {
        Self { slab: Slab::default(), order: PriorityQueue::with_default_hasher() }
    }
}

impl<E> ReferenceQueue<E> {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<E> EventQueue<E> for ReferenceQueue<E> {
    fn schedule(&mut self, key: EventKey, event: E) -> EventHandle {
        let handle = self.slab.insert(Pending { key, event });
        let previous = self.order.push(handle.slot, Reverse(key));
        debug_assert!(previous.is_none(), "slot {} was still queued", handle.slot);
        handle
    }

    fn cancel(&mut self, handle: EventHandle) -> Option<E> {
        let pending = self.slab.remove(handle)?;
        self.order.remove(&handle.slot);
        Some(pending.event)
    }

    fn reschedule(&mut self, handle: EventHandle, key: EventKey) -> bool {
        let Some(pending) = self.slab.get_mut(handle) else { return false };
        pending.key = key;
        self.order.change_priority(&handle.slot, Reverse(key));
        true
    }

    fn key_of(&self, handle: EventHandle) -> Option<EventKey> {
        self.slab.get(handle).map(|pending| pending.key)
    }

    fn peek(&mut self) -> Option<EventKey> {
        self.order.peek().map(|(_, key)| key.0)
    }

    fn pop(&mut self) -> Option<(EventKey, E)> {
        let (slot, Reverse(key)) = self.order.pop()?;
        debug_assert_ne!(self.peek(), Some(key), "two pending events share a key");
        let pending = self.slab.remove_slot(slot)?;
        Some((key, pending.event))
    }

    fn len(&self) -> usize {
        self.slab.len()
    }
}
