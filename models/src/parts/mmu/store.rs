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
    /// Where a word was changed, and what it held.
    journal: Vec<(u32, u32)>,
}

/// In the journal, the first or the second word of a far pair.
const FAR_FIRST: u32 = 1 << 31;
const FAR_SECOND: u32 = 1 << 30;

/// A position in the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark(u32);

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

    /// Changes a far pair, to what is made of what it was; what else is made of that.
    #[inline]
    pub fn change_far<T>(
        &mut self,
        place: u32,
        change: impl FnOnce((u32, u32)) -> ((u32, u32), T),
    ) -> T {
        let pair = self.far.get_mut(place);
        let old = *pair;
        let (new, more) = change(old);
        *pair = new;
        if old.0 != new.0 {
            self.journal.push((FAR_FIRST | place, old.0));
        }
        if old.1 != new.1 {
            self.journal.push((FAR_SECOND | place, old.1));
        }
        more
    }

    /// So many words from a place on.
    #[inline]
    pub fn words(&self, at: usize, count: usize) -> &[u32] {
        &self.words[at..at + count]
    }

    /// All words, to be changed by someone who notes in the journal where one was changed and what it
    /// held.
    #[inline]
    pub(super) fn halves(&mut self) -> (&mut [u32], &mut Vec<(u32, u32)>) {
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
            self.journal.push((at as u32, *word));
            *word = value;
        }
    }

    /// Changes words for good: what was changed before cannot be undone any more.
    ///
    /// # Panics
    /// When there is anything to undo.
    pub fn fill(&mut self, at: usize, count: usize, value: u32) {
        assert!(self.journal.is_empty(), "a flush in the middle of a burst");
        self.words[at..at + count].fill(value);
    }

    /// What was changed so far stays.
    #[inline]
    pub fn keep(&mut self) {
        self.journal.clear();
    }

    /// The present position.
    #[inline]
    pub fn mark(&self) -> Mark {
        Mark(self.journal.len() as u32)
    }

    /// Takes back all that was changed since.
    pub fn undo_to(&mut self, mark: Mark) {
        for (at, old) in self.journal.drain(mark.0 as usize..).rev() {
            let place = at & !(FAR_FIRST | FAR_SECOND);
            if at & FAR_FIRST != 0 {
                self.far.get_mut(place).0 = old;
            } else if at & FAR_SECOND != 0 {
                self.far.get_mut(place).1 = old;
            } else {
                self.words[at as usize] = old;
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
        let set = |store: &mut Store, place: u32, pair| store.change_far(place, |_| (pair, ()));
        set(&mut store, 9, (5, 6));
        let mark = store.mark();
        set(&mut store, 9, (5, 7));
        set(&mut store, 8, (1, 0));
        (100..1100).for_each(|place| set(&mut store, place, (place, 1)));
        store.undo_to(mark);
        assert_eq!([store.far(9), store.far(8), store.far(500)], [(5, 6), (0, 0), (0, 0)]);
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
