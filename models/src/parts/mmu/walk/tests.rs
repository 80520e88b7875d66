//! Walks counted reference by reference.

use super::references::{All, down_to};
use super::*;

const NONE: PagingCaches = PagingCaches { pml4e: 0, pdpte: 0, pde: 0 };
const FOUR: Levels = Levels { guest: 4, host: 4 };
const P0: Pcid = Pcid(0);

fn walker(store: &mut Store, caches: PagingCaches, nested: u32) -> Walker {
    let lines = Lines::new(store, [0; 3], 1 << 28);
    Walker::new(store, caches, nested, lines)
}

fn walk(walker: &Walker, store: &mut Store, page: u64, levels: Levels, all: &All) -> Walked {
    walker.walk(store, (page, P0), levels, all, &mut Vec::new()).unwrap()
}

#[test]
fn a_cold_walk_has_a_reference_for_every_table_of_both_kinds() {
    use PageSize::{Huge, Large, Small};
    // Levels of guest and host, page sizes of both, references: (g + 1)(h + 1) - 1.
    let cases = [
        (4, 4, Small, Small, 24),
        (4, 4, Small, Large, 19),
        (4, 4, Large, Small, 19),
        (4, 4, Large, Large, 15),
        (4, 4, Huge, Huge, 8),
        (4, 0, Small, Small, 4),
        (4, 0, Large, Small, 3),
        (5, 0, Small, Small, 5),
        (5, 4, Small, Small, 29),
        (5, 5, Small, Small, 35),
        (5, 5, Large, Large, 24),
    ];
    for (g, h, guest, host, expected) in cases {
        let mut store = Store::default();
        let walker = walker(&mut store, NONE, 0);
        let levels = Levels { guest: g, host: h };
        let walked = walk(&walker, &mut store, 0x1234_5678, levels, &All::of(guest, host));
        assert_eq!(walked.references.total(), expected, "{g} {h} {guest:?} {host:?}");
    }
}

/// The corners of the closed form, whose whole table an experiment of `scenarios/validation` holds.
#[test]
fn warm_walks_have_the_references_of_the_closed_form() {
    let row = |size, row| warm_references(size, row).unwrap();
    assert_eq!(row(PageSize::Small, 0), [24, 15, 10, 5, 0, 4]);
    assert_eq!(row(PageSize::Small, 5), [4, 3, 2, 1, 0, 0]);
    assert_eq!(row(PageSize::Large, 0), [15, 8, 4, 0, 3]);
    assert_eq!(warm_references(PageSize::Small, 6), None);
    assert_eq!(warm_references(PageSize::Huge, 0), None);
}

#[test]
fn a_walk_stops_at_the_first_frame_that_the_second_stage_lacks() {
    let page = 0x1234_5678;
    for level in 1..=4 {
        let mut store = Store::default();
        let walker = walker(&mut store, down_to(3), 16);
        let gfn = All::table_frame(page, level);
        let all = All { hole: Some(gfn), ..All::of(PageSize::Small, PageSize::Small) };
        let mut walked = Vec::new();
        let stopped = walker.walk(&mut store, (page, P0), FOUR, &all, &mut walked);
        assert_eq!(stopped, Err(Stopped::Violation { gfn, table: true }));
        assert_eq!(walked.len() as u32, 4 - level, "the tables above it were used");
    }
    let mut store = Store::default();
    let walker = walker(&mut store, down_to(3), 16);
    let mut all = All::of(PageSize::Small, PageSize::Small);
    all.hole = all.leaf(page).map(|(gfn, _)| gfn);
    let stopped = walker.walk(&mut store, (page, P0), FOUR, &all, &mut Vec::new());
    assert!(matches!(stopped, Err(Stopped::Violation { table: false, .. })));
}

/// The size of an entry is the smaller one of both stages'.
#[test]
fn entries_are_fractured() {
    use PageSize::{Huge, Large, Small};
    for (guest, host, expected) in
        [(Large, Small, Small), (Small, Large, Small), (Large, Large, Large), (Huge, Large, Large)]
    {
        let mut store = Store::default();
        let walker = walker(&mut store, down_to(3), 16);
        let walked = walk(&walker, &mut store, 0x1234_5678, FOUR, &All::of(guest, host));
        assert_eq!(walked.size, expected, "{guest:?} {host:?}");
    }
}
