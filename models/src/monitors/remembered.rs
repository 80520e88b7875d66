//! The last things of a kind: as many as a monitor may keep.

/// The last `MOST` of what was added, in no order.
#[derive(Clone, Debug)]
pub(super) struct Remembered<T, const MOST: usize> {
    all: Vec<T>,
    /// Where the oldest one is, once there are as many.
    oldest: usize,
}

impl<T, const MOST: usize> Default for Remembered<T, MOST> {
    fn default() -> Self {
        Self { all: Vec::new(), oldest: 0 }
    }
}

impl<T, const MOST: usize> Remembered<T, MOST> {
    /// Keeps a further one, in the place of the oldest where there are too many.
    pub(super) fn add(&mut self, one: T) {
        if self.all.len() < MOST {
            self.all.push(one);
        } else {
            self.all[self.oldest] = one;
            self.oldest = (self.oldest + 1) % MOST;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.all.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first() {
        let mut remembered = Remembered::<u32, 3>::default();
        (0..7).for_each(|one| remembered.add(one));
        let mut kept: Vec<u32> = remembered.iter().copied().collect();
        kept.sort_unstable();
        assert_eq!(kept, [4, 5, 6]);
    }
}
