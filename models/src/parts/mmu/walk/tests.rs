//! Walks counted reference by reference.

use super::*;

/// Tables in which everything is mapped: tables of the guest lie at frames of their own.
struct All {
    guest: PageSize,
    host: PageSize,
    /// A frame that the second stage does not map.
    hole: Option<Gfn>,
}

impl All {
    fn of(guest: PageSize, host: PageSize) -> Self {
        Self { guest, host, hole: None }
    }

    fn table_frame(page: u64, level: u32) -> Gfn {
        Gfn(u64::from(level) << 22 | (page >> (9 * level)) & 0xffff)
    }
}

impl Stages for All {
    fn leaf(&self, page: u64) -> Option<(Gfn, PageSize)> {
        Some((Gfn(1 << 26 | page & 0xff_ffff), self.guest))
    }

    fn table(&self, page: u64, level: u32) -> Option<Gfn> {
        Some(Self::table_frame(page, level))
    }

    fn second_stage(&self, gfn: Gfn, _: bool) -> Option<PageSize> {
        (self.hole != Some(gfn)).then_some(self.host)
    }
}

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
        assert_eq!(walked.guest + walked.host, expected, "{g} {h} {guest:?} {host:?}");
        assert_eq!(walked.lines.iter().sum::<u32>(), expected);
    }
}

/// Caches that keep nothing but tables of the levels above a depth: a walk begins at that depth.
fn down_to(depth: u32) -> PagingCaches {
    let has = |level: u32| if depth >= level { 1024 } else { 0 };
    PagingCaches { pml4e: has(1), pdpte: has(2), pde: has(3) }
}

/// The closed form of Intel's document 814346, section 4.3.9.2.1 (SMMU of Agilex): references of a walk by
/// what is cached of the second stage (rows: nothing, levels 0, 1, 2, 3, no second stage) and of the first
/// (columns: nothing, levels 0, 1, 2, 3, no first stage). Its text says that all columns but the first leave out
/// the translation of the final address; the same figures come out of caches that keep where a table of the guest's
/// lies in the host, as ours do: what is left out is then the second stage of the first table.
///
/// One entry of the source reads 1 where its pattern, and the count, gives 2: row 3, column 1, a misprint.
#[test]
fn warm_walks_have_the_references_of_the_closed_form() {
    let small = [
        [24, 15, 10, 5, 0, 4],
        [19, 12, 8, 4, 0, 3],
        [14, 9, 6, 3, 0, 2],
        [9, 6, 4, 2, 0, 1],
        [4, 3, 2, 1, 0, 0],
        [4, 3, 2, 1, 0, 0],
    ];
    let large =
        [[15, 8, 4, 0, 3], [11, 6, 3, 0, 2], [7, 4, 2, 0, 1], [3, 2, 1, 0, 0], [3, 2, 1, 0, 0]];
    for (row, expected) in small.iter().enumerate() {
        let got = closed_form_row(PageSize::Small, row as u32, 4);
        assert_eq!(got, expected[..], "4 KiB, row {row}");
    }
    for (row, expected) in large.iter().enumerate() {
        let got = closed_form_row(PageSize::Large, row as u32, 3);
        assert_eq!(got, expected[..], "2 MiB, row {row}");
    }
}

/// A row of the table for pages with so many levels of tables in each stage.
fn closed_form_row(size: PageSize, row: u32, depth: u32) -> Vec<u32> {
    let native = row == depth + 1;
    let levels = Levels { guest: 4, host: if native { 0 } else { 4 } };
    // The last but one row has all of the second stage cached, final addresses too. Ours keeps such
    // translations of tables only, so that the reference for the final address is taken off.
    let complete = row == depth;
    let mut out = Vec::new();
    for column in 0..=depth {
        if column == depth {
            // All of the first stage is cached: that is a hit in the TLB.
            out.push(0);
            continue;
        }
        let mut store = Store::default();
        let (guest, host) = (down_to(column), down_to(row.min(depth - 1)));
        let nested = if complete { 64 } else { 0 };
        let lines = Lines::new(&mut store, [0; 3], 1 << 28);
        let walker = Walker {
            guest: Upper::new(&mut store, guest),
            host: Upper::new(&mut store, host),
            nested: SetArray::small(&mut store, nested),
            lines,
        };
        let all = All::of(size, size);
        let page = 0x1234_5000;
        warm_second_stage(&walker, &mut store, page, &all, depth);
        // A neighbour that shares all tables down to the depth that is to be cached; what it has left
        // below is not kept.
        if column > 0 {
            walk(&walker, &mut store, page, levels, &all);
        }
        let walked = walk(&walker, &mut store, page + (1 << size.order()), levels, &all);
        let taken_off = if complete { 1 } else { 0 };
        out.push(walked.guest + walked.host - taken_off);
    }
    // No first stage: the second stage of one address.
    out.push(if native { 0 } else { depth - row.min(depth) });
    out
}

/// Lets the caches of the second stage know the upper tables of all frames that a walk to a page uses.
fn warm_second_stage(walker: &Walker, store: &mut Store, page: u64, all: &All, depth: u32) {
    let next = page + (1 << all.guest.order());
    let tables = (1..=4).rev().map(|level| All::table_frame(next, level));
    let mut walked = Vec::new();
    let lowest = 5 - depth;
    let mut course = Course { store, walked: &mut walked, guest: 0, host: 0, lines: [0; 4] };
    for gfn in tables.take(5 - lowest as usize) {
        walker.place_table(&mut course, gfn, 4, all).unwrap();
    }
    let frame = all.leaf(next).unwrap().0;
    walker.second_stage(&mut course, frame, 4, all, false).unwrap();
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
