//! The zoo is whole, and a row that does not come out is told.

use std::collections::BTreeSet;

use models::base::invariant::InvariantId;

use super::{Entry, Exhibit, Group, Variant, entries, find, show};

#[test]
fn ids_are_distinct_and_everything_is_said() {
    let ids: BTreeSet<&str> = entries().map(|entry| entry.id).collect();
    assert_eq!(ids.len(), entries().count());
    for entry in entries() {
        assert!(find(&entry.id.to_lowercase()).is_some_and(|found| found.id == entry.id));
        assert!(entry.story.len() > 60 && !entry.subject.is_empty(), "{}", entry.id);
        assert!(!entry.right.is_empty(), "{} has nothing to be compared with", entry.id);
        let is_control = entry.group == Group::Control;
        assert_eq!(is_control, entry.wrong.is_empty(), "{}", entry.id);
        assert_eq!(is_control, entry.expect.invariant.is_none(), "{}", entry.id);
        for variant in entry.wrong.iter().chain(entry.right) {
            assert!(variant.rules().is_some(), "{}: there is no {}", entry.id, variant.rules);
        }
    }
    assert!(find("H99").is_none());
}

/// What has to be in the zoo: one of each mechanism that broke in a kernel.
const MUST: [&str; 34] = [
    "H01", "H02", "H03", "H04", "H05", "H06", "H08", "H09", "H13", "H15", "H16", "H21", "H23",
    "H29", "H31", "H32", "H34", "G01", "G03", "G04", "G05", "G07", "G10", "G12", "G16", "G17",
    "G18", "H37", "H38", "H39", "H03-spin", "H17", "H25", "H26",
];

#[test]
fn worlds_are_told_in_words() {
    let world = |id: &str| match find(id).map(|entry| entry.exhibit) {
        Some(Exhibit::Explore(world, _)) => world.name(),
        _ => String::new(),
    };
    assert_eq!(world("G16"), "2 vCPUs, 1 task each, 1 page, cap 2, 2 token bits");
    assert_eq!(world("H36"), "1 vCPU, 2 tasks, 2 pages, cap 2, 2 token bits");
    let narrow = find("H36").and_then(|entry| entry.wrong.first());
    assert_eq!(narrow.map(Variant::name).as_deref(), Some("v6.19, 1 token bit"));
}

#[test]
fn what_must_be_there_is_there() {
    for id in MUST {
        assert!(find(id).is_some(), "{id}");
    }
}

/// A row whose variants are exchanged, or that expects something else, must not pass.
#[test]
fn a_row_that_is_not_as_expected_says_so() {
    let entry = find("H01").expect("it is there");
    let leak = |entry: Entry| -> &'static Entry { Box::leak(Box::new(entry)) };
    let exchanged = leak(Entry { wrong: entry.right, right: entry.wrong, ..*entry });
    assert!(!show(exchanged).as_expected());
    let other = super::Expect { invariant: Some(InvariantId(39)), ..entry.expect };
    assert!(!show(leak(Entry { expect: other, ..*entry })).as_expected());
    let control = find("C04").expect("it is there");
    let nothing = Exhibit::Explore(super::World::TWO_TASKS, Some(|_, _, _| false));
    assert!(!show(leak(Entry { exhibit: nothing, ..*control })).as_expected());
}

/// The bound of a run decides, in both directions.
#[test]
fn a_bound_decides_about_a_run() {
    let entry = find("H17").expect("it is there");
    let Exhibit::Simulate(text, _) = entry.exhibit else { panic!("H17 is simulated") };
    let with = |bound| -> &'static Entry {
        let exhibit = Exhibit::Simulate(text, super::Slow::ReadyLate { bound });
        Box::leak(Box::new(Entry { exhibit, ..*entry }))
    };
    let wide = show(with(sim_core::SimDuration::from_ms(100)));
    assert!(!wide.as_expected() && wide.wrong.iter().all(|shown| shown.caught.is_none()));
    let narrow = show(with(sim_core::SimDuration::ZERO));
    assert!(!narrow.as_expected() && narrow.right.iter().all(|shown| shown.caught.is_some()));
}
