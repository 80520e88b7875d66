//! The fast queue: a short sorted array of what is next, over a timing wheel of the rest.
//!
//! Everything up to the *horizon* is in the near array, everything after it in the [`wheel`].
//! `pop` takes the last element of the array. When the array is used up, the wheel's earliest
//! entries fill it again and the horizon moves on; when it grows long, its later half goes back to
//! the wheel and the horizon comes down. While few events are pending there is no horizon and all
//! of them stay in the array.
//!
//! Entries are a key and the number of a node, and lie side by side in vectors; nodes hold the
//! events and do not move. A node knows the position of its entry in the wheel, or that it is one
//! of the first in its slot, so cancelling takes it out at once and leaves nothing behind.
//!
//! # The cursor
//!
//! The wheel cannot hold a key before its cursor. The horizon is never before the cursor, so what
//! is scheduled before the cursor goes into the near array, where every key has its place. Only a
//! spill can bring the horizon down, and so it stops at the cursor: raising the cursor to anything
//! that is merely pending would let a spill put entries before it. When the array grows all the
//! same, because much is scheduled before the cursor, the wheel is built anew from an earlier one.

mod entry;
mod nodes;
#[cfg(test)]
mod tests;
mod wheel;

use super::{EventHandle, EventQueue};
use crate::key::EventKey;
use entry::Entry;
use nodes::{Nodes, Place};
use wheel::Wheel;

/// How far an insertion into the near array goes step by step, before it searches and moves the
/// rest at once. Most insertions go less far, and then no search is mispredicted.
const STEPS: usize = 24;
/// A refill takes one slot of the wheel, and further ones up to so many entries.
const REFILL_MAX: usize = 32;
/// More entries than this in the near array spill, but for what lies before the cursor.
const NEAR_MAX: usize = 192;
/// With nothing in the wheel and fewer entries than this after a refill there is no horizon.
const FEW: usize = 32;
/// Without a horizon, more entries than this spill.
const FEW_MAX: usize = 48;
/// With more entries than this in the near array, the cursor moves back to let them spill.
const NEAR_CROWDED: usize = 1024;

/// An [`EventQueue`] made for speed: a sorted array of the next few dozen events over a timing
/// wheel of all others.
///
/// `schedule` and `pop` take constant time, amortised, whatever the number of pending events and
/// however their times are spread; `cancel` and `reschedule` too. Nothing is hashed, no width is
/// estimated, and cancelled events leave nothing behind.
#[derive(Clone, Debug)]
pub struct HybridQueue<E> {
    nodes: Nodes<E>,
    /// Falling keys: the next event is the last element.
    near: Vec<Entry>,
    /// The last key that belongs into the near array.
    horizon: u128,
    /// The near array spills when it is longer than this.
    near_max: usize,
    wheel: Wheel,
    last_popped: u128,
}

impl<E> Default for HybridQueue<E> {
    fn default() -> Self {
        Self {
            nodes: Nodes::default(),
            near: Vec::with_capacity(NEAR_MAX + 1),
            horizon: u128::MAX,
            near_max: FEW_MAX,
            wheel: Wheel::default(),
            last_popped: 0,
        }
    }
}

impl<E> HybridQueue<E> {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts the entry of a stored event where it belongs.
    #[inline]
    fn enqueue(&mut self, entry: Entry) {
        if entry.key() > self.horizon {
            self.wheel.insert(entry, &mut self.nodes);
            return;
        }
        self.insert_near(entry);
        if self.near.len() > self.near_max {
            self.spill();
        }
    }

    #[inline]
    fn insert_near(&mut self, entry: Entry) {
        let key = entry.key();
        self.near.push(entry);
        let near = &mut self.near[..];
        let mut at = near.len() - 1;
        let stop = at.saturating_sub(STEPS);
        while at > stop && near[at - 1].key() < key {
            near[at] = near[at - 1];
            at -= 1;
        }
        if at == stop && at > 0 {
            let to = near[..at].partition_point(|other| other.key() > key);
            near.copy_within(to..at, to + 1);
            at = to;
        }
        near[at] = entry;
    }

