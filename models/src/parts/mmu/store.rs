//! The words in which a core keeps its translations, with a journal: what a vCPU changes by running
//! ahead of the other actors is undone by putting old words back.

/// Words, and what they were.
#[derive(Clone, Debug, Default)]
pub struct Store {
    words: Vec<u32>,
    /// Where a word was changed, and what it held.
    journal: Vec<(u32, u32)>,
}

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

    /// So many words from a place on.
    #[inline]
    pub fn words(&self, at: usize, count: usize) -> &[u32] {
        &self.words[at..at + count]
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
            self.words[at as usize] = old;
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
    fn a_word_that_stays_leaves_no_trace() {
        let mut store = Store::default();
        let at = store.reserve(1);
        let mark = store.mark();
        store.set(at, 0);
        assert_eq!(store.mark(), mark);
    }
}
