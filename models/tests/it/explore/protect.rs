//! Memory that a VMM write-protects, in every order: a snapshot taken while the guest runs on.

use models::apf::rules::generation;
use models::apf::{Defect, Defects};
use models::base::invariant::InvariantId;
use models::explore::{Disturbance, Setup};

use super::{all, violated};

const MISTAKES: [(Defect, u8); 4] = [
    (Defect::SaveAfterLift, 51),
    (Defect::LiftWithoutWake, 13),
    (Defect::WakeBeforeLift, 13),
    (Defect::SwapLosesMark, 51),
];

/// A world in which memory is protected, and a page is reclaimed.
fn world((vcpus, tasks, pages): (u16, u8, u8), with: &[Disturbance]) -> Setup {
    let rules = generation("user-uffd").expect("a known generation");
    let setup = Setup::new(rules, Defects::none(), 2);
    let budget = with.iter().fold(setup.budget, |budget, &which| budget.with(which, 1));
    let budget = budget.with(Disturbance::WriteProtect, 1);
    Setup { vcpus, tasks, pages, budget, ..setup }
}

fn defective(setup: Setup, defect: Defect) -> Setup {
    Setup { defects: Defects::none().with(defect), ..setup }
}

#[test]
fn a_snapshot_is_whole_and_nobody_sleeps_on() {
    for size in [(1, 1, 1), (1, 2, 1), (1, 1, 2), (2, 1, 1)] {
        for with in [&[][..], &[Disturbance::Evict]] {
            assert_eq!(violated(&world(size, with)), [], "{size:?} {with:?}");
        }
    }
}

#[test]
fn each_mistake_is_noticed_by_its_invariant() {
    for (defect, invariant) in MISTAKES {
        let setup = defective(world((1, 2, 1), &[Disturbance::Evict]), defect);
        let found = violated(&setup);
        assert_eq!(defect.expected_invariant(), InvariantId(invariant));
        assert_eq!(found, [defect.expected_invariant()], "{defect}");
    }
}

/// What a mistake needs: without it nothing is noticed.
#[test]
fn a_mark_is_lost_only_over_swap() {
    let setup = defective(world((1, 2, 1), &[]), Defect::SwapLosesMark);
    assert_eq!(violated(&setup), []);
}

#[test]
fn a_dead_handler_leaves_writers_asleep_and_breaks_nothing_else() {
    let setup = world((1, 2, 1), &[Disturbance::VmmDies]);
    assert_eq!(violated(&setup), [InvariantId(13)]);
}

#[test]
fn a_trace_says_what_the_vmm_does() {
    let chart = |defect| {
        let explored = all(&defective(world((1, 2, 1), &[]), defect));
        let found = explored.violations().next().expect("a violation is found");
        found.trace.chart(78)
    };
    let slept = chart(Defect::LiftWithoutWake);
    for words in
        ["which is protected", "links a message about page 0", "looks at the entry of page 0"]
    {
        assert!(slept.contains(words), "{words}:\n{slept}");
    }
    let written = chart(Defect::SaveAfterLift);
    for words in ["the VMM takes page 0", "lifts the protection of page 0"] {
        assert!(written.contains(words), "{words}:\n{written}");
    }
}
