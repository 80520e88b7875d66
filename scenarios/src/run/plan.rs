//! A scenario as a numbered list of independent runs.

use crate::scenario::resolve::Scenario;

/// One run: one policy with one set of random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Place in the plan, from 0: `replication * policies + policy`.
    pub number: u32,
    /// Which replication, from 0.
    pub replication: u32,
    /// Which policy, as an index into the scenario's policies.
    pub policy: usize,
    /// The seed of the replication, which its policies share.
    pub seed: u64,
}

/// All runs of a scenario. The same scenario has the same plan everywhere, and a plan with more
/// replications begins with the runs of a plan with fewer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    runs: Vec<Run>,
    policies: usize,
}

impl Plan {
    /// The plan of a scenario.
    pub fn new(scenario: &Scenario) -> Self {
        Self::of(scenario.policies.len(), scenario.replications, scenario.seed)
    }

    fn of(policies: usize, replications: u32, seed: u64) -> Self {
        let replication = |replication| {
            let seed = replication_seed(seed, replication);
            (0..policies).map(move |policy| (replication, policy, seed))
        };
        let runs = (0..replications).flat_map(replication).zip(0..);
        let runs = runs
            .map(|((replication, policy, seed), number)| Run { number, replication, policy, seed })
            .collect();
        Self { runs, policies }
    }

    /// All runs by rising number.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The runs of each replication, by rising number.
    pub fn replications(&self) -> impl ExactSizeIterator<Item = &[Run]> {
        self.runs.chunks(self.policies.max(1))
    }
}

/// The seed of a replication. All policies of a replication share it, so that they are compared on
/// the same random numbers.
///
/// `mix(mix(seed) + replication * 0x9e3779b97f4a7c15)` in wrapping 64-bit arithmetic, with the
/// finaliser of SplitMix64 as `mix` (G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom
/// number generators", OOPSLA 2014). Both are one to one, so the replications of a scenario never
/// share a seed.
pub fn replication_seed(seed: u64, replication: u32) -> u64 {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    mix(mix(seed).wrapping_add(u64::from(replication).wrapping_mul(GOLDEN)))
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn runs_are_numbered_by_replication_and_policy() {
        let plan = Plan::of(3, 2, 7);
        let runs: Vec<_> =
            plan.runs().iter().map(|run| (run.number, run.replication, run.policy)).collect();
        assert_eq!(runs, [(0, 0, 0), (1, 0, 1), (2, 0, 2), (3, 1, 0), (4, 1, 1), (5, 1, 2)]);
        assert_eq!(plan.replications().len(), 2);
        for runs in plan.replications() {
            assert!(runs.iter().all(|run| run.seed == runs[0].seed));
        }
    }

    #[test]
    fn more_replications_keep_the_first_runs() {
        let (few, many) = (Plan::of(3, 2, 7), Plan::of(3, 5, 7));
        assert_eq!(few.runs(), &many.runs()[..6]);
    }

    #[test]
    fn seeds_differ() {
        let mut seen = BTreeSet::new();
        for seed in 0..100 {
            for replication in 0..100 {
                assert!(seen.insert(replication_seed(seed, replication)), "{seed} {replication}");
            }
        }
    }

    /// Stored results depend on these values, which were worked out apart from this code.
    #[test]
    fn seeds_are_stable() {
        for (seed, replication, expect) in [
            (0, 0, 0x0),
            (1, 0, 0x7ab40e090f363a7d),
            (1, 1, 0xbfef8030ddc2d772),
            (2010, 9, 0x19723525b54a330d),
        ] {
            assert_eq!(replication_seed(seed, replication), expect, "{seed} {replication}");
        }
    }
}
