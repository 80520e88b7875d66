//! Storage of pending entries under stable handles.
//!
//! All queues share it, so that the same calls give the same handles whatever the queue: a model
//! that stores handles stays comparable between queues.

use super::EventHandle;

#[derive(Clone, Debug)]
struct Slot<T> {
    /// Counts the entries that lived here before; a handle must match it.
    generation: u32,
    entry: Option<T>,
}

/// A vector of slots with a free list. The slot freed last is used next.
#[derive(Clone, Debug)]
pub(super) struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    len: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), len: 0 }
    }
}

impl<T> Slab<T> {
    /// Occupied slots.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn insert(&mut self, entry: T) -> EventHandle {
        self.len += 1;
        if let Some(slot) = self.free.pop() {
            let place = &mut self.slots[slot as usize];
            place.entry = Some(entry);
            return EventHandle { slot, generation: place.generation };
        }
        let Ok(slot) = u32::try_from(self.slots.len()) else {
            panic!("more than 2^32 pending events");
        };
        self.slots.push(Slot { generation: 0, entry: Some(entry) });
        EventHandle { slot, generation: 0 }
    }

    pub(super) fn get(&self, handle: EventHandle) -> Option<&T> {
        let slot = self.slots.get(handle.slot as usize)?;
        if slot.generation == handle.generation { slot.entry.as_ref() } else { None }
    }

    pub(super) fn get_mut(&mut self, handle: EventHandle) -> Option<&mut T> {
        let slot = self.slots.get_mut(handle.slot as usize)?;
        if slot.generation == handle.generation { slot.entry.as_mut() } else { None }
    }

    pub(super) fn remove(&mut self, handle: EventHandle) -> Option<T> {
        self.get(handle)?;
        self.remove_slot(handle.slot)
    }

    /// The entry in `slot`, whichever its generation.
    pub(super) fn get_slot(&self, slot: u32) -> Option<&T> {
        self.slots.get(slot as usize)?.entry.as_ref()
    }

    /// Empties `slot`, whichever its generation.
    pub(super) fn remove_slot(&mut self, slot: u32) -> Option<T> {
        let place = self.slots.get_mut(slot as usize)?;
        let entry = place.entry.take()?;
        self.len -= 1;
        // A slot whose generations are used up is retired, so that no handle ever comes back.
        if let Some(next) = place.generation.checked_add(1) {
            place.generation = next;
            self.free.push(slot);
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_handle_finds_nothing() {
        let mut slab = Slab::default();
        let a = slab.insert('a');
        assert_eq!(slab.remove(a), Some('a'));
        let b = slab.insert('b');
        assert_eq!(a.slot, b.slot);
        assert_eq!(slab.get(a), None);
        assert_eq!(slab.remove(a), None);
        assert_eq!(slab.get(b), Some(&'b'));
        assert_eq!(slab.len(), 1);
    }

    #[test]
    fn a_worn_out_slot_is_retired() {
        let mut slab = Slab::default();
        let a = slab.insert('a');
        slab.slots[0].generation = u32::MAX;
        assert_eq!(slab.get(a), None);
        assert_eq!(slab.remove_slot(0), Some('a'));
        assert_eq!(slab.insert('b').slot, 1);
    }
}
