//! How many references a walk has by what is cached: counts that a published closed form gives, too.

use super::{Course, Levels, Stages, Upper, Walker};
use crate::base::ids::Gfn;
use crate::base::page_size::PageSize;
use crate::config::PagingCaches;
use crate::parts::mmu::lines::{Lines, References};
use crate::parts::mmu::small::SmallArray;
use crate::parts::mmu::store::Store;
use crate::parts::mmu::tlb::Pcid;

/// Tables in which everything is mapped: tables of the guest lie at frames of their own.
pub(super) struct All {
    pub(super) guest: PageSize,
    pub(super) host: PageSize,
    /// A frame that the second stage does not map.
    pub(super) hole: Option<Gfn>,
}

impl All {
    pub(super) fn of(guest: PageSize, host: PageSize) -> Self {
        Self { guest, host, hole: None }
    }

    pub(super) fn table_frame(page: u64, level: u32) -> Gfn {
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

/// Caches that keep nothing but tables of the levels above a depth: a walk begins at that depth.
pub(super) fn down_to(depth: u32) -> PagingCaches {
    let has = |level: u32| if depth >= level { 1024 } else { 0 };
    PagingCaches { pml4e: has(1), pdpte: has(2), pde: has(3) }
}

/// A row of the closed form: references of walks by what is cached of the first stage (nothing, levels 0, 1
/// and so on, no first stage), where the caches have of the second stage what the row says (nothing, levels
/// 0, 1 and so on, no second stage). None where the table has no such row, or none for pages of this size.
///
/// The table is that of Intel's document 814346, section 4.3.9.2.1 (SMMU of Agilex). Its text says that all
/// columns but the first leave out the translation of the final address; the same figures come out of caches
/// that keep where a table of the guest's lies in the host, as ours do: what is left out is then the second
/// stage of the first table.
pub fn warm_references(size: PageSize, row: u32) -> Option<Vec<u32>> {
    // Levels of tables in each stage.
    let depth = match size {
        PageSize::Small => 4,
        PageSize::Large => 3,
        PageSize::Huge => return None,
    };
    if row > depth + 1 {
        return None;
    }
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
            nested: SmallArray::new(&mut store, nested),
            lines,
        };
        let all = All::of(size, size);
        let page = 0x1234_5000;
        warm_second_stage(&walker, &mut store, page, &all, depth)?;
        // A neighbour that shares all tables down to the depth that is to be cached; what it has left
        // below is not kept.
        if column > 0 {
            walker.walk(&mut store, (page, Pcid(0)), levels, &all, &mut Vec::new()).ok()?;
        }
        let next = page + (1 << size.order());
        let walked =
            walker.walk(&mut store, (next, Pcid(0)), levels, &all, &mut Vec::new()).ok()?;
        let taken_off = if complete { 1 } else { 0 };
        out.push(walked.references.total() - taken_off);
    }
    // No first stage: the second stage of one address.
    out.push(if native { 0 } else { depth - row.min(depth) });
    Some(out)
}

/// Lets the caches of the second stage know the upper tables of all frames that a walk to a page uses.
fn warm_second_stage(
    walker: &Walker,
    store: &mut Store,
    page: u64,
    all: &All,
    depth: u32,
) -> Option<()> {
    let next = page + (1 << all.guest.order());
    let tables = (1..=4).rev().map(|level| All::table_frame(next, level));
    let mut walked = Vec::new();
    let lowest = 5 - depth;
    let mut course = Course { store, walked: &mut walked, references: References::default() };
    for gfn in tables.take(5 - lowest as usize) {
        walker.place_table(&mut course, gfn, 4, all)?;
    }
    let frame = all.leaf(next)?.0;
    walker.second_stage(&mut course, frame, 4, all, false)?;
    Some(())
}
