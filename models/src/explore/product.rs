//! The states of a VM, composed from those of its vCPUs.
//!
//! A vCPU and its workers see nothing of another vCPU but the pages: items, lists, halts, the
//! shared area, the local APIC and the sleepers of its notices are its own, and the lowest bits of
//! a token say whose it is. So all that one vCPU's moves change for another is which pages are
//! there, and a disturbance of the VM is the one move that all make together. Between two such
//! changes vCPUs move independently: every state of one goes with every state of the other.
//!
//! A *history* is the sequence of these changes, with who brought each page. For one history the
//! states that the VM can be in are therefore all combinations of those in which each vCPU can be
//! after it, and a state of the VM is reachable exactly if some history reaches all its parts.
//! Histories are finite: a page that is there does not come again until it is reclaimed, and
//! disturbances are bounded. So the search follows one vCPU, lets every page come at any time, and
//! what it visits is put together here: which of the visited states do occur in the VM, and how
//! many states the VM has. No state of the VM is left out, and none is made up.
//!
//! What is checked in each state speaks of one vCPU, so a state of the VM is sound if its parts
//! are. (Tokens of two vCPUs differ in their lowest bits, since there are fewer vCPUs here than
//! those can count.) From every state of a vCPU there must be a way to its end that needs no other
//! vCPU and no disturbance: then the VM comes to its end as well, one vCPU after another.
//!
//! Three disturbances are different: who takes a VM apart or changes its memory map waits for the
//! workers of all vCPUs, and a kernel ends when all vCPUs but one have switched notices off. There,
//! one vCPU is followed among others, and how many states all have together is not known. What the
//! others would have to do first is taken as done: all that the followed vCPU can meet is found,
//! and perhaps more, but for a worker of another vCPU that holds the memory map until 3.18, which
//! `map-write` does not meet. Nor is the number known for kernels in which token 0 exists and page
//! ready is an exception: states there that are told apart differ in more than their future, we think
//! because token 0 and no token have the same name on vCPU 0.

use std::collections::{BTreeMap, BTreeSet};

use super::search::{By, Change, Edge, Search};
use super::store::StateId;

/// More histories than any world has that is searched in reasonable time.
const MAX_HISTORIES: usize = 4096;

/// What the states of vCPUs amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    /// States of the VM.
    pub states: u128,
    /// States of vCPUs that the search visited and that do not occur in the VM.
    pub unreached: u64,
}

type History = u16;

/// How many states of a vCPU have these histories, and whether the search ends in them.
type Classes<'a> = BTreeMap<(&'a [History], bool), u128>;

/// A change and who makes it; nobody, if all do.
type Step = (Option<usize>, Change);

/// The states of a vCPU after each history.
struct Part<'a> {
    search: &'a Search<'a>,
    /// Edges by the state that they lead from.
    first: Vec<u32>,
    order: Vec<u32>,
    /// By state, the histories after which it can be.
    histories: Vec<Vec<History>>,
}

/// Composes the searches of all vCPUs, which may be the same search more than once; nothing if
/// there are too many histories.
pub(super) fn compose(searches: &[&Search]) -> Option<Product> {
    let mut parts: Vec<Part> = searches.iter().map(|search| Part::new(search)).collect();
    let mut left: Vec<Vec<Vec<StateId>>> = vec![vec![vec![0]; parts.len()]];
    let mut count = 0;
    while let Some(seeds) = left.pop() {
        if count == MAX_HISTORIES {
            return None;
        }
        let history = count as History;
        count += 1;
        let sets: Vec<Vec<StateId>> =
            parts.iter_mut().zip(&seeds).map(|(part, seeds)| part.stay(seeds, history)).collect();
        let mut steps: BTreeMap<Step, Vec<Vec<StateId>>> = BTreeMap::new();
        for (me, (part, set)) in parts.iter().zip(&sets).enumerate() {
            part.leave(me, (set, searches.len()), &mut steps);
        }
        let possible = |after: &Vec<Vec<StateId>>| after.iter().all(|seeds| !seeds.is_empty());
        left.extend(steps.into_values().filter(possible));
    }
    let unreached = |part: &Part| part.histories.iter().filter(|of| of.is_empty()).count() as u64;
    let unreached = parts.iter().map(unreached).sum();
    let classes: Vec<Classes> = parts.iter().map(Part::classes).collect();
    Some(Product { states: combinations(&classes, (None, false)), unreached })
}

