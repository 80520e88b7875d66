//! Where the events of the hybrid queue rest, under stable handles.
//!
//! Handles are given out as by [`Slab`](super::super::slab::Slab): a new slot when none is free,
//! else the one freed last, one generation later. A node also says where its entry is, which a
//! slab does not know.

use super::super::EventHandle;

/// Where the entry of a pending event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the near array, where its key finds it.
    Near,
    /// In the wheel's slot for its key, at this position or at one of the first.
    Wheel(u32),
}

/// [`Node::place`] of an entry in the near array; in a free node, the end of the free list.
const NOT_IN_WHEEL: u32 = u32::MAX;

#[derive(Clone, Debug)]
struct Node<E> {
    // Two halves, because a `u128` would pad the node to a multiple of 16 bytes.
    key: [u64; 2],
    /// Counts the events that lived here before; a handle must match it.
    generation: u32,
    /// Of a pending event: its position in a slot of the wheel. Of a free node: the next one.
    place: u32,
    /// `None` in a free node.
    event: Option<E>,
}

impl<E> Node<E> {
    #[inline]
    fn key(&self) -> u128 {
        u128::from(self.key[0]) << 64 | u128::from(self.key[1])
    }

    #[inline]
    fn set_key(&mut self, key: u128) {
        self.key = [(key >> 64) as u64, key as u64];
    }
}

/// A vector of nodes with a free list through them.
#[derive(Clone, Debug)]
pub(super) struct Nodes<E> {
    nodes: Vec<Node<E>>,
    first_free: u32,
}

impl<E> Default for Nodes<E> {
    fn default() -> Self {
        Self { nodes: Vec::new(), first_free: NOT_IN_WHEEL }
    }
}

impl<E> Nodes<E> {
    /// Stores an event whose entry goes into the near array, until [`Self::set_place`].
    #[inline]
    pub(super) fn insert(&mut self, key: u128, event: E) -> EventHandle {
        let slot = self.first_free;
        let Some(node) = self.nodes.get_mut(slot as usize) else {
            return self.insert_new(key, event);
        };
        self.first_free = node.place;
        node.set_key(key);
        node.place = NOT_IN_WHEEL;
        node.event = Some(event);
        EventHandle { slot, generation: node.generation }
    }

    #[cold]
    fn insert_new(&mut self, key: u128, event: E) -> EventHandle {
        let slot = match u32::try_from(self.nodes.len()) {
            Ok(slot) if slot != NOT_IN_WHEEL => slot,
            _ => panic!("more than 2^32 pending events"),
        };
        let mut node = Node { key: [0; 2], generation: 0, place: NOT_IN_WHEEL, event: Some(event) };
        node.set_key(key);
        self.nodes.push(node);
        EventHandle { slot, generation: 0 }
    }

    /// Empties `slot`, whichever its generation.
    #[inline]
    pub(super) fn remove_slot(&mut self, slot: u32) -> Option<E> {
        let node = self.nodes.get_mut(slot as usize)?;
        let event = node.event.take()?;
        // A slot whose generations are used up is retired, so that no handle ever comes back.
        if let Some(next) = node.generation.checked_add(1) {
            node.generation = next;
            node.place = self.first_free;
            self.first_free = slot;
        }
        Some(event)
    }

    /// The key and the place of the event that `handle` names, if it is pending.
    #[inline]
    pub(super) fn find(&self, handle: EventHandle) -> Option<(u128, Place)> {
        let node = self.nodes.get(handle.slot as usize)?;
        if node.generation != handle.generation || node.event.is_none() {
            return None;
        }
        let place = match node.place {
            NOT_IN_WHEEL => Place::Near,
            position => Place::Wheel(position),
        };
        Some((node.key(), place))
    }

    /// Notes a new key of a pending event.
    #[inline]
    pub(super) fn set_key(&mut self, slot: u32, key: u128) {
        self.nodes[slot as usize].set_key(key);
    }

    /// Notes where the entry of a pending event is from now on.
    #[inline]
    pub(super) fn set_place(&mut self, slot: u32, place: Place) {
        self.nodes[slot as usize].place = match place {
            Place::Near => NOT_IN_WHEEL,
            Place::Wheel(position) => position,
        };
    }
}

#[cfg(test)]
impl<E> Nodes<E> {
    /// Key and place of the event in `slot`, whichever its generation.
    pub(super) fn pending_in(&self, slot: u32) -> Option<(u128, Place)> {
        let node = self.nodes.get(slot as usize)?;
        self.find(EventHandle { slot, generation: node.generation })
    }

    /// How many nodes hold an event.
    pub(super) fn pending(&self) -> usize {
        self.nodes.iter().filter(|node| node.event.is_some()).count()
    }

    /// Lets the event in `slot` be the last that the slot can name.
    pub(super) fn wear_out(&mut self, slot: u32) -> EventHandle {
        self.nodes[slot as usize].generation = u32::MAX;
        EventHandle { slot, generation: u32::MAX }
    }
}
