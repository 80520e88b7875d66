//! Every legal schedule of a small world: the protocol of the kernels breaks no state invariant
//! except where it is known to, and every defect is noticed.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::apf::world::{Move, Setup, World};
use models::apf::rules::{PageReadyTold, ReadyWakes, Rules, SetupOrder, TokenRule, generation};
use models::apf::{Defect, Defects, invariants};
use models::base::ids::Gfn;
use models::base::invariant::InvariantId;

const ENABLED: u64 = 1;
const ENABLED_ALWAYS: u64 = 3;
const USER: (u8, bool) = (3, true);
const KERNEL: (u8, bool) = (0, true);
const INTERRUPTS_OFF: (u8, bool) = (0, false);

/// More states than any world here has.
const MAX_STATES: usize = 10_000_000;

fn rules(name: &str) -> Rules {
    let token = TokenRule { id_bits: 2, vcpu_bits: 1, first_vcpu: 0 };
    Rules { token, cap: 2, ..generation(name).expect("a known generation") }
}

fn world(name: &str) -> Setup {
    Setup {
        rules: rules(name),
        defects: Defects::none(),
        vcpus: 1,
        en: Some(ENABLED),
        faults: 2,
        gfns: vec![Gfn(0), Gfn(1), Gfn(2)],
        contexts: vec![USER],
        idle: false,
    }
}

struct Explored {
    states: usize,
    /// The shortest way to break each invariant that can be broken.
    broken: BTreeMap<InvariantId, String>,
    weak: BTreeSet<&'static str>,
}

/// Breadth first through all states, or until `wanted` is broken. A state that breaks something
/// that the kernels do not is not left again.
fn explore(setup: &Setup, wanted: Option<InvariantId>) -> Explored {
    let first = World::new(setup);
    let mut seen = BTreeSet::from([digest(&first)]);
    let mut ways: Vec<(usize, Option<Move>)> = vec![(0, None)];
    let mut frontier = vec![(0, first)];
    let mut result = Explored { states: 1, broken: BTreeMap::new(), weak: BTreeSet::new() };
    while !frontier.is_empty() && !wanted.is_some_and(|id| result.broken.contains_key(&id)) {
        let mut next = Vec::new();
        for (way, world) in frontier {
            for chosen in world.moves(setup) {
                let mut after = world.clone();
                let wrong = after.make(chosen);
                if !seen.insert(digest(&after)) && wrong.is_empty() {
                    continue;
                }
                ways.push((way, Some(chosen)));
                let end = wrong.iter().any(|&(id, _)| id != InvariantId(12));
                for (id, detail) in wrong {
                    let told = || format!("{detail}\n{}", story(&ways, ways.len() - 1));
                    result.broken.entry(id).or_insert_with(told);
                }
                result
                    .weak
                    .extend(invariants::weaknesses_of(&after.apf).iter().map(|w| w.sentence));
                if !end {
                    next.push((ways.len() - 1, after));
                }
            }
        }
        frontier = next;
        result.states = seen.len();
        assert!(seen.len() < MAX_STATES, "the world is too large");
    }
    result
}

/// INV-12 is broken by every kernel before 5.9, and INV-16 by v7 of the series, where page ready
/// leaves the artificial halt set.
fn known(setup: &Setup, id: InvariantId) -> bool {
    let keeps_halt = setup.rules.ready_wakes == ReadyWakes::Nothing;
    id == InvariantId(12) || (id == InvariantId(16) && keeps_halt)
}

fn digest(world: &World) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        world.hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

fn story(ways: &[(usize, Option<Move>)], end: usize) -> String {
    let mut moves = Vec::new();
    let mut at = end;
    while let (before, Some(chosen)) = ways[at] {
        moves.push(format!("  {chosen:?}"));
        at = before;
    }
    moves.reverse();
    moves.join("\n")
}

fn assert_clean(setup: &Setup) -> Explored {
    let explored = explore(setup, None);
    let unknown: Vec<_> = explored.broken.iter().filter(|(id, _)| !known(setup, **id)).collect();
    if let Some((id, story)) = unknown.first() {
        panic!("{id} is broken under {}: {story}", setup.rules.name);
    }
    explored
}

const GENERATIONS: [&str; 2] = ["v7-2010", "v2.6.39"];
const ENABLING: [Option<u64>; 3] = [None, Some(ENABLED), Some(ENABLED_ALWAYS)];

#[test]
fn one_vcpu_keeps_the_invariants() {
    for name in GENERATIONS {
        for en in ENABLING {
            let contexts = vec![USER, KERNEL, INTERRUPTS_OFF];
            assert_clean(&Setup { en, contexts, gfns: vec![Gfn(0), Gfn(1)], ..world(name) });
            assert_clean(&Setup { en, idle: true, faults: 1, ..world(name) });
        }
    }
}

#[test]
fn a_full_hash_keeps_the_invariants() {
    for name in GENERATIONS {
        assert_clean(&Setup { en: None, faults: 3, ..world(name) });
    }
}

#[test]
fn two_vcpus_keep_the_invariants() {
    for name in GENERATIONS {
        let gfns = vec![Gfn(0), Gfn(1)];
        assert_clean(&Setup { vcpus: 2, en: None, gfns, ..world(name) });
        let gfns = vec![Gfn(0)];
        assert_clean(&Setup { vcpus: 2, en: Some(ENABLED), gfns, ..world(name) });
    }
}

