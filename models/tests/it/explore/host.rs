//! What a VMM, a guest's mistake and an allocation that fails do to a vCPU that lives on, in every
//! order: each ends in a hang on every kernel, and is quiet where what would mend it is set.

use models::apf::Defects;
use models::apf::rules::{Generation, MpStateWrite, RefusedArea, Rules, generation};
use models::base::invariant::InvariantId;
use models::explore::{Bounds, Disturbance, Setup, explore};

const NOTHING: [InvariantId; 0] = [];

fn small(rules: Rules, with: &[Disturbance]) -> Setup {
    let setup = Setup { vcpus: 1, ..Setup::new(rules, Defects::none(), 2) };
    let budget = with.iter().fold(setup.budget, |budget, &which| budget.with(which, 1));
    Setup { budget, ..setup }
}

/// The invariants that are violated, by number.
fn ids(setup: &Setup) -> Vec<InvariantId> {
    let explored = explore(setup, &Bounds::default(), None).expect("a world of sound size");
    assert_eq!(explored.limit, None);
    let mut ids: Vec<_> = explored.violations().map(|finding| finding.kind.id).collect();
    ids.dedup();
    ids
}

fn rules(name: &str) -> Rules {
    generation(name).expect("a known generation")
}

fn kernels() -> [Rules; 3] {
    [rules("v6.12"), rules("v6.19"), Generation::newest().rules()]
}

/// The write of EN drops the one item that would have ended the artificial halt, and with interrupts
/// off at the reset vector nothing else does. Guests without notices are hit as well.
#[test]
fn a_machine_restarted_while_halted_hangs() {
    for rules in kernels() {
        for notices in [true, false] {
            let setup = Setup { notices, ..small(rules, &[Disturbance::VmmReset]) };
            assert_eq!(ids(&setup), [InvariantId(16)], "{} notices {notices}", rules.name);
            let mended = Rules { mp_state_write: MpStateWrite::EndsHalt, ..setup.rules };
            assert_eq!(ids(&Setup { rules: mended, ..setup }), NOTHING, "{}", rules.name);
        }
    }
}

/// The value is left in force until 7.0, and the area is spoilt in all of them.
#[test]
fn a_refused_write_of_en_while_notices_are_on_is_the_end_of_page_ready() {
    for (name, in_force) in [("v6.12", true), ("v6.19", true), ("v7.2", false), ("v7.3", false)] {
        let setup = small(rules(name), &[Disturbance::RefusedEn]);
        let mut expected = vec![InvariantId(13), InvariantId(15), InvariantId(19)];
        expected.extend(in_force.then_some(InvariantId(23)));
        assert_eq!(ids(&setup), expected, "{name}");
        let kept = Rules { refused_area: RefusedArea::Kept, ..setup.rules };
        let left = if in_force { vec![InvariantId(23)] } else { Vec::new() };
        assert_eq!(ids(&Setup { rules: kept, ..setup }), left, "{name}");
    }
}

/// Where no memory is left for a wake-all, those who sleep through a migration are told nothing, and
/// their tokens come again. By itself, at boot, its loss does nothing: nobody sleeps.
#[test]
fn a_wake_all_that_is_not_allocated_is_missed_after_a_migration() {
    for rules in kernels() {
        assert_eq!(ids(&small(rules, &[Disturbance::AllocFailure])), NOTHING, "{}", rules.name);
        assert_eq!(ids(&small(rules, &[Disturbance::Migration])), NOTHING, "{}", rules.name);
        let both = ids(&small(rules, &[Disturbance::AllocFailure, Disturbance::Migration]));
        for id in [InvariantId(13), InvariantId(38)] {
            assert!(both.contains(&id), "{}: {both:?}", rules.name);
        }
    }
}
