//! What makes two states one: a fingerprint that does not see names.
//!
//! Pages, tasks and vCPUs are interchangeable: each page may be touched by each task, each task of
//! a vCPU does the same, and so does each vCPU. Items and workers have no names but their place,
//! and a token matters by whose it is, not by its value. A state is therefore written down once
//! for every order of its pages and tasks, and the smallest text is hashed. Where a rule or a
//! defect gives a name a meaning, that name is kept.

use xxhash_rust::xxh3::xxh3_128;

use crate::apf::host::{HostHalf, Life};
use crate::apf::{Apf, Defect};

use super::names::{Meaning, Names, of_flags};
use super::protection::Protection;
use super::setup::Setup;
use super::world::World;

/// Orders in which a state is written down.
#[derive(Clone, Debug)]
pub(super) struct Canon {
    pages: Vec<Vec<u8>>,
    tasks: Vec<Vec<u8>>,
    /// Whether vCPUs can be exchanged.
    vcpus: bool,
    meaning: Meaning,
}

impl Canon {
    pub(super) fn new(setup: &Setup) -> Self {
        // Where the states of vCPUs are composed, all must mean the same page by a name.
        let composed = setup.has_others();
        let slots =
            setup.defects.has(Defect::HashDeleteHole) || setup.defects.has(Defect::UnboundedProbe);
        let own = |count: u8| vec![(0..count).collect::<Vec<u8>>()];
        let token = setup.rules.token;
        let first = token.first_from(0, setup.rules.token_zero);
        let values = 1_u32 << token.id_bits;
        let by_value = setup.zero_matters() || setup.numbered();
        Self {
            pages: if slots || composed { own(setup.pages) } else { permutations(setup.pages) },
            tasks: permutations(setup.tasks),
            vcpus: setup.interchangeable(),
            meaning: Meaning {
                slots,
                cycle: (!by_value).then_some(values - first),
                first,
                vcpu_bits: token.vcpu_bits,
            },
        }
    }

    /// Pages and vCPUs keep their names.
    #[cfg(test)]
    pub(super) fn with_names(setup: &Setup) -> Self {
        let pages = vec![(0..setup.pages).collect()];
        Self { pages, vcpus: false, ..Self::new(setup) }
    }

    /// The fingerprint of a state.
    pub(super) fn fingerprint(&self, world: &World) -> u128 {
        let mut best = Vec::new();
        for pages in &self.pages {
            let text = self.text(world, pages);
            if best.is_empty() || text < best {
                best = text;
            }
        }
        xxh3_128(&best)
    }

    fn text(&self, world: &World, pages: &[u8]) -> Vec<u8> {
        let mut parts: Vec<Vec<u8>> = world
            .vcpus()
            .map(|vcpu| {
                let texts = self.tasks.iter().map(|tasks| {
                    let names = Names { meaning: &self.meaning, world, vcpu, pages, tasks };
                    let mut text = names.vcpu_text();
                    names.vmm(&mut text);
                    text
                });
                texts.min().unwrap_or_default()
            })
            .collect();
        if self.vcpus {
            parts.sort_unstable();
        }
        let mut text = parts.concat();
        let World { apf, cpus: _, first: _, resident, bits, handler_gone, budget, .. } = world;
        let World { vmm_waits, map_writer, .. } = world;
        // Of the items' table, the vCPUs write down what is theirs.
        let Apf { rules: _, defects: _, host: HostHalf { vcpus: _, items: _, life }, .. } = apf;
        let there = pages.iter().enumerate();
        text.push(there.fold(0, |mask, (to, &from)| mask | ((resident >> from) & 1) << to));
        let there = pages.iter().enumerate();
        text.push(there.fold(0, |mask, (to, &from)| mask | ((bits >> from) & 1) << to));
        let Protection { had, marked, wanted, saved, at } = world.protection;
        for mask in [had, marked, wanted, saved] {
            let there = pages.iter().enumerate();
            text.push(there.fold(0, |own, (to, &from)| own | ((mask >> from) & 1) << to));
        }
        let place = |page: u8| pages.iter().position(|&from| from == page);
        text.push(
            at.map_or(0, |(page, done)| place(page).map_or(0, |at| at as u8 + 1) << 4 | done),
        );
        text.extend_from_slice(budget.bytes());
        text.push(match life {
            Life::Used => 0,
            Life::Released => 1,
            Life::Destroying(None) => 2,
            Life::Destroying(Some(_)) => 3,
            Life::Destroyed => 4,
        });
        text.push(of_flags(&[vmm_waits.is_some(), *map_writer, *handler_gone, world.taken_back]));
        text
    }
}

