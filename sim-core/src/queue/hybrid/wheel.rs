//! The far part of the hybrid queue: a timing wheel over the whole key.
//!
//! A key is read as a row of digits to the base 64, eleven for the time and eleven for the rest.
//! An entry lies at the level of the highest digit in which its key differs from the cursor, in
//! the slot of that digit. No entry lies before the cursor, so every entry of a level comes before
//! every entry of a higher one, and within a level lower digits come first. One bit for each slot
//! and one for each level find the earliest slot at once.
//!
//! Because the digits go on after the time, events of one instant spread over slots like all
//! others, however many there are.

use super::entry::Entry;
use super::nodes::{Nodes, Place};

const DIGIT_BITS: u32 = 6;
const DIGITS: usize = 1 << DIGIT_BITS;
/// Levels of one half of the key; its highest digit has four bits.
const HALF_LEVELS: u32 = u64::BITS.div_ceil(DIGIT_BITS);
const LEVELS: u32 = 2 * HALF_LEVELS;

/// A slot with more entries than this is not sorted but spread. Twice as much makes long near
/// arrays, half as much many passes; in between it matters little.
const SPREAD_MIN: usize = 80;

/// A slot that spread more entries than this gives its memory back. Below it memory is kept, since
/// a slot that was used is soon used again.
const KEPT_CAPACITY: usize = 1 << 12;

/// Entries at the first so many positions of a slot are looked for one by one; what their nodes
/// say of positions need not be true. So moving them between slots does not touch their nodes,
/// which are scattered over memory: that is what makes large populations fast.
pub(super) const UNRECORDED: u32 = 32;

#[derive(Clone, Debug)]
pub(super) struct Wheel {
    /// Level by level, entries of a slot in no order.
    slots: Vec<Vec<Entry>>,
    /// Bit `d` of word `l`: slot `d` of level `l` is not empty.
    occupied: [u64; LEVELS as usize],
    /// Bit `l`: level `l` is not empty.
    levels: u32,
    len: usize,
    cursor: u128,
}

impl Default for Wheel {
    fn default() -> Self {
        Self {
            slots: vec![Vec::new(); LEVELS as usize * DIGITS],
            occupied: [0; LEVELS as usize],
            levels: 0,
            len: 0,
            cursor: 0,
        }
    }
}

/// A slot: its level and its digit there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SlotId {
    level: u32,
    digit: u32,
}

impl SlotId {
    #[inline]
    fn index(self) -> usize {
        self.level as usize * DIGITS + self.digit as usize
    }

    /// How many bits of a key are below this digit.
    fn bits_below(self) -> u32 {
        if self.level < HALF_LEVELS {
            self.level * DIGIT_BITS
        } else {
            u64::BITS + (self.level - HALF_LEVELS) * DIGIT_BITS
        }
    }

    /// The first and the last key of the slot, seen from `cursor`.
    fn span(self, cursor: u128) -> (u128, u128) {
        let below = self.bits_below();
        let digit_bits = DIGIT_BITS.min(u64::BITS - below % u64::BITS);
        let up_to_digit = u128::MAX >> (u128::BITS - below - digit_bits);
        let first = cursor & !up_to_digit | u128::from(self.digit) << below;
        (first, first | ((1 << below) - 1))
    }
}

impl Wheel {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// No entry lies before this key, and none may be inserted before it.
    pub(super) fn cursor(&self) -> u128 {
        self.cursor
    }

    #[inline]
    fn slot_of(&self, key: u128) -> SlotId {
        let differing = key ^ self.cursor;
        let (high, low) = ((differing >> 64) as u64, differing as u64);
        if high != 0 {
            let level = (63 - high.leading_zeros()) / DIGIT_BITS;
            let digit = ((key >> 64) as u64 >> (level * DIGIT_BITS)) as u32 % DIGITS as u32;
            SlotId { level: HALF_LEVELS + level, digit }
        } else {
            // The cursor itself is at level 0.
            let level = (63 - (low | 1).leading_zeros()) / DIGIT_BITS;
            SlotId { level, digit: (key as u64 >> (level * DIGIT_BITS)) as u32 % DIGITS as u32 }
        }
    }

    /// Adds an entry that is in no slot yet.
    #[inline]
    pub(super) fn insert<E>(&mut self, entry: Entry, nodes: &mut Nodes<E>) {
        let position = self.push(entry);
        nodes.set_place(entry.slot, Place::Wheel(position));
    }

    /// Adds an entry and returns its position.
    #[inline]
    fn push(&mut self, entry: Entry) -> u32 {
        debug_assert!(entry.key() >= self.cursor, "an entry before the wheel's cursor");
        let id = self.slot_of(entry.key());
        let slot = &mut self.slots[id.index()];
        // Slot numbers are 32 bits wide, and so are positions.
        let position = slot.len() as u32;
        slot.push(entry);
        self.occupied[id.level as usize] |= 1 << id.digit;
        self.levels |= 1 << id.level;
        self.len += 1;
        position
    }

    /// Adds an entry that comes from another slot. Its node is far from the cache as a rule, and
    /// is left alone if it can be.
    #[inline]
    fn push_moved<E>(&mut self, entry: Entry, nodes: &mut Nodes<E>) {
        let position = self.push(entry);
        if position >= UNRECORDED {
            nodes.set_place(entry.slot, Place::Wheel(position));
        }
    }

