//! States that were seen, by fingerprint.

/// The number of a state, in the order in which it was found.
pub(super) type StateId = u32;

/// A set of fingerprints that numbers its members. Two states in 2^64 share a fingerprint by
/// chance, which is less than a machine's own errors.
#[derive(Debug)]
pub(super) struct Seen {
    fingerprints: Vec<u128>,
    /// Numbers by the low bits of their fingerprint, with linear probing; half empty at least.
    slots: Vec<StateId>,
}

const EMPTY: StateId = StateId::MAX;

impl Seen {
    pub(super) fn new() -> Self {
        Self { fingerprints: Vec::new(), slots: vec![EMPTY; 1 << 10] }
    }

    pub(super) fn len(&self) -> usize {
        self.fingerprints.len()
    }

    /// The state's number, and whether it is new.
    pub(super) fn insert(&mut self, fingerprint: u128) -> (StateId, bool) {
        if self.fingerprints.len() * 2 >= self.slots.len() {
            self.grow();
        }
        let slot = self.slot_of(fingerprint);
        if self.slots[slot] != EMPTY {
            return (self.slots[slot], false);
        }
        let id = self.fingerprints.len() as StateId;
        self.slots[slot] = id;
        self.fingerprints.push(fingerprint);
        (id, true)
    }

    pub(super) fn contains(&self, fingerprint: u128) -> bool {
        self.slots[self.slot_of(fingerprint)] != EMPTY
    }

    /// Where it is, or where it would be.
    fn slot_of(&self, fingerprint: u128) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = fingerprint as usize & mask;
        while self.slots[slot] != EMPTY
            && self.fingerprints[self.slots[slot] as usize] != fingerprint
        {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn grow(&mut self) {
        self.slots = vec![EMPTY; self.slots.len() * 2];
        for id in 0..self.fingerprints.len() {
            let slot = self.slot_of(self.fingerprints[id]);
            self.slots[slot] = id as StateId;
        }
    }

    /// Bytes in use.
    pub(super) fn bytes(&self) -> u64 {
        (self.fingerprints.capacity() * 16 + self.slots.len() * 4) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fingerprint_has_one_number() {
        let mut seen = Seen::new();
        for round in 0..2 {
            for value in 0..5000_u128 {
                let (id, new) = seen.insert(value << 64 | (value % 7));
                assert_eq!((u128::from(id), new), (value, round == 0));
            }
        }
        assert_eq!(seen.len(), 5000);
        assert!(seen.contains(1 << 64 | 1) && !seen.contains(1 << 64));
    }
}