/// All orders of `0..count`.
fn permutations(count: u8) -> Vec<Vec<u8>> {
    let mut all = vec![Vec::new()];
    for next in 0..count {
        let longer = |order: &Vec<u8>| {
            let order = order.clone();
            (0..=order.len()).map(move |at| {
                let mut order = order.clone();
                order.insert(at, next);
                order
            })
        };
        all = all.iter().flat_map(longer).collect();
    }
    all.sort();
    all
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::super::check::Log;
    use super::super::search::all_moves;
    use super::*;
    use crate::apf::Defects;
    use crate::apf::rules::generation;
    use crate::explore::Disturbance;

    /// The states that one move leads to.
    fn next(world: &World, setup: &Setup) -> Vec<World> {
        let make = |chosen| {
            let mut after = world.clone();
            after.make(chosen, setup, &mut Log::default());
            after
        };
        all_moves(world, setup).into_iter().map(make).collect()
    }

    /// States that are taken for one go on alike.
    fn is_faithful(setup: &Setup) {
        let canon = Canon::new(setup);
        let after = |world: &World| -> BTreeSet<u128> {
            next(world, setup).iter().map(|world| canon.fingerprint(world)).collect()
        };
        let mut seen: BTreeMap<u128, (World, BTreeSet<u128>)> = BTreeMap::new();
        let mut left = vec![World::new(setup)];
        while let Some(world) = left.pop() {
            let mine = after(&world);
            let fingerprint = canon.fingerprint(&world);
            if let Some((other, theirs)) = seen.get(&fingerprint) {
                assert_eq!(&mine, theirs, "{world:#?} is not {other:#?}");
                continue;
            }
            left.extend(next(&world, setup));
            seen.insert(fingerprint, (world, mine));
        }
    }

    fn world(rules: &str) -> Setup {
        Setup::new(generation(rules).expect("a known generation"), Defects::none(), 2)
    }

    #[test]
    fn states_that_are_taken_for_one_go_on_alike() {
        for (rules, tasks) in
            [("v5-2010", 1), ("v7-2010", 1), ("v5.3", 1), ("v5.8", 2), ("v5.17", 2), ("v6.19", 2)]
        {
            let setup = Setup { pages: 1, tasks, ..world(rules) };
            is_faithful(&setup);
            is_faithful(&Setup { budget: setup.budget.with(Disturbance::Evict, 1), ..setup });
            is_faithful(&Setup { budget: setup.budget.with(Disturbance::TracerFault, 1), ..setup });
        }
        for rules in ["user-exit", "user-exitless", "user-exitless-march"] {
            let setup = Setup { pages: 1, tasks: 1, vcpus: 1, ..world(rules) };
            is_faithful(&setup);
            is_faithful(&Setup { budget: setup.budget.with(Disturbance::VmmTwice, 1), ..setup });
        }
        let setup = Setup { pages: 2, tasks: 1, vcpus: 1, ..world("user-exit") };
        is_faithful(&setup);
        for disturbance in [Disturbance::RefusedEn, Disturbance::VmmReset] {
            for rules in ["v6.19", "v7.3"] {
                let setup = Setup { pages: 1, tasks: 1, ..world(rules) };
                is_faithful(&Setup { budget: setup.budget.with(disturbance, 1), ..setup });
            }
        }
    }
}
