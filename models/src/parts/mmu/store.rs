//! The words in which a core keeps its translations, with a journal: what a vCPU changes by running
//! ahead of the other actors is undone by putting old words back.

use std::sync::Arc;

use super::far::FarTable;

/// Words, and what they were.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// None while the store is asleep.
    words: Vec<u32>,
    /// What the words of a store that wakes up are.
    fresh: Arc<[u32]>,
    /// Pairs of words in a large table of which few are in use.
    far: FarTable,
    /// A number that changes with the pairs.
    count: u32,
    journal: Journal,
}

/// What words were, in the order in which they changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Journal(Vec<Change>);

/// Two places and what they held, or a far pair and the count: what changes together is one line.
#[derive(Clone, Copy, Debug)]
struct Change {
    at: u32,
    old: u32,
    also_at: u32,
    also_old: u32,
}

/// The place of a far pair; what it held are the two words behind, the count the last one.
const FAR: u32 = 1 << 31;

/// A position in the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark(u32);

impl Journal {
    /// A word is about to change.
    #[inline(always)]
    pub(super) fn note(&mut self, at: usize, old: u32) {
        self.note_both((at, old), (at, old));
    }

    /// Two words are about to change.
    #[inline(always)]
    pub(super) fn note_both(&mut self, (at, old): (usize, u32), also: (usize, u32)) {
        let (also_at, also_old) = (also.0 as u32, also.1);
        self.0.push(Change { at: at as u32, old, also_at, also_old });
    }
}

impl Store {
    /// Room for so many more words, all zero; where they begin.
    pub fn reserve(&mut self, words: usize) -> usize {
        let begin = self.words.len();
        self.words.resize(begin + words, 0);
        begin
    }

    /// Room for so many far pairs, all zero; there is one table of them.
    pub fn reserve_far(&mut self, pairs: usize) {
        self.far = FarTable::new(pairs);
    }

    /// Gives up the words until they are needed: they are as they are now when the store wakes up. A
    /// machine has thousands of vCPUs of which some never run a task.
    pub fn sleep(&mut self) {
        self.fresh = std::mem::take(&mut self.words).into();
    }

    /// The words are needed from now on.
    #[inline]
    pub fn wake(&mut self) {
        if self.words.is_empty() {
            self.words = self.fresh.to_vec();
        }
    }

    /// Whether the words were never needed.
    pub fn is_asleep(&self) -> bool {
        self.words.is_empty()
    }

    /// A far pair.
    #[inline]
    pub fn far(&self, place: u32) -> (u32, u32) {
        self.far.get(place)
    }

    /// Changes a far pair and the count, to what is made of what they were; what else is made of that.
    #[inline(always)]
    pub fn change_far<T>(
        &mut self,
        place: u32,
        change: impl FnOnce((u32, u32), u32) -> ((u32, u32), u32, T),
    ) -> T {
        let pair = self.far.get_mut(place);
        let (old, count) = (*pair, self.count);
        let (new, next, more) = change(old, count);
        (*pair, self.count) = (new, next);
        let (also_at, also_old) = (old.1, count);
        self.journal.0.push(Change { at: FAR | place, old: old.0, also_at, also_old });
        more
    }

    /// So many words from a place on.
    #[inline]
    pub fn words(&self, at: usize, count: usize) -> &[u32] {
        &self.words[at..at + count]
    }

    /// All words, to be changed by someone who notes in the journal where one is about to change.
    #[inline(always)]
    pub(super) fn halves(&mut self) -> (&mut [u32], &mut Journal) {
        (&mut self.words, &mut self.journal)
    }

    /// A word.
    #[inline]
    pub fn get(&self, at: usize) -> u32 {
        self.words[at]
    }

    /// Changes a word. One that stays as it is costs no line in the journal.
    #[inline]
    pub fn set(&mut self, at: usize, value: u32) {
        let word = &mut self.words[at];
        if *word != value {
            self.journal.note(at, *word);
            *word = value;
        }
    }

    /// Changes words for good: what was changed before cannot be undone any more.
    ///
    /// # Panics
    /// When there is anything to undo.
    pub fn fill(&mut self, at: usize, count: usize, value: u32) {
        assert!(self.journal.0.is_empty(), "a flush in the middle of a burst");
        self.words[at..at + count].fill(value);
    }

    /// What was changed so far stays.
    #[inline]
    pub fn keep(&mut self) {
        self.journal.0.clear();
    }

    /// The present position.
    #[inline]
    pub fn mark(&self) -> Mark {
        Mark(self.journal.0.len() as u32)
    }

    /// Takes back all that was changed since.
    pub fn undo_to(&mut self, mark: Mark) {
        for Change { at, old, also_at, also_old } in self.journal.0.drain(mark.0 as usize..).rev() {
            if at & FAR == 0 {
                self.words[also_at as usize] = also_old;
                self.words[at as usize] = old;
            } else {
                *self.far.get_mut(at & !FAR) = (old, also_at);
                self.count = also_old;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_twice_comes_back_as_it_was_first() {
        let mut store = Store::default();
        let at = store.reserve(4);
        store.set(at, 1);
        store.keep();
        let mark = store.mark();
        store.set(at, 2);
        store.set(at + 3, 7);
        store.set(at, 3);
        store.undo_to(mark);
        assert_eq!(store.words(at, 4), [1, 0, 0, 0]);
    }

    #[test]
    fn far_pairs_come_back_too() {
        let mut store = Store::default();
        store.reserve_far(1 << 12);
        let set =
            |store: &mut Store, place: u32, pair| store.change_far(place, |_, n| (pair, n + 1, ()));
        set(&mut store, 9, (5, 6));
        let mark = store.mark();
        set(&mut store, 9, (5, 7));
        set(&mut store, 8, (1, 0));
        (100..1100).for_each(|place| set(&mut store, place, (place, 1)));
        store.undo_to(mark);
        assert_eq!([store.far(9), store.far(8), store.far(500)], [(5, 6), (0, 0), (0, 0)]);
        assert_eq!(store.change_far(9, |pair, n| (pair, n, n)), 1);
    }

    #[test]
    fn a_store_wakes_up_as_it_went_to_sleep() {
        let mut store = Store::default();
        let at = store.reserve(3);
        store.set(at + 1, 9);
        store.keep();
        store.sleep();
        assert!(store.is_asleep());
        store.wake();
        assert_eq!(store.words(at, 3), [0, 9, 0]);
    }

    #[test]
    fn a_word_that_stays_leaves_no_trace() {
        let mut store = Store::default();
        let at = store.reserve(1);
        let mark = store.mark();
        store.set(at, 0);
        assert_eq!(store.mark(), mark);
    }
}