/// Minutes, and gigabytes.
#[test]
#[ignore = "minutes and gigabytes, larger worlds of every generation: cargo test --release -p models --test it explore::steps -- --ignored"]
fn larger_worlds_keep_the_invariants() {
    for name in GENERATIONS {
        for en in ENABLING {
            let contexts = vec![USER, KERNEL, INTERRUPTS_OFF];
            assert_clean(&Setup { en, contexts, idle: true, faults: 3, ..world(name) });
            assert_clean(&Setup { vcpus: 2, en, ..world(name) });
        }
    }
}

/// A world in which a defect can show.
fn world_for(defect: Defect) -> Setup {
    let base = Setup { defects: Defects::none().with(defect), ..world("v7-2010") };
    let capped = Rules { cap: 1, ..base.rules };
    match defect {
        Defect::IgnoreCap | Defect::NoSyncFallback => Setup { rules: capped, ..base },
        Defect::IgnoreGate | Defect::NotifyInterruptsOff => {
            Setup { en: Some(ENABLED_ALWAYS), contexts: vec![INTERRUPTS_OFF], ..base }
        }
        Defect::NotifyKernelMode => Setup { contexts: vec![KERNEL], ..base },
        // The first kernel in which page ready ends the halt.
        Defect::HaltNotCleared => Setup { en: None, rules: rules("v2.6.39"), ..base },
        Defect::BlockIgnoresDone => Setup { en: None, ..base },
        _ => base,
    }
}

/// The defects that can show in this world, whose kernels are those before 4.13: the first ones in
/// the order of declaration. The others are shown one by one in `apf_defects.rs`.
fn explored() -> impl Iterator<Item = Defect> {
    let last = Defect::ALL.iter().position(|&d| d == Defect::BlindDummy);
    Defect::ALL.iter().copied().take(last.expect("it is declared") + 1)
}

#[test]
fn every_defect_breaks_its_invariant() {
    for defect in explored() {
        let setup = world_for(defect);
        let expected = defect.expected_invariant();
        let explored = explore(&setup, Some(expected));
        let found: Vec<_> = explored.broken.keys().collect();
        assert!(explored.broken.contains_key(&expected), "{defect}: {expected}, found {found:?}");
    }
}

#[test]
fn nothing_is_broken_in_these_worlds_without_a_defect() {
    let mut done = Vec::new();
    for defect in explored() {
        let setup = Setup { defects: Defects::none(), ..world_for(defect) };
        if !done.contains(&format!("{setup:?}")) {
            assert_clean(&setup);
            done.push(format!("{setup:?}"));
        }
    }
}

#[test]
fn page_ready_without_not_present_is_known_until_it_was_mended() {
    let old = Setup { contexts: vec![KERNEL], faults: 1, ..world("v7-2010") };
    assert!(explore(&old, None).broken.contains_key(&InvariantId(12)));
    let rules = Rules { page_ready_told: PageReadyTold::OnlyIfNotPresentTold, ..old.rules };
    assert!(!explore(&Setup { rules, ..old }, None).broken.contains_key(&InvariantId(12)));
}

#[test]
fn the_other_order_of_a_setup_keeps_the_invariants() {
    let base = world("v2.6.39");
    let rules = Rules { setup_order: SetupOrder::LinkFirst, ..base.rules };
    assert_clean(&Setup { rules, contexts: vec![USER, KERNEL], faults: 1, ..base });
}

#[test]
fn a_page_that_comes_before_its_halt_leaves_a_late_halt() {
    let explored = assert_clean(&Setup { en: None, faults: 1, ..world("v7-2010") });
    assert!(explored.weak.iter().any(|sentence| sentence.contains("artificial halt")));
}

#[test]
fn page_ready_leaves_the_artificial_halt_set_until_2_6_38() {
    let world = |name| Setup { en: None, faults: 1, ..world(name) };
    assert!(
        explore(&world("v7-2010"), Some(InvariantId(16))).broken.contains_key(&InvariantId(16))
    );
    assert!(!explore(&world("v2.6.39"), None).broken.contains_key(&InvariantId(16)));
}

#[test]
fn page_ready_can_be_queued_on_the_way_into_hlt() {
    let base = Setup { faults: 1, idle: true, ..world("v7-2010") };
    let explored = assert_clean(&base);
    assert!(explored.weak.iter().any(|sentence| sentence.contains("HLT")));
    let rules = Rules { ready_wakes: ReadyWakes::HltToo, ..base.rules };
    let mended = assert_clean(&Setup { rules, ..base });
    assert!(!mended.weak.iter().any(|sentence| sentence.contains("HLT")));
}

#[test]
fn a_narrow_token_wraps_onto_an_outstanding_item() {
    let base = world("v7-2010");
    let token = TokenRule { id_bits: 1, vcpu_bits: 1, first_vcpu: 0 };
    let rules = Rules { token, ..base.rules };
    let setup = Setup { rules, faults: 3, ..base };
    assert!(explore(&setup, Some(InvariantId(2))).broken.contains_key(&InvariantId(2)));
}