impl<'a> Part<'a> {
    fn new(search: &'a Search<'a>) -> Self {
        let states = search.nodes.len();
        let mut first = vec![0_u32; states + 1];
        search.edges.iter().for_each(|edge| first[edge.from as usize + 1] += 1);
        for state in 0..states {
            first[state + 1] += first[state];
        }
        let mut place = first.clone();
        let mut order = vec![0; search.edges.len()];
        for (index, edge) in search.edges.iter().enumerate() {
            let slot = &mut place[edge.from as usize];
            order[*slot as usize] = index as u32;
            *slot += 1;
        }
        Self { search, first, order, histories: vec![Vec::new(); states] }
    }

    fn edges(&self, state: StateId) -> impl Iterator<Item = &'a Edge> {
        let range = self.first[state as usize] as usize..self.first[state as usize + 1] as usize;
        let search = self.search;
        self.order[range].iter().map(move |&index| &search.edges[index as usize])
    }

    /// All states that are reached from the seeds without a change, noted under a history.
    fn stay(&mut self, seeds: &[StateId], history: History) -> Vec<StateId> {
        let mut set = Vec::new();
        let mut left = seeds.to_vec();
        while let Some(state) = left.pop() {
            let histories = &mut self.histories[state as usize];
            if histories.last() == Some(&history) {
                continue;
            }
            histories.push(history);
            set.push(state);
            let stays = |edge: &&Edge| edge.change == Change::None;
            left.extend(self.edges(state).filter(stays).map(|edge| edge.to));
        }
        set
    }

    /// Where the changes lead that can happen next.
    fn leave(
        &self,
        me: usize,
        (set, vcpus): (&[StateId], usize),
        steps: &mut BTreeMap<Step, Vec<Vec<StateId>>>,
    ) {
        let mut mine: BTreeMap<Step, BTreeSet<StateId>> = BTreeMap::new();
        for edge in set.iter().flat_map(|&state| self.edges(state)) {
            let mut add = |who| mine.entry((who, edge.change)).or_default().insert(edge.to);
            match (edge.change, edge.by) {
                (Change::None, _) => {}
                (_, By::Vm) => {
                    add(None);
                }
                (_, By::Others) => (0..vcpus).filter(|&who| who != me).for_each(|who| {
                    add(Some(who));
                }),
                _ => {
                    add(Some(me));
                }
            }
        }
        for (step, seeds) in mine {
            let after = steps.entry(step).or_insert_with(|| vec![Vec::new(); vcpus]);
            after[me] = seeds.into_iter().collect();
        }
    }

    /// How many states are alike in what decides with which others they go.
    fn classes(&self) -> Classes<'_> {
        let mut classes = Classes::new();
        let nodes = self.histories.iter().zip(&self.search.nodes);
        for (histories, node) in nodes.filter(|(histories, _)| !histories.is_empty()) {
            *classes.entry((histories, node.marks.broken)).or_default() += 1;
        }
        classes
    }
}

