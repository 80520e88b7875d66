//! The small caches of a walker: sets of at most four tags, true LRU. A walk asks several of them, so that all of a
//! set is looked at at once.

use super::replacement::{to_front, to_place};
use super::store::Store;
use super::ways::way_among;

/// Most ways.
const WAYS: usize = 4;
/// Words of a set: its order, then a tag a way.
const STRIDE: usize = 1 + WAYS;

/// Shape and place of a cache. A tag of zero is an empty way.
#[derive(Clone, Copy, Debug)]
pub struct SmallArray {
    base: u32,
    /// Number of sets less one; the number is a power of two.
    mask: u32,
    /// Where the way that was not used for longest stands in an order.
    last: u32,
}

/// The order of a set that was never used: four bits a way, the one used last lowest. What is above the ways that
/// there are stays where it is.
const FRESH: u32 = 0x7654_3210;

impl SmallArray {
    /// An empty cache with room in a store: of one set up to four entries, of sets of four otherwise, an assumption
    /// for all whose shape nobody has measured. None: without entries there is no cache.
    pub fn new(store: &mut Store, entries: u32) -> Option<Self> {
        let ways = entries.min(WAYS as u32);
        let sets = entries.checked_div(ways)?.next_power_of_two();
        let base = store.reserve(sets as usize * STRIDE) as u32;
        let array = Self { base, mask: sets - 1, last: 4 * (ways - 1) };
        array.clear(store);
        Some(array)
    }

    /// Where each set begins.
    fn all_sets(self) -> impl Iterator<Item = usize> {
        let begin = self.base as usize;
        (0..=self.mask as usize).map(move |set| begin + set * STRIDE)
    }

    /// Where the set of a key begins.
    #[inline(always)]
    fn set(self, key: u64) -> usize {
        self.base as usize + (key as u32 & self.mask) as usize * STRIDE
    }

    /// Whether a tag is in the set of a key; that is a use.
    #[inline(always)]
    pub fn hit(self, store: &mut Store, key: u64, tag: u32) -> bool {
        let set = self.set(key);
        let (words, journal) = store.halves();
        let Some([order, tags @ ..]) = set_of(words, set) else { return false };
        let Some(way) = way_among(tags, tag) else { return false };
        if *order & 0xf != way {
            journal.note(set, *order);
            *order = to_front(*order, way);
        }
        true
    }

    /// Enters a tag that is not there. Ways that were never used go first, and so do those that were dropped.
    #[inline(always)]
    pub fn insert(self, store: &mut Store, key: u64, tag: u32) {
        let set = self.set(key);
        let (words, journal) = store.halves();
        let Some([order, tags @ ..]) = set_of(words, set) else { return };
        let way = *order >> self.last & 3;
        let goes = &mut tags[way as usize];
        journal.note_both((set, *order), (set + 1 + way as usize, *goes));
        *goes = tag;
        // The last digit of those in use becomes the first one.
        let own = u32::MAX >> (28 - self.last);
        *order = *order & !own | (*order << 4 | way) & own;
    }

    /// Empties it, for good.
    pub fn clear(self, store: &mut Store) {
        for set in self.all_sets() {
            store.fill(set, STRIDE, 0);
            store.fill(set, 1, FRESH);
        }
    }

    /// Empties all ways whose tags are to go, for good. They go next.
    pub fn drop_where(self, store: &mut Store, goes: impl Fn(u32) -> bool) {
        for set in self.all_sets() {
            for way in 0..WAYS {
                let tag = store.get(set + 1 + way);
                if tag != 0 && goes(tag) {
                    store.fill(set + 1 + way, 1, 0);
                    let order = self.last_of_all(store.get(set), way as u32);
                    store.fill(set, 1, order);
                }
            }
        }
    }

    /// An order in which a way is the last one of those that there are.
    fn last_of_all(self, order: u32, way: u32) -> u32 {
        to_place(order, way, self.last / 4)
    }
}

/// The words of the set that begins at a place.
#[inline(always)]
fn set_of(words: &mut [u32], set: usize) -> Option<&mut [u32; STRIDE]> {
    words.get_mut(set..set + STRIDE)?.first_chunk_mut()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Replacement, SetFunction};
    use crate::parts::mmu::array::SetArray;
    use proptest::prelude::*;

    proptest! {
        /// It does what an array of the same shape does, whatever is entered, dropped and taken back.
        #[test]
        fn it_is_an_array_of_few_ways(
            entries in 1u32..40,
            steps in prop::collection::vec((0u64..60, 0u32..40), 1..300),
        ) {
            let (mut one, mut two) = (Store::default(), Store::default());
            let ways = entries.min(4);
            let shape = ((entries / ways).next_power_of_two(), ways);
            let small = SmallArray::new(&mut one, entries).unwrap();
            let array = SetArray::new(&mut two, shape, SetFunction::Linear, Replacement::Lru);
            let mut marks = (one.mark(), two.mark());
            for (key, what) in steps {
                let tag = key as u32 + 1;
                match what {
                    0 => {
                        one.keep();
                        two.keep();
                        small.drop_where(&mut one, |tag| tag % 3 == 0);
                        array.drop_where(&mut two, |tag| tag % 3 == 0);
                        marks = (one.mark(), two.mark());
                    }
                    1 => {
                        one.undo_to(marks.0);
                        two.undo_to(marks.1);
                    }
                    2 => marks = (one.mark(), two.mark()),
                    _ => {
                        let hit = small.hit(&mut one, key, tag);
                        prop_assert_eq!(hit, array.hit(&mut two, key, tag));
                        if !hit {
                            small.insert(&mut one, key, tag);
                            array.insert(&mut two, key, tag);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn without_entries_there_is_none() {
        assert!(SmallArray::new(&mut Store::default(), 0).is_none());
    }
}
