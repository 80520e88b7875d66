//! Where the lines of tables lie: eight entries to a line of 64 bytes, in the first, second or third
//! level of the caches, or in memory. What a reference costs follows from that.
//!
//! A level of n lines keeps a line of a table until n other ones have been brought into the first level
//! since its last use: what a fully associative cache with LRU does, but for uses of others that were
//! there already. A level has as many lines for tables as its configuration gives them; the data of
//! programs has the rest, and is not followed.

use super::store::Store;

/// A line of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line(u64);

/// Entries of a table on a line, as bits of an index.
const ENTRY_BITS: u32 = 3;
const INDEX_BITS: u32 = 9;
/// Levels of tables.
const LEVELS: usize = 5;

/// Where a line was found: how many levels of caches did not have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLevel(u8);

impl CacheLevel {
    /// First level.
    pub const L1: Self = Self(0);
    /// Second level.
    pub const L2: Self = Self(1);
    /// Third level.
    pub const L3: Self = Self(2);
    /// In none.
    pub const MEMORY: Self = Self(3);
}

/// References by where their lines were, at most some thousand each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct References(u64);

impl References {
    /// Bits of a count.
    const BITS: u32 = 16;

    /// One more.
    #[inline(always)]
    pub fn add(&mut self, level: CacheLevel) {
        self.0 += 1 << (Self::BITS * u32::from(level.0));
    }

    /// All of them.
    pub fn total(self) -> u32 {
        self.counts().iter().sum::<u64>() as u32
    }

    /// How many there were: in L1, L2, L3, memory.
    #[inline(always)]
    pub fn counts(self) -> [u64; 4] {
        [0, 1, 2, 3].map(|level| self.0 >> (Self::BITS * level) & ((1 << Self::BITS) - 1))
    }
}

/// When the lines of tables were used last, in the far pairs of a store. A place has the line's number plus one and the
/// count of lines that had been brought in; lines that share a place push each other out, which matters
/// where there are more of them than four times what the third level holds.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    /// Number of places less one; the number is a power of two.
    mask: u64,
    /// Lines of each level and those above it.
    sizes: [u32; 3],
    /// The first number of the lines of each level of tables, those of the guest's and of the second stage.
    first: [[u64; LEVELS]; 2],
}

impl Lines {
    /// Empty caches of so many lines in a store, for so many pages that each kind of table maps.
    pub fn new(store: &mut Store, sizes: [u32; 3], pages: u64) -> Self {
        let mut first = [[0; LEVELS]; 2];
        let mut count = 0;
        for level in 0..LEVELS {
            for stage in &mut first {
                stage[level] = count;
                count += (pages >> (INDEX_BITS * level as u32 + ENTRY_BITS)) + 1;
            }
        }
        let [_, _, third] = sizes;
        let most = u64::from(sizes.into_iter().max().unwrap_or(third)) * 4;
        let number = count.min(most).next_power_of_two().max(1);
        store.reserve_far(number as usize);
        // A level below one that is larger never has a line that this one has lost.
        let [one, two, three] = sizes;
        let sizes = [one, one.max(two), one.max(two).max(three)];
        Self { mask: number - 1, sizes, first }
    }

    /// The line of the guest's tables of a level with the entry for a page, counted from the first one.
    #[inline]
    pub fn of_guest(&self, page: u64, level: u32) -> Line {
        self.line(0, page, level)
    }

    /// The line of the second stage's tables of a level with the entry for a frame.
    #[inline]
    pub fn of_host(&self, frame: u64, level: u32) -> Line {
        self.line(1, frame, level)
    }

    #[inline]
    fn line(&self, stage: usize, key: u64, level: u32) -> Line {
        let within = key >> (INDEX_BITS * (level - 1) + ENTRY_BITS);
        Line(self.first[stage][level as usize - 1] + within)
    }

    /// The time of the last use of a line, or of another one that shares its place.
    #[inline]
    pub fn last_use(&self, store: &Store, line: Line) -> u32 {
        store.far((line.0 & self.mask) as u32).1
    }

    /// Uses a line: where it was. It is in all levels afterwards.
    #[inline(always)]
    pub fn read(&self, store: &mut Store, line: Line) -> CacheLevel {
        let place = (line.0 & self.mask) as u32;
        let tag = line.0 as u32 + 1;
        // The count is how many lines have been brought into the first level.
        store.change_far(place, |old, clock| {
            let others = clock.wrapping_sub(old.1);
            // Without a branch: which level it is is as good as random.
            let level = self.level(others).max(if old.0 == tag { 0 } else { CacheLevel::MEMORY.0 });
            let clock = clock.wrapping_add(u32::from(level != CacheLevel::L1.0));
            ((tag, clock), clock, CacheLevel(level))
        })
    }

    /// The level that still has a line after so many others.
    #[inline(always)]
    fn level(&self, others: u32) -> u8 {
        let [first, second, third] = self.sizes;
        u8::from(others >= first) + u8::from(others >= second) + u8::from(others >= third)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_entries_share_a_line() {
        let mut store = Store::default();
        let lines = Lines::new(&mut store, [256, 1024, 4096], 1 << 20);
        assert_eq!(lines.read(&mut store, lines.of_guest(8, 1)), CacheLevel::MEMORY);
        for page in 8..16 {
            assert_eq!(lines.read(&mut store, lines.of_guest(page, 1)), CacheLevel::L1);
        }
        // The next line, that of the second stage, and the line above are others.
        for line in [lines.of_guest(16, 1), lines.of_host(8, 1), lines.of_guest(8, 2)] {
            assert_eq!(lines.read(&mut store, line), CacheLevel::MEMORY);
        }
    }

    /// A working set that grows moves from level to level, at their sizes.
    #[test]
    fn lines_are_found_where_they_fit() {
        let cases = [
            (256, CacheLevel::L1),
            (257, CacheLevel::L2),
            (1024, CacheLevel::L2),
            (1025, CacheLevel::L3),
            (4096, CacheLevel::L3),
            (4097, CacheLevel::MEMORY),
        ];
        for (count, expected) in cases {
            let mut store = Store::default();
            let lines = Lines::new(&mut store, [256, 1024, 4096], 1 << 20);
            let all = |store: &mut Store| {
                let read = |n: u64| lines.read(store, lines.of_guest(n * 8, 1));
                (0..count).map(read).collect::<Vec<_>>()
            };
            all(&mut store);
            assert!(all(&mut store).iter().all(|&level| level == expected), "{count} lines");
        }
    }

    /// More lines than there are places for: who shares a place with another one is lost early, and
    /// a lookup never hits a line that was not inserted.
    #[test]
    fn a_huge_guest_takes_a_bounded_place() {
        let mut store = Store::default();
        let lines = Lines::new(&mut store, [64, 256, 1024], 1 << 28);
        assert!(lines.mask < 4096);
        let far = |n: u64| lines.of_host(n * 8 * 4096 * 16, 1);
        for n in 0..100 {
            assert_eq!(lines.read(&mut store, far(n)), CacheLevel::MEMORY);
        }
    }

    #[test]
    fn without_caches_every_line_is_in_memory() {
        let mut store = Store::default();
        let lines = Lines::new(&mut store, [0; 3], 1 << 20);
        for _ in 0..2 {
            assert_eq!(lines.read(&mut store, lines.of_guest(1, 1)), CacheLevel::MEMORY);
        }
    }
}
