//! A set-associative array of tags in the words of a core.

use super::replacement::Order;
use super::store::Store;
use super::ways::{way_among, way_of};
use crate::config::{Replacement, SetFunction};

/// Shape and place of an array. A set is the word of its order, then a tag a way, then, where its
/// order is one of times, a time a way. A tag of zero is an empty way.
#[derive(Clone, Copy, Debug)]
pub struct SetArray {
    base: u32,
    sets: u32,
    stride: u32,
    ways: u32,
    /// Binary logarithm of the number of sets, where two groups of bits are folded; as many as a key has
    /// otherwise.
    fold: u32,
    order: Order,
    uneven: bool,
}

/// A way that holds a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    set: usize,
    way: u32,
}

impl SetArray {
    /// An empty array with room in a store.
    pub fn new(
        store: &mut Store,
        (sets, ways): (u32, u32),
        function: SetFunction,
        replacement: Replacement,
    ) -> Self {
        let order = match replacement {
            Replacement::Lru if ways <= 8 => Order::Recent(ways),
            Replacement::Lru => Order::Stamps,
            Replacement::TreePlru if ways == 4 => Order::Quad,
            Replacement::TreePlru => Order::Tree(ways),
            Replacement::GroupPlru => Order::Groups,
        };
        let stride = 1 + ways + if order == Order::Stamps { ways } else { 0 };
        let fold = match function {
            SetFunction::Linear => 63,
            SetFunction::XorFold => sets.trailing_zeros(),
        };
        let base = store.reserve((sets * stride) as usize) as u32;
        let uneven = matches!(order, Order::Tree(ways) if !ways.is_power_of_two());
        let array = Self { base, sets, stride, ways, fold, order, uneven };
        array.clear(store);
        array
    }

    /// Empties it, for good.
    pub fn clear(&self, store: &mut Store) {
        store.fill(self.base as usize, (self.sets * self.stride) as usize, 0);
        if self.order.fresh() != 0 {
            for set in self.all_sets() {
                store.fill(set, 1, self.order.fresh());
            }
        }
    }

    /// Where each set begins.
    fn all_sets(&self) -> impl Iterator<Item = usize> {
        let begin = self.base as usize;
        (begin..begin + (self.sets * self.stride) as usize).step_by(self.stride as usize)
    }

    /// Number of sets.
    pub const fn sets(&self) -> u64 {
        self.sets as u64
    }

    /// Where the set of a key begins.
    #[inline(always)]
    fn set(&self, key: u64) -> usize {
        // Without a fold all of the key is shifted out: it has far fewer bits.
        let key = key ^ key >> self.fold;
        (self.base + (key as u32 & (self.sets - 1)) * self.stride) as usize
    }

    /// Where a tag is in the set of a key.
    #[inline(always)]
    pub fn find(&self, store: &Store, key: u64, tag: u32) -> Option<Place> {
        let set = self.set(key);
        let way = way_of(store.words(set + 1, self.ways as usize), tag)?;
        Some(Place { set, way })
    }

    /// Notes a use.
    #[inline(always)]
    pub fn touch(&self, store: &mut Store, place: Place) {
        let word = store.get(place.set);
        match self.order {
            Order::Stamps => self.stamp(store, place, word),
            order => store.set(place.set, order.used(word, place.way)),
        }
    }

    /// Whether a tag is in the set of a key; that is a use.
    #[inline(always)]
    pub fn hit(&self, store: &mut Store, key: u64, tag: u32) -> bool {
        let set = self.set(key);
        match (self.ways, self.order) {
            (4, Order::Quad) => use_of::<4>(store, set, tag, Order::Quad),
            (12, Order::Groups) => use_of::<12>(store, set, tag, Order::Groups),
            _ => self.hit_rarely(store, key, tag),
        }
    }

    #[inline(never)]
    fn hit_rarely(&self, store: &mut Store, key: u64, tag: u32) -> bool {
        let place = self.find(store, key, tag);
        if let Some(place) = place {
            self.touch(store, place);
        }
        place.is_some()
    }

    /// How many small pages hit one after the other; each hit is a use. The tag of a page is its number
    /// and some bits that are the same for all.
    #[inline]
    pub fn row(&self, store: &mut Store, pages: &[u64], tag: impl Fn(u64) -> u32) -> usize {
        match (self.ways, self.order) {
            (_, Order::Stamps) => {}
            (4, Order::Quad) => return self.row_of::<4>(store, pages, tag, Order::Quad),
            (4, order) => return self.row_of::<4>(store, pages, tag, order),
            (8, order) => return self.row_of::<8>(store, pages, tag, order),
            _ => {}
        }
        pages.iter().take_while(|&&page| self.hit(store, page, tag(page))).count()
    }

