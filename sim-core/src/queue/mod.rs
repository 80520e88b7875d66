//! Queues of pending events.
//!
//! Everything above is generic over [`EventQueue`], so that a fast queue can be held against a
//! plain one: the order of events is fixed by their keys alone, and every implementation must
//! give the same run, event by event.

mod hybrid;
mod kind;
mod reference;
mod slab;
mod std_heap;

use serde::{Deserialize, Serialize};

use crate::key::EventKey;

pub use hybrid::HybridQueue;
pub use kind::{ParseQueueKindError, QueueKind};
pub use reference::ReferenceQueue;
pub use std_heap::StdHeapQueue;

/// Names one pending event of one queue.
///
/// Plain data. A handle whose event was popped or cancelled is stale: it never names another
/// event, and every operation with it reports that there is nothing there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EventHandle {
    slot: u32,
    generation: u32,
}

/// Pending events in the order of their keys.
///
/// Keys must be unique among pending events (see [`EventKey`]); the order of two equal keys is
/// not specified. Any key may be scheduled at any time: that time does not run backwards is
/// checked by [`Simulation`](crate::Simulation), not here.
pub trait EventQueue<E> {
    /// Adds an event.
    fn schedule(&mut self, key: EventKey, event: E) -> EventHandle;

    /// Takes an event out; `None` if it was popped or cancelled before.
    fn cancel(&mut self, handle: EventHandle) -> Option<E>;

    /// Moves an event to another key; its handle stays valid. `false` if it was popped or
    /// cancelled before.
    fn reschedule(&mut self, handle: EventHandle, key: EventKey) -> bool;

    /// The key under which an event is pending; `None` if it was popped or cancelled.
    fn key_of(&self, handle: EventHandle) -> Option<EventKey>;

    /// The key of the next event. Exclusive access, because an implementation may tidy up.
    fn peek(&mut self) -> Option<EventKey>;

    /// Takes the next event.
    fn pop(&mut self) -> Option<(EventKey, E)>;

    /// How many events are pending.
    fn len(&self) -> usize;

    /// Whether nothing is pending.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
