//! A part of the runs of a batch, for one of several machines.

use std::fmt;
use std::str::FromStr;

/// Most parts.
const MAX_SHARDS: u32 = 10_000;

/// Which part of the runs: `3/8` is the third of eight.
///
/// What is dealt out are replications of points, one after another like cards, each with all its
/// policies: they share a prefill. So parts differ by one replication at most, and where a sweep
/// becomes slower along an axis every part has slow points and fast ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard {
    /// From 1.
    number: u32,
    count: u32,
}

/// What is known of a part before all parts are summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardRuns {
    /// Runs of the part.
    pub runs: usize,
    /// Runs of all parts.
    pub all: usize,
    /// Whether one of the part broke an invariant that it is not known to break.
    pub violation: bool,
}

/// Why a text names no part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected K/N with K from 1 to N and N at most {MAX_SHARDS}, such as `3/8`")]
pub struct NoShard;

impl Shard {
    /// All runs.
    pub(crate) const WHOLE: Self = Self { number: 1, count: 1 };

    /// Part `number` (from 1) of `count`; nothing where there is no such part.
    pub fn new(number: u32, count: u32) -> Option<Self> {
        let valid = count <= MAX_SHARDS && (1..=count).contains(&number);
        valid.then_some(Self { number, count })
    }

    /// Which part, from 1.
    pub fn number(self) -> u32 {
        self.number
    }

    /// How many parts there are.
    pub fn count(self) -> u32 {
        self.count
    }

    /// Whether the replication of that place among those of all points belongs to it.
    pub(crate) fn has(self, place: usize) -> bool {
        place % self.count as usize + 1 == self.number as usize
    }

    /// Whether that is all.
    pub(crate) fn is_whole(self) -> bool {
        self.count == 1
    }
}

impl FromStr for Shard {
    type Err = NoShard;

    fn from_str(text: &str) -> Result<Self, NoShard> {
        let (number, count) = text.split_once('/').ok_or(NoShard)?;
        let part = |text: &str| text.trim().parse::<u32>().map_err(|_| NoShard);
        Self::new(part(number)?, part(count)?).ok_or(NoShard)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_written_as_two_numbers() {
        for text in ["1/1", "3/8", "8/8", "10000/10000"] {
            assert_eq!(text.parse::<Shard>().map(|shard| shard.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "3", "0/8", "9/8", "1/0", "-1/8", "1/10001", "1/8/2", "a/b"] {
            assert_eq!(text.parse::<Shard>(), Err(NoShard), "{text}");
        }
    }

    #[test]
    fn parts_share_all_and_have_nothing_in_common() {
        for count in [1, 2, 7, 40] {
            let parts = || (1..=count).filter_map(|number| Shard::new(number, count));
            for place in 0..33 {
                assert_eq!(parts().filter(|shard| shard.has(place)).count(), 1, "{place}/{count}");
            }
            let sizes = parts().map(|shard| (0..33).filter(|place| shard.has(*place)).count());
            let (least, most) = (sizes.clone().min(), sizes.max());
            assert!(most <= least.map(|least| least + 1), "{least:?} {most:?}");
        }
    }
}