/// The combinations of states that have a history in common. Where the search goes no further on
/// one vCPU, it does not on the others either, so that it ends on one of them at most.
fn combinations(classes: &[Classes], (common, ended): (Option<&[History]>, bool)) -> u128 {
    let Some((first, rest)) = classes.split_first() else { return 1 };
    let mut total = 0;
    for (&(histories, ends), count) in first.iter().filter(|((_, ends), _)| !(ended && *ends)) {
        let both: Vec<History> = match common {
            None => histories.to_vec(),
            Some(common) => {
                histories.iter().filter(|h| common.binary_search(h).is_ok()).copied().collect()
            }
        };
        if !both.is_empty() {
            total += count * combinations(rest, (Some(&both), ended || ends));
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::super::setup::{Disturbance, Setup};
    use super::*;
    use crate::apf::Defects;
    use crate::apf::rules::generation;
    use crate::explore::{Bounds, explore};

    fn world(rules: &str, (vcpus, tasks, pages): (u16, u8, u8)) -> Setup {
        let rules = generation(rules).expect("a known generation");
        let small = Setup::new(rules, Defects::none(), 2);
        Setup { vcpus, tasks, pages, ..small }
    }

    /// The same world state by state, with nothing left out: the number of states agrees.
    fn agrees(setup: &Setup) {
        let explored = explore(setup, &Bounds::default(), None).expect("a small world");
        let product = explored.product.expect("the states of the VM can be told");
        let whole = Setup { whole: true, ..*setup };
        let plain = Search::plain(&whole);
        assert_eq!(plain.limit, None);
        assert_eq!(product.states, plain.nodes.len() as u128, "{setup:?}");
    }

    #[test]
    fn composed_states_are_those_of_the_whole() {
        agrees(&world("v6.19", (2, 1, 1)));
        agrees(&world("v6.19", (2, 2, 1)));
    }

    #[test]
    fn disturbances_of_pages_compose_as_well() {
        use Disturbance::{Evict, Migration};
        for disturbance in [Evict, Migration] {
            let setup = world("v6.19", (2, 1, 1));
            agrees(&Setup { budget: setup.budget.with(disturbance, 1), ..setup });
        }
    }

    #[test]
    fn a_vmm_that_answers_faults_composes_as_well() {
        agrees(&world("user-exit", (2, 1, 1)));
    }

    #[test]
    fn disturbances_of_machines_compose_as_well() {
        use Disturbance::{AllocFailure, Migration, Reset, VmmReset};
        for disturbance in [Reset, VmmReset] {
            let setup = world("v6.19", (2, 1, 1));
            agrees(&Setup { budget: setup.budget.with(disturbance, 1), ..setup });
        }
        // A wake-all may be lost on each vCPU apart.
        let setup = world("v7.3", (2, 1, 1));
        let budget = setup.budget.with(Migration, 1).with(AllocFailure, 1);
        agrees(&Setup { budget, ..setup });
    }

    #[test]
    #[ignore = "minutes, larger worlds, state by state: cargo test --release -p models --lib explore::product -- --ignored"]
    fn composed_states_are_those_of_larger_worlds() {
        // The first token of vCPU 0 is what a free slot holds, so that vCPUs differ.
        agrees(&world("v5.8", (2, 1, 1)));
        let moved = world("v6.19", (2, 1, 1));
        agrees(&Setup { budget: moved.budget.with(Disturbance::MemslotChange, 1), ..moved });
        agrees(&world("v6.19", (2, 1, 2)));
        agrees(&world("user-exitless", (2, 1, 1)));
        let exit = world("user-exit", (2, 1, 1));
        for disturbance in [Disturbance::VmmTwice, Disturbance::Rearm] {
            agrees(&Setup { budget: exit.budget.with(disturbance, 1), ..exit });
        }
        agrees(&world("v6.19", (3, 1, 1)));
        let evict = world("v6.19", (2, 1, 2));
        agrees(&Setup { budget: evict.budget.with(Disturbance::Evict, 1), ..evict });
    }

    #[test]
    fn what_cannot_be_composed_is_not() {
        assert_eq!(
            explore(&world("v2.6.39", (2, 1, 1)), &Bounds::default(), None).expect("small").product,
            None
        );
        let setup = world("v6.19", (2, 1, 1));
        let setup = Setup { budget: setup.budget.with(Disturbance::Destroy, 1), ..setup };
        assert_eq!(explore(&setup, &Bounds::default(), None).expect("small").product, None);
    }
}
