//! A list of what took how long, of which some are picked by their rank.

use sim_core::SimTime;

use crate::base::ids::TaskId;

/// Which fault or request of a run to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pick {
    /// The one that half of all are not slower than.
    Median,
    /// The one that 90 % of all are not slower than.
    P90,
    /// The one that 99 % of all are not slower than.
    P99,
    /// The one that 99.9 % of all are not slower than.
    P999,
    /// The slowest.
    Worst,
}

impl Pick {
    /// Every pick, by rising latency.
    pub const ALL: [Self; 5] = [Self::Median, Self::P90, Self::P99, Self::P999, Self::Worst];
    /// Those that are shown unless others are asked for.
    pub const USUAL: [Self; 3] = [Self::Median, Self::P99, Self::Worst];

    /// Its name in commands, tables and file names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Median => "median",
            Self::P90 => "p90",
            Self::P99 => "p99",
            Self::P999 => "p999",
            Self::Worst => "worst",
        }
    }

    /// The rank of the pick among `count` in order of latency, from 1.
    fn rank(self, count: usize) -> usize {
        match self {
            Self::Median => count.div_ceil(2),
            Self::P90 => count - count / 10,
            Self::P99 => count - count / 100,
            Self::P999 => count - count / 1000,
            Self::Worst => count,
        }
    }
}

/// What took some time.
pub trait Timed {
    /// Orders by latency in picoseconds; of equal ones the earlier is the smaller.
    fn order(&self) -> (u64, SimTime, TaskId);
}

/// Faults that a list keeps at most; 48 bytes each. With more it thins out.
pub(in crate::trace) const MOST: usize = 1 << 20;

/// What there was, in order of its end.
///
/// When there are too many it keeps every second, fourth and so on, and the slowest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept<T> {
    /// How many there were.
    pub count: u64,
    /// Of how many one is in `kept`.
    pub every: u64,
    most: usize,
    kept: Vec<T>,
    worst: Option<T>,
}

impl<T: Timed + Clone> Kept<T> {
    /// A list that keeps so many at most.
    pub(in crate::trace) fn keeping(most: usize) -> Self {
        Self { count: 0, every: 1, most: most.max(2), kept: Vec::new(), worst: None }
    }

    pub(in crate::trace) fn add(&mut self, one: T) {
        if self.worst.as_ref().is_none_or(|worst| worst.order() < one.order()) {
            self.worst = Some(one.clone());
        }
        if self.count.is_multiple_of(self.every) {
            self.kept.push(one);
        }
        self.count += 1;
        if self.kept.len() > self.most {
            let mut place = 0_usize;
            self.kept.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            self.every *= 2;
        }
    }

    /// Those that are kept, in order of their ends.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.kept.iter()
    }

    /// The one that so many are not faster than, itself among them: 1 is the slowest. Nothing when there are
    /// not so many, or when the list was thinned out so that nobody knows.
    pub fn slowest(&self, number: usize) -> Option<T> {
        if number == 1 {
            return self.worst.clone();
        }
        let mut sorted: Vec<&T> = self.kept.iter().collect();
        let place = sorted.len().checked_sub(number).filter(|_| number > 0 && self.every == 1)?;
        let (_, picked, _) = sorted.select_nth_unstable_by_key(place, |one| one.order());
        Some((*picked).clone())
    }

    /// The picked one; nothing when there was none. With equal latencies the order is that of time.
    pub fn pick(&self, pick: Pick) -> Option<T> {
        if pick == Pick::Worst {
            return self.worst.clone();
        }
        let mut sorted: Vec<&T> = self.kept.iter().collect();
        let place = pick.rank(sorted.len()).checked_sub(1)?;
        let (_, picked, _) = sorted.select_nth_unstable_by_key(place, |one| one.order());
        Some((*picked).clone())
    }
}

impl<T> Kept<T> {
    /// How many are not slower than the picked one; an estimate when the list was thinned.
    pub fn rank(&self, pick: Pick) -> u64 {
        match pick {
            Pick::Worst => self.count,
            _ => (pick.rank(self.kept.len()) as u64 * self.every).min(self.count),
        }
    }
}
