//! Every schedule of small worlds: what the kernels keep, what they broke, and what defects break.

use models::apf::rules::{Generation, NmiFault, Rules, SlotAtEnable, generation};
use models::apf::{Defect, Defects};
use models::base::invariant::InvariantId;
use models::explore::{Bounds, Disturbance, Explored, Setup, explore};

const NOTHING: [InvariantId; 0] = [];

fn world(rules: &str) -> Setup {
    Setup::new(generation(rules).expect("a known generation"), Defects::none(), 2)
}

fn with(rules: &str, disturbance: Disturbance) -> Setup {
    let world = world(rules);
    Setup { budget: world.budget.with(disturbance, 1), ..world }
}

fn all(setup: &Setup) -> Explored {
    let explored = explore(setup, &Bounds::default(), None).expect("a world of sound size");
    assert_eq!(explored.limit, None);
    explored
}

fn ids(explored: &Explored) -> Vec<InvariantId> {
    explored.violations().map(|finding| finding.kind.id).collect()
}

/// Whether this is found, without looking further.
fn finds(setup: &Setup, id: InvariantId) -> bool {
    let found = explore(setup, &Bounds::default(), Some(id));
    ids(&found.expect("a world of sound size")).contains(&id)
}

#[test]
fn the_newest_kernels_keep_every_invariant() {
    for name in ["v6.12", "v6.19", Generation::newest().name, "user-uffd"] {
        let explored = all(&world(name));
        assert_eq!(ids(&explored), NOTHING, "{name}");
        assert!(explored.states > 5_000, "{name}");
    }
}

#[test]
fn disturbances_that_the_newest_kernel_bears() {
    use Disturbance::{AllocFailure, KernelMode, Migration, MsrRewrite, PagingOff, Smi};
    for disturbance in [AllocFailure, KernelMode, Migration, MsrRewrite, PagingOff, Smi] {
        assert_eq!(ids(&all(&with("v6.19", disturbance))), NOTHING, "{disturbance}");
    }
}

#[test]
fn what_was_mended_is_found_before() {
    for (disturbance, id) in [
        (Disturbance::Smi, InvariantId(13)),
        (Disturbance::LapicOff, InvariantId(21)),
        (Disturbance::KernelMode, InvariantId(12)),
    ] {
        let setup = Setup { rules: without_zero(world("v5.8").rules), ..with("v5.8", disturbance) };
        assert!(finds(&setup, id), "{disturbance}");
    }
    assert!(finds(&world("v5.8"), InvariantId(4)));
}

/// These rules with the mend of 5.17, so that what else is wrong shows.
fn without_zero(rules: Rules) -> Rules {
    let token_zero = generation("v5.17").expect("a known generation").token_zero;
    Rules { token_zero, ..rules }
}

/// Worlds that another test here finds clean need not be looked through once more without the defect.
#[test]
fn defects_are_found_and_their_absence_is_not() {
    for (defect, setup, is_known_clean) in [
        (Defect::NoEoi, world("v6.19"), true),
        (Defect::RefuseAck, world("v6.19"), true),
        (Defect::StalePendingRead, world("v6.19"), true),
        (Defect::DropOnPagingToggle, with("v6.19", Disturbance::Smi), true),
        (Defect::StaleTranslation, with("v6.19", Disturbance::MemslotChange), false),
        (Defect::GarbagePage, with("v6.19", Disturbance::FetchFailure), false),
        (Defect::PrefaultAnyMode, Setup { shadow: true, ..world("v6.19") }, false),
        (Defect::HaltInMpState, Setup { notices: false, ..world("v6.19") }, false),
    ] {
        let expected = defect.expected_invariant();
        let clean = is_known_clean || !ids(&all(&setup)).contains(&expected);
        assert!(clean, "{expected} without {defect}");
        let defects = Defects::none().with(defect);
        assert!(finds(&Setup { defects, ..setup }, expected), "{defect}");
    }
}