    /// [`Self::row`] for sets of so many ways, without anything that is the same each time.
    #[inline(always)]
    fn row_of<const WAYS: usize>(
        self,
        store: &mut Store,
        pages: &[u64],
        tag: impl Fn(u64) -> u32,
        order: Order,
    ) -> usize {
        for (hits, &page) in pages.iter().enumerate() {
            if !use_of::<WAYS>(store, self.set(page), tag(page), order) {
                return hits;
            }
        }
        pages.len()
    }

    /// Enters a tag that is not there. Ways that were never used go first, as every order names them
    /// before the others, and so do those that were dropped.
    #[inline(always)]
    pub fn insert(&self, store: &mut Store, key: u64, tag: u32) {
        let set = self.set(key);
        match self.order {
            Order::Quad => enter::<4>(store, set, tag, Order::Quad),
            Order::Groups => enter::<12>(store, set, tag, Order::Groups),
            _ => self.insert_rarely(store, set, tag),
        }
    }

    #[inline(never)]
    fn insert_rarely(&self, store: &mut Store, set: usize, tag: u32) {
        if !self.uneven && self.order != Order::Stamps {
            let (way, word) = self.order.replaced(store.get(set));
            store.set(set + 1 + way as usize, tag);
            store.set(set, word);
            return;
        }
        // A tree over ways that are no power of two names some of them again before it has named all.
        let empty = match self.uneven {
            true => {
                let tags = store.words(set + 1, self.ways as usize);
                tags.iter().position(|&tag| tag == 0).map(|way| way as u32)
            }
            false => None,
        };
        let way = empty.unwrap_or_else(|| self.victim(store, set));
        store.set(set + 1 + way as usize, tag);
        self.touch(store, Place { set, way });
    }

    /// Empties all ways whose tags are to go, for good.
    pub fn drop_where(&self, store: &mut Store, goes: impl Fn(u32) -> bool) {
        for set in self.all_sets() {
            for way in 0..self.ways as usize {
                let at = set + 1 + way;
                let tag = store.get(at);
                if tag != 0 && goes(tag) {
                    store.fill(at, 1, 0);
                    self.goes_next(store, set, way);
                }
            }
        }
    }

    /// Lets a way be the next one to go.
    fn goes_next(&self, store: &mut Store, set: usize, way: usize) {
        match self.order {
            Order::Stamps => store.fill(set + 1 + self.ways as usize + way, 1, 0),
            order => {
                let word = order.unused(store.get(set), way as u32);
                store.fill(set, 1, word);
            }
        }
    }

    fn victim(&self, store: &Store, set: usize) -> u32 {
        match self.order {
            Order::Stamps => {
                let stamps = store.words(set + 1 + self.ways as usize, self.ways as usize);
                let oldest = stamps.iter().enumerate().min_by_key(|(_, stamp)| **stamp);
                oldest.map_or(0, |(way, _)| way as u32)
            }
            order => order.next(store.get(set)),
        }
    }

    /// The time of a use is one more than that of the one before it. Apart, as the usual first level has
    /// no times and is to stay short.
    #[cold]
    #[inline(never)]
    fn stamp(&self, store: &mut Store, place: Place, mut clock: u32) {
        let first = place.set + 1 + self.ways as usize;
        let at = first + place.way as usize;
        if clock != 0 && store.get(at) == clock {
            return;
        }
        if clock == u32::MAX {
            // Once in 2^32 uses: the same order with small times.
            let mut order: Vec<usize> = (first..first + self.ways as usize).collect();
            order.sort_by_key(|&at| store.get(at));
            for (rank, at) in order.into_iter().enumerate() {
                store.set(at, rank as u32 + 1);
            }
            clock = self.ways;
        }
        store.set(at, clock + 1);
        store.set(place.set, clock + 1);
    }
}

/// Uses a tag in the set of so many ways that begins at a place; whether it is there.
#[inline(always)]
fn use_of<const WAYS: usize>(store: &mut Store, set: usize, tag: u32, order: Order) -> bool {
    let (words, journal) = store.halves();
    let Some((word, tags)) = words.get_mut(set..=set + WAYS).and_then(<[_]>::split_first_mut)
    else {
        return false;
    };
    let Some(way) = tags.first_chunk::<WAYS>().and_then(|tags| way_among(tags, tag)) else {
        return false;
    };
    let used = order.used(*word, way);
    if used != *word {
        journal.note(set, *word);
        *word = used;
    }
    true
}

