//! The last few of many values.

/// A ring of the last few values.
#[derive(Clone, Debug)]
pub(super) struct Ring<T> {
    kept: Vec<T>,
    next: usize,
}

impl<T> Default for Ring<T> {
    fn default() -> Self {
        Self { kept: Vec::new(), next: 0 }
    }
}

impl<T: Copy> Ring<T> {
    pub(super) fn add(&mut self, value: T, most: usize) {
        if self.kept.len() < most {
            self.kept.push(value);
        } else {
            self.kept[self.next] = value;
            self.next = (self.next + 1) % most;
        }
    }

    /// From the oldest.
    pub(super) fn values(&self) -> impl Iterator<Item = T> + '_ {
        let (new, old) = self.kept.split_at(self.next);
        old.iter().chain(new).copied()
    }

    pub(super) fn empty(&mut self) {
        self.kept.clear();
        self.next = 0;
    }
}