/// What is known of the fifth series is found by exploring it, with the disturbance that it takes,
/// and not in the kernel in which it was mended.
#[test]
fn the_series_of_2010_shows_its_known_mistakes() {
    use Disturbance::{Atomic, EnRewrite, FetchFailure, Hibernation, MapWrite};
    for (disturbance, id, mended) in [
        (Atomic, InvariantId(30), "v2.6.39"),
        (EnRewrite, InvariantId(6), "v2.6.39"),
        (FetchFailure, InvariantId(24), "v2.6.39"),
        (Hibernation, InvariantId(22), "v5.13"),
        (MapWrite, InvariantId(40), "v4.13"),
    ] {
        let small = |rules| {
            let setup = with(rules, disturbance);
            Setup { vcpus: 1, tasks: 1, send_always: disturbance == Atomic, ..setup }
        };
        assert!(finds(&small("v5-2010"), id), "{disturbance}");
        assert!(!ids(&all(&small(mended))).contains(&id), "{disturbance} under {mended}");
    }
}

/// A page ready that is taken while notices are off leaves its token in the slot, with or without a
/// reset behind it.
#[test]
fn a_vcpu_that_was_offline_gets_no_page_ready_any_more() {
    for disturbance in [Disturbance::Reset, Disturbance::OfflineRollback] {
        for rules in ["v6.12", "v6.19"] {
            let setup = Setup { vcpus: 1, ..with(rules, disturbance) };
            assert_eq!(
                ids(&all(&setup)),
                [InvariantId(13), InvariantId(15), InvariantId(19)],
                "{disturbance}"
            );
            let rules = Rules { slot_at_enable: SlotAtEnable::Cleared, ..setup.rules };
            assert_eq!(ids(&all(&Setup { rules, ..setup })), NOTHING, "{disturbance}");
        }
    }
}

/// The boot processor's notices outlive hibernation until 5.13, everybody's a crash, and nobody's a
/// restart.
#[test]
fn another_kernel_gets_what_the_last_one_left_on() {
    use Disturbance::{Crash, Hibernation, Kexec};
    for name in ["v7-2010", "v2.6.39", "v4.13", "v5.3", "v5.9", "v5.13", "v6.19"] {
        for disturbance in [Kexec, Hibernation, Crash] {
            let setup = Setup { vcpus: 1, tasks: 1, ..with(name, disturbance) };
            let open = disturbance != Kexec && !matches!(name, "v5.13" | "v6.19");
            assert_eq!(
                ids(&all(&setup)).contains(&InvariantId(22)),
                open,
                "{disturbance} under {name}"
            );
        }
    }
}

#[test]
fn a_page_fault_inside_an_nmi_takes_the_word_of_a_notice() {
    let setup = Setup { vcpus: 1, ..with("v6.12", Disturbance::NmiFault) };
    assert_eq!(ids(&all(&setup)), [InvariantId(31)]);
    let rules = Rules { nmi_fault: NmiFault::LeavesWord, ..setup.rules };
    assert_eq!(ids(&all(&Setup { rules, ..setup })), NOTHING);
}

#[test]
fn an_unlocked_wake_all_is_found_where_notices_are_switched_on_twice() {
    let setup = Setup { vcpus: 1, ..with("v6.19", Disturbance::EnRewrite) };
    // What else it finds is in docs/findings.md.
    assert_eq!(ids(&all(&setup)), [InvariantId(28)]);
    let defects = Defects::none().with(Defect::UnlockedWakeAll);
    assert!(finds(&Setup { defects, ..setup }, InvariantId(6)));
}

#[test]
fn a_bound_is_told_and_is_no_verdict() {
    let bounds = Bounds { depth: 5, ..Bounds::default() };
    let explored = explore(&world("v6.19"), &bounds, None).expect("a world of sound size");
    assert!(explored.limit.is_some() && explored.depth == 5);
    assert!(explore(&Setup { tasks: 9, ..world("v6.19") }, &bounds, None).is_err());
}

#[test]
fn a_way_leads_somewhere_even_if_all_is_lost_from_the_beginning() {
    let defects = Defects::none().with(Defect::NoEoi);
    let explored = all(&Setup { vcpus: 1, defects, ..world("v6.12") });
    assert!(ids(&explored).contains(&InvariantId(13)));
    for finding in explored.violations() {
        assert!(finding.trace.moves > 10, "{}: {}", finding.kind.id, finding.trace.moves);
    }
}