/// Enters a tag in the set of so many ways that begins at a place, instead of the one that goes next.
#[inline(always)]
fn enter<const WAYS: usize>(store: &mut Store, set: usize, tag: u32, order: Order) {
    let (words, journal) = store.halves();
    let Some((word, tags)) = words.get_mut(set..=set + WAYS).and_then(<[_]>::split_first_mut)
    else {
        return;
    };
    let Some(tags) = tags.first_chunk_mut::<WAYS>() else { return };
    let (way, used) = order.replaced(*word);
    let goes = &mut tags[way as usize];
    journal.note_both((set, *word), (set + 1 + way as usize, *goes));
    *goes = tag;
    *word = used;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn array(sets: u32, ways: u32, replacement: Replacement) -> (Store, SetArray) {
        let mut store = Store::default();
        let array = SetArray::new(&mut store, (sets, ways), SetFunction::Linear, replacement);
        (store, array)
    }

    proptest! {
        /// Any number of ways is true LRU, whichever way its order is kept.
        #[test]
        fn lru_is_lru(ways in 1u32..20, keys in prop::collection::vec(0u64..60, 1..300)) {
            let (mut store, array) = array(2, ways, Replacement::Lru);
            let mut model = [std::collections::VecDeque::new(), std::collections::VecDeque::new()];
            for key in keys {
                let set: &mut std::collections::VecDeque<u64> = &mut model[(key % 2) as usize];
                let hit = array.hit(&mut store, key, key as u32 + 1);
                prop_assert_eq!(hit, set.contains(&key));
                if hit {
                    set.retain(|&k| k != key);
                } else {
                    array.insert(&mut store, key, key as u32 + 1);
                    if set.len() == ways as usize { set.pop_back(); }
                }
                set.push_front(key);
            }
        }

        /// What was undone was never there.
        #[test]
        fn undoing_restores_every_word(
            which in 0usize..4,
            before in prop::collection::vec(0u64..400, 0..300),
            ahead in prop::collection::vec(0u64..400, 0..300),
        ) {
            let shapes = [
                (8, 4, Replacement::Lru), (4, 12, Replacement::GroupPlru),
                (8, 6, Replacement::TreePlru), (1, 64, Replacement::Lru),
            ];
            let (sets, ways, replacement) = shapes[which];
            let (mut store, array) = array(sets, ways, replacement);
            let run = |store: &mut Store, keys: &[u64]| {
                for &key in keys {
                    if !array.hit(store, key, key as u32 + 1) {
                        array.insert(store, key, key as u32 + 1);
                    }
                }
            };
            run(&mut store, &before);
            store.keep();
            let words = store.words(0, (sets * array.stride) as usize).to_vec();
            let mark = store.mark();
            run(&mut store, &ahead);
            store.undo_to(mark);
            prop_assert_eq!(store.words(0, words.len()), &words[..]);
        }
    }

    #[test]
    fn folded_sets_spread_a_stride_that_linear_ones_do_not() {
        let mut store = Store::default();
        let shape = (128, 4);
        let linear = SetArray::new(&mut store, shape, SetFunction::Linear, Replacement::Lru);
        let folded = SetArray::new(&mut store, shape, SetFunction::XorFold, Replacement::Lru);
        let keys: Vec<u64> = (0..64).map(|n| n * 128).collect();
        let reach = |array: &SetArray, store: &mut Store| {
            keys.iter().for_each(|&key| array.insert(store, key, key as u32 + 1));
            keys.iter().filter(|&&key| array.find(store, key, key as u32 + 1).is_some()).count()
        };
        assert_eq!(reach(&linear, &mut store), 4);
        assert_eq!(reach(&folded, &mut store), 64);
    }

    #[test]
    fn a_tree_that_is_no_power_of_two_fills_all_its_ways_first() {
        for ways in [6, 12] {
            let (mut store, array) = array(1, ways, Replacement::TreePlru);
            for key in 0..u64::from(ways) {
                array.insert(&mut store, key, key as u32 + 1);
                let there = (0..=key).all(|key| array.hit(&mut store, key, key as u32 + 1));
                assert!(there, "{key} of {ways}");
            }
        }
    }

    #[test]
    fn times_begin_again_before_they_run_out() {
        let (mut store, array) = array(1, 16, Replacement::Lru);
        (0..16).for_each(|key| array.insert(&mut store, key, key as u32 + 1));
        store.set(0, u32::MAX);
        assert!(array.hit(&mut store, 3, 4));
        assert_eq!(store.get(0), 17);
        array.insert(&mut store, 99, 100);
        assert!(array.find(&store, 0, 1).is_none(), "the oldest one is still the oldest");
    }
}
