//! How loaded each processor of a machine is, so that the idlest and the busiest ones are found without
//! asking all of them.

/// Sets of processors, in words of bits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Set {
    words: Vec<u64>,
    count: usize,
}

impl Set {
    fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn insert(&mut self, at: usize) {
        if self.words.len() <= at / 64 {
            self.words.resize(at / 64 + 1, 0);
        }
        self.words[at / 64] |= 1 << (at % 64);
        self.count += 1;
    }

    fn remove(&mut self, at: usize) {
        self.words[at / 64] &= !(1 << (at % 64));
        self.count -= 1;
    }

    /// Those in it, lowest number first.
    fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        let words = if self.is_empty() { &[][..] } else { &self.words };
        words.iter().enumerate().flat_map(|(at, &word)| {
            let rest = std::iter::successors(Some(word), |&rest| Some(rest & rest.wrapping_sub(1)));
            let bits = rest.take_while(|&rest| rest != 0).map(u64::trailing_zeros);
            bits.map(move |bit| at * 64 + bit as usize)
        })
    }

    /// Those in it that are not below `least`, highest number first.
    fn down_to(&self, least: usize) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().skip(least / 64).rev().flat_map(move |(at, &word)| {
            let from = if at == least / 64 { least % 64 } else { 0 };
            let rest = std::iter::successors(Some(word >> from << from), |&rest| {
                (rest != 0).then(|| rest & !(1 << rest.ilog2()))
            });
            let bits = rest.take_while(|&rest| rest != 0).map(u64::ilog2);
            bits.map(move |bit| at * 64 + bit as usize)
        })
    }
}

/// Of each processor, how many want it, and whether anybody waits for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loads {
    of: Vec<(usize, bool)>,
    /// By how many want them.
    all: Vec<Set>,
    /// Those among them for which somebody waits.
    waited_for: Vec<Set>,
    /// Lengths of queues that some processor has, of either: where thousands want one processor, most have none.
    levels: Set,
    waited_levels: Set,
}

impl Loads {
    /// So many processors that nobody wants.
    pub fn new(processors: usize) -> Self {
        let mut idle = Set::default();
        (0..processors).for_each(|at| idle.insert(at));
        let mut levels = Set::default();
        levels.insert(0);
        Self {
            of: vec![(0, false); processors],
            all: vec![idle],
            waited_for: vec![Set::default()],
            levels,
            waited_levels: Set::default(),
        }
    }

    /// So many want a processor now, and somebody waits for it or nobody does.
    #[inline]
    pub fn set(&mut self, at: usize, running: usize, waits: bool) {
        if self.of[at] != (running, waits) {
            self.change(at, running, waits);
        }
    }

    fn change(&mut self, at: usize, running: usize, waits: bool) {
        let (before, waited) = std::mem::replace(&mut self.of[at], (running, waits));
        if self.all.len() <= running {
            self.all.resize_with(running + 1, Set::default);
            self.waited_for.resize_with(running + 1, Set::default);
        }
        leave(&mut self.all[before], at, &mut self.levels, before);
        join(&mut self.all[running], at, &mut self.levels, running);
        if waited {
            leave(&mut self.waited_for[before], at, &mut self.waited_levels, before);
        }
        if waits {
            join(&mut self.waited_for[running], at, &mut self.waited_levels, running);
        }
    }

    /// The processors that nobody wants, the first one first.
    pub fn idle(&self) -> impl Iterator<Item = usize> + '_ {
        self.all[0].iter()
    }

    /// All of them, those that fewest want first, and among equals the first one.
    pub fn idlest_first(&self) -> impl Iterator<Item = usize> + '_ {
        self.levels.iter().flat_map(|level| self.all[level].iter())
    }

    /// Those that so many want at least and for which somebody waits, the busiest first, and among equals
    /// the first one.
    pub fn busiest_first(&self, least: usize) -> impl Iterator<Item = usize> + '_ {
        self.waited_levels.down_to(least).flat_map(|level| self.waited_for[level].iter())
    }
}

fn leave(set: &mut Set, at: usize, levels: &mut Set, level: usize) {
    set.remove(at);
    if set.is_empty() {
        levels.remove(level);
    }
}

fn join(set: &mut Set, at: usize, levels: &mut Set, level: usize) {
    if set.is_empty() {
        levels.insert(level);
    }
    set.insert(at);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What asking every processor would find.
        #[test]
        fn the_order_is_that_of_a_search(
            changes in prop::collection::vec((0usize..150, 0usize..300, any::<bool>()), 0..400),
            least in 0usize..300,
        ) {
            let mut plain = vec![(0, false); 150];
            let mut loads = Loads::new(150);
            for (at, running, waits) in changes {
                plain[at] = (running, waits);
                loads.set(at, running, waits);
            }
            let mut idlest: Vec<usize> = (0..150).collect();
            idlest.sort_by_key(|&at| (plain[at].0, at));
            prop_assert_eq!(loads.idle().next(), (0..150).find(|&at| plain[at].0 == 0));
            prop_assert_eq!(loads.idlest_first().collect::<Vec<_>>(), idlest);
            let mut busiest: Vec<usize> =
                (0..150).filter(|&at| plain[at].1 && plain[at].0 >= least).collect();
            busiest.sort_by_key(|&at| (usize::MAX - plain[at].0, at));
            prop_assert_eq!(loads.busiest_first(least).collect::<Vec<_>>(), busiest);
        }
    }
}