    /// Takes out the entry with `key` of the node `node`, which says that it is at `position`.
    pub(super) fn remove<E>(&mut self, key: u128, node: u32, position: u32, nodes: &mut Nodes<E>) {
        let id = self.slot_of(key);
        let slot = &mut self.slots[id.index()];
        let is_there = |at: &usize| slot.get(*at).is_some_and(|entry| entry.slot == node);
        let found = Some(position as usize).filter(is_there);
        let Some(at) = found.or_else(|| (0..UNRECORDED as usize).find(is_there)) else {
            debug_assert!(false, "not in its slot");
            return;
        };
        slot.swap_remove(at);
        if let Some(moved) = slot.get(at)
            && at >= UNRECORDED as usize
        {
            nodes.set_place(moved.slot, Place::Wheel(at as u32));
        } else if slot.is_empty() {
            self.mark_empty(id);
        }
        self.len -= 1;
    }

    fn mark_empty(&mut self, id: SlotId) {
        let occupied = &mut self.occupied[id.level as usize];
        *occupied &= !(1 << id.digit);
        if *occupied == 0 {
            self.levels &= !(1 << id.level);
        }
    }

    /// The slot before all others.
    fn earliest(&self) -> Option<SlotId> {
        let level = self.levels.trailing_zeros();
        let occupied = self.occupied.get(level as usize)?;
        Some(SlotId { level, digit: occupied.trailing_zeros() })
    }

    /// Moves the earliest entries to `near`, which is empty. Returns the last key of which it can
    /// be said that no entry up to it is left; `None` if the wheel is empty.
    ///
    /// Takes one slot whole, spread to lower levels before if it is large, and following slots as
    /// long as `most` entries are not exceeded.
    pub(super) fn refill<E>(
        &mut self,
        near: &mut Vec<Entry>,
        most: usize,
        nodes: &mut Nodes<E>,
    ) -> Option<u128> {
        let mut id = self.earliest()?;
        while id.level > 0 && self.slots[id.index()].len() > SPREAD_MIN {
            self.spread(id, nodes);
            id = self.earliest()?;
        }
        let level = id.level;
        let mut covered;
        // The first slot's start, not a later one's: what is scheduled next may well spill.
        let (start, _) = id.span(self.cursor);
        loop {
            let slot = &mut self.slots[id.index()];
            for entry in slot.iter() {
                // Brings the node into the cache as well, well before its event is due.
                nodes.set_place(entry.slot, Place::Near);
            }
            self.len -= slot.len();
            // Slots come in rising order, so each is sorted by itself.
            slot.sort_unstable_by_key(Entry::key);
            near.append(slot);
            (_, covered) = id.span(self.cursor);
            self.mark_empty(id);
            match self.earliest() {
                Some(next)
                    if next.level == level
                        && near.len() + self.slots[next.index()].len() <= most =>
                {
                    id = next;
                }
                _ => break,
            }
        }
        self.cursor = start;
        near.reverse();
        Some(covered)
    }

    /// Moves the cursor to the start of the earliest slot and its entries to lower levels.
    fn spread<E>(&mut self, id: SlotId, nodes: &mut Nodes<E>) {
        let mut entries = std::mem::take(&mut self.slots[id.index()]);
        self.mark_empty(id);
        self.len -= entries.len();
        (self.cursor, _) = id.span(self.cursor);
        for entry in entries.drain(..) {
            self.push_moved(entry, nodes);
        }
        if entries.capacity() <= KEPT_CAPACITY {
            self.slots[id.index()] = entries;
        }
    }

    /// Moves the cursor back to `key`, and every entry to where it belongs from there.
    pub(super) fn rewind<E>(&mut self, key: u128, nodes: &mut Nodes<E>) {
        debug_assert!(key <= self.cursor, "rewinding must not pass over entries");
        let mut entries = Vec::with_capacity(self.len);
        while let Some(id) = self.earliest() {
            entries.append(&mut self.slots[id.index()]);
            self.mark_empty(id);
        }
        self.len = 0;
        self.cursor = key;
        for entry in entries {
            self.push_moved(entry, nodes);
        }
    }

    /// Moves the cursor of an empty wheel.
    pub(super) fn restart(&mut self, key: u128) {
        debug_assert!(self.is_empty());
        self.cursor = key;
    }
}

#[cfg(test)]
impl Wheel {
    /// Holds every invariant of the wheel and calls `visit` with each entry and its position.
    pub(super) fn check(&self, mut visit: impl FnMut(&Entry, u32)) {
        let mut len = 0;
        for level in 0..LEVELS {
            let occupied = self.occupied[level as usize];
            assert_eq!(occupied != 0, self.levels >> level & 1 == 1, "level {level}");
            for digit in 0..DIGITS as u32 {
                let id = SlotId { level, digit };
                let slot = &self.slots[id.index()];
                assert_eq!(!slot.is_empty(), occupied >> digit & 1 == 1, "{id:?}");
                len += slot.len();
                for (position, entry) in slot.iter().enumerate() {
                    assert!(entry.key() >= self.cursor, "{entry:?} before the cursor");
                    assert_eq!(self.slot_of(entry.key()), id, "{entry:?}");
                    let (first, last) = id.span(self.cursor);
                    assert!((first..=last).contains(&entry.key()), "{entry:?} not in {id:?}");
                    visit(entry, position as u32);
                }
            }
        }
        assert_eq!(len, self.len);
    }
}
