//! A large table of pairs of words of which few are in use as a rule: a hash table of those until there
//! are many, then all of them in a row. What it holds does not depend on which it is.

/// A pair in use, and its place plus one; zero where there is none.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    place: u32,
    pair: (u32, u32),
}

/// The pairs.
#[derive(Clone, Debug)]
enum Pairs {
    /// A power of two of slots, at most half of them in use.
    Few {
        slots: Vec<Slot>,
        used: usize,
    },
    All(Vec<(u32, u32)>),
}

/// Pairs of words by place, all zero at first.
#[derive(Clone, Debug)]
pub struct FarTable {
    pairs: Pairs,
    size: usize,
}

impl Default for FarTable {
    fn default() -> Self {
        Self { pairs: Pairs::Few { slots: Vec::new(), used: 0 }, size: 0 }
    }
}

/// Where the search for a place begins.
#[inline]
fn begin(place: u32, slots: usize) -> usize {
    // Fibonacci hashing: neighbours part.
    let spread = u64::from(place).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    spread as usize & (slots - 1)
}

/// The slot of a place, or the free one where it belongs.
#[inline]
fn slot_of(slots: &[Slot], place: u32) -> usize {
    let mut at = begin(place, slots.len());
    while slots[at].place != 0 && slots[at].place != place + 1 {
        at = (at + 1) & (slots.len() - 1);
    }
    at
}

/// The pair of a place, which is in use from now on.
fn among_few<'a>(slots: &'a mut [Slot], used: &mut usize, place: u32) -> &'a mut (u32, u32) {
    let slot = &mut slots[slot_of(slots, place)];
    if slot.place == 0 {
        slot.place = place + 1;
        *used += 1;
    }
    &mut slot.pair
}

impl FarTable {
    /// Room for so many pairs.
    pub fn new(size: usize) -> Self {
        Self { size, ..Self::default() }
    }

    /// The pair at a place.
    #[inline]
    pub fn get(&self, place: u32) -> (u32, u32) {
        match &self.pairs {
            Pairs::All(pairs) => pairs[place as usize],
            Pairs::Few { slots, .. } if slots.is_empty() => (0, 0),
            Pairs::Few { slots, .. } => slots[slot_of(slots, place)].pair,
        }
    }

    /// The pair at a place, to be changed.
    #[inline(always)]
    pub fn get_mut(&mut self, place: u32) -> &mut (u32, u32) {
        match self.pairs {
            Pairs::All(ref mut pairs) => &mut pairs[place as usize],
            Pairs::Few { .. } => self.among_few(place),
        }
    }

    /// The same as long as few are in use.
    #[inline(never)]
    fn among_few(&mut self, place: u32) -> &mut (u32, u32) {
        self.make_room();
        match &mut self.pairs {
            Pairs::All(pairs) => &mut pairs[place as usize],
            Pairs::Few { slots, used } => among_few(slots, used, place),
        }
    }

    /// Makes room for one more pair: more slots, or all pairs once these take less space.
    fn make_room(&mut self) {
        let Pairs::Few { slots, used } = &mut self.pairs else { return };
        if 2 * (*used + 1) <= slots.len() {
            return;
        }
        let wanted = (2 * slots.len()).max(64);
        let old = std::mem::take(slots);
        if 2 * wanted > self.size {
            let mut all = vec![(0, 0); self.size];
            for slot in old.iter().filter(|slot| slot.place != 0) {
                all[slot.place as usize - 1] = slot.pair;
            }
            self.pairs = Pairs::All(all);
            return;
        }
        slots.resize(wanted, Slot::default());
        for slot in old.iter().filter(|slot| slot.place != 0) {
            let at = slot_of(slots, slot.place - 1);
            slots[at] = *slot;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// However many pairs are in use, each place has what was written there last.
        #[test]
        fn a_place_has_what_was_written_last(
            writes in prop::collection::vec((0u32..1000, any::<(u32, u32)>()), 0..900),
            size in prop::sample::select(vec![1000usize, 4096, 1 << 17]),
        ) {
            let mut table = FarTable::new(size);
            let mut model = vec![(0, 0); 1000];
            for (place, pair) in writes {
                *table.get_mut(place) = pair;
                model[place as usize] = pair;
                prop_assert_eq!(table.get(place), pair);
            }
            for place in 0..1000u32 {
                prop_assert_eq!(table.get(place), model[place as usize]);
            }
        }
    }

    #[test]
    fn few_pairs_of_a_large_table_take_little_space() {
        let mut table = FarTable::new(1 << 17);
        (0..600).for_each(|n| *table.get_mut(n * 199) = (n, n));
        let Pairs::Few { slots, .. } = &table.pairs else { panic!("all of them") };
        assert!(slots.len() <= 2048, "{}", slots.len());
    }
}