    /// Takes the entry of a pending event out of where it is.
    fn unlink(&mut self, slot: u32, key: u128, place: Place) {
        match place {
            Place::Near => {
                let from = self.near.partition_point(|other| other.key() > key);
                let at = self.near[from..].iter().position(|other| other.slot == slot);
                debug_assert_eq!(at, Some(0), "not in the near array, or not in its place");
                if let Some(at) = at {
                    self.near.remove(from + at);
                }
            }
            Place::Wheel(position) => self.wheel.remove(key, slot, position, &mut self.nodes),
        }
    }

    /// Fills the near array, which is empty, from the wheel; `false` if nothing is pending.
    #[cold]
    fn refill(&mut self) -> bool {
        debug_assert!(self.near.is_empty());
        let covered = self.wheel.refill(&mut self.near, REFILL_MAX, &mut self.nodes);
        if self.wheel.is_empty() && self.near.len() < FEW {
            (self.horizon, self.near_max) = (u128::MAX, FEW_MAX);
        } else if let Some(covered) = covered {
            (self.horizon, self.near_max) = (covered, NEAR_MAX);
        }
        !self.near.is_empty()
    }

    /// Puts the later half of the near array into the wheel, down to the cursor.
    #[cold]
    fn spill(&mut self) {
        let half = self.near.len() / 2;
        let earliest = self.near.last().map_or(0, Entry::key).min(self.last_popped);
        if self.wheel.is_empty() {
            self.wheel.restart(earliest);
        }
        let cursor = self.wheel.cursor();
        let mut spilled = self.near.partition_point(|entry| entry.key() >= cursor).min(half);
        if spilled < half && self.near.len() > NEAR_CROWDED {
            self.wheel.rewind(earliest, &mut self.nodes);
            spilled = half;
        }
        self.spill_latest(spilled);
    }

    /// Puts the latest entries of the near array into the wheel, none of them before its cursor.
    fn spill_latest(&mut self, count: usize) {
        let Some(first) = self.near[..count].last() else { return };
        (self.horizon, self.near_max) = (first.key().saturating_sub(1), NEAR_MAX);
        for entry in self.near.drain(..count) {
            self.wheel.insert(entry, &mut self.nodes);
        }
    }
}

impl<E> EventQueue<E> for HybridQueue<E> {
    #[inline]
    fn schedule(&mut self, key: EventKey, event: E) -> EventHandle {
        let handle = self.nodes.insert(key.bits(), event);
        self.enqueue(Entry::new(key.bits(), handle.slot));
        handle
    }

    fn cancel(&mut self, handle: EventHandle) -> Option<E> {
        let (key, place) = self.nodes.find(handle)?;
        self.unlink(handle.slot, key, place);
        self.nodes.remove_slot(handle.slot)
    }

    fn reschedule(&mut self, handle: EventHandle, key: EventKey) -> bool {
        let Some((old, place)) = self.nodes.find(handle) else { return false };
        self.unlink(handle.slot, old, place);
        self.nodes.set_key(handle.slot, key.bits());
        self.nodes.set_place(handle.slot, Place::Near);
        self.enqueue(Entry::new(key.bits(), handle.slot));
        true
    }

    fn key_of(&self, handle: EventHandle) -> Option<EventKey> {
        self.nodes.find(handle).map(|(key, _)| EventKey::from_bits(key))
    }

    #[inline]
    fn peek(&mut self) -> Option<EventKey> {
        if self.near.is_empty() {
            self.refill();
        }
        self.near.last().map(|entry| EventKey::from_bits(entry.key()))
    }

    #[inline]
    fn pop(&mut self) -> Option<(EventKey, E)> {
        if self.near.is_empty() && !self.refill() {
            return None;
        }
        let entry = self.near.pop()?;
        let event = self.nodes.remove_slot(entry.slot)?;
        debug_assert!(
            self.near.last().is_none_or(|next| next.key() > entry.key()),
            "two pending events share the key {:?}, or the near array is not sorted",
            EventKey::from_bits(entry.key())
        );
        self.last_popped = entry.key();
        Some((EventKey::from_bits(entry.key()), event))
    }

    #[inline]
    fn len(&self) -> usize {
        self.near.len() + self.wheel.len()
    }
}
