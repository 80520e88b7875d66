//! The guest's page tables for the one address space of the workload. Every table lies in a frame of the
//! guest's memory, the top one too; a table comes into being when the first page below it is mapped.

use super::frames::Frames;
use crate::base::ids::{Gfn, Gva, PAGE_SIZE, RegionId};
use crate::base::page_size::PageSize;
use crate::base::radix::Radix;
use crate::config::GuestPaging;

/// Where the first region lies: any user address serves that is a multiple of a terabyte, so that page
/// numbers and indices from here have the same low bits.
const BASE: u64 = 0x5500_0000_0000;

/// Most levels that there are.
const MAX_LEVELS: usize = 5;

/// Guest tables: gva page to gfn.
#[derive(Clone, Debug)]
pub struct GuestTables {
    /// First page and length of each region, as page indices from `BASE`.
    regions: Vec<(u64, u64)>,
    /// gfn of each page, plus one; zero where unmapped. Half a word, as there are at most 2^28 frames: half
    /// as many cache lines.
    entries: Radix<u32>,
    /// Which entries of tables of level 2 are pages of 2 MiB.
    large: Radix<bool>,
    any_large: bool,
    /// gfn of each table, plus one, by level less one and by the table's number.
    tables: [Radix<u64>; MAX_LEVELS],
    levels: u32,
    frames: Frames,
    /// Without paging: the frame of the first page; the others follow.
    linear: Option<Gfn>,
}

impl GuestTables {
    /// No tables yet, of 4 or 5 levels, for regions of these sizes, with frames from `first_free` to `end`.
    pub fn new(region_pages: &[u64], levels: u32, first_free: Gfn, end: Gfn) -> Self {
        let mut start = 0;
        let regions = region_pages
            .iter()
            .map(|&pages| {
                let region = (start, pages);
                start += pages;
                region
            })
            .collect();
        let count = |level: usize| (start >> (9 * level)) + 1;
        Self {
            regions,
            entries: Radix::new(start),
            large: Radix::new(count(1)),
            any_large: false,
            tables: [1, 2, 3, 4, 5].map(|level| Radix::new(count(level))),
            levels,
            frames: Frames::new(first_free, end),
            linear: None,
        }
    }

    /// With paging off there are no tables, and the regions lie one behind the other in the frames.
    pub fn with_paging(mut self, paging: GuestPaging) -> Self {
        if paging == GuestPaging::Off {
            let pages = self.regions.iter().map(|&(_, pages)| pages).sum();
            self.linear = self.frames.allocate_row(pages);
        }
        self
    }

    /// The same where frames that are free are reported, by blocks of two to the power of `order`.
    #[must_use]
    pub fn with_reporting(self, order: u8) -> Self {
        Self { frames: self.frames.clone().with_reporting(order), ..self }
    }

    /// Makes clones cheap from here on.
    pub fn freeze(&mut self) {
        self.entries.freeze();
        self.large.freeze();
        self.tables.iter_mut().for_each(Radix::freeze);
    }

    /// The guest's frames.
    pub fn frames(&mut self) -> &mut Frames {
        &mut self.frames
    }

    /// The frame that is given next, outside guest_memfd.
    pub fn next_frame(&self) -> Option<Gfn> {
        self.frames.upcoming()
    }

    /// Address of a page of a region.
    pub fn gva(&self, region: RegionId, page: u64) -> Gva {
        Gva(BASE + (self.regions[region.index()].0 + page) * PAGE_SIZE)
    }

    /// Number of the first page of a region among the pages of all regions.
    #[inline]
    pub fn first_page(&self, region: RegionId) -> u64 {
        self.regions[region.index()].0
    }

    /// Address of the page with a number among those of all regions.
    #[inline]
    pub const fn gva_of(number: u64) -> Gva {
        Gva(BASE + number * PAGE_SIZE)
    }

    /// Pages in a region.
    pub fn region_pages(&self, region: RegionId) -> u64 {
        self.regions[region.index()].1
    }

    /// The page of an address, counted from `BASE`.
    fn index(page: u64) -> u64 {
        page - BASE / PAGE_SIZE
    }

    /// The frame that an address is mapped to.
    pub fn translate(&self, gva: Gva) -> Option<Gfn> {
        self.frame(Self::index(gva.page()))
    }

    /// The frame that a page is mapped to, and the size of its mapping.
    #[inline]
    pub fn leaf(&self, page: u64) -> Option<(Gfn, PageSize)> {
        let index = Self::index(page);
        let gfn = self.frame(index)?;
        let large = self.any_large && *self.large.get(index >> PageSize::Large.order());
        Some((gfn, if large { PageSize::Large } else { PageSize::Small }))
    }

    #[inline]
    fn frame(&self, index: u64) -> Option<Gfn> {
        if let Some(first) = self.linear {
            return Some(Gfn(first.0 + index));
        }
        self.entries.get(index).checked_sub(1).map(|gfn| Gfn(gfn.into()))
    }

    /// The frames with tables on the way to an address, from the top down, each with its level; of which
    /// there are.
    pub fn tables_of(&self, gva: Gva) -> Vec<(u32, Gfn)> {
        let table = |level| self.table(gva.page(), level).map(|gfn| (level, gfn));
        (1..=self.levels).rev().map_while(table).collect()
    }

    fn number(page: u64, level: u32) -> u64 {
        Self::index(page) >> (9 * level)
    }

    /// The frame with the table of a level on the way to a page.
    #[inline]
    pub fn table(&self, page: u64, level: u32) -> Option<Gfn> {
        let frame = self.tables[level as usize - 1].get(Self::number(page, level));
        frame.checked_sub(1).map(Gfn)
    }

    /// The highest level of which there is no table on the way to an address, down to that of the entry
    /// of a page of some size.
    pub fn missing_table(&self, gva: Gva, size: PageSize) -> Option<u32> {
        let levels = size.level()..=self.levels;
        levels.rev().find(|&level| self.table(gva.page(), level).is_none())
    }

    /// The frame with the table that has the entry for a table of a level: the one above it.
    pub fn parent(&self, gva: Gva, level: u32) -> Option<Gfn> {
        if level < self.levels { self.table(gva.page(), level + 1) } else { None }
    }

    /// A frame becomes the table of a level on the way to an address.
    pub fn link(&mut self, gva: Gva, level: u32, gfn: Gfn) {
        *self.tables[level as usize - 1].get_mut(Self::number(gva.page(), level)) = gfn.0 + 1;
    }

    /// Maps an address to a frame.
    pub fn map(&mut self, gva: Gva, gfn: Gfn) {
        *self.entries.get_mut(Self::index(gva.page())) = gfn.0 as u32 + 1;
    }

    /// The entry of a small page goes; the frame that it had.
    pub fn unmap(&mut self, gva: Gva) -> Option<Gfn> {
        let index = Self::index(gva.page());
        if self.linear.is_some() || (*self.entries.get(index)) == 0 {
            return None;
        }
        let entry = std::mem::take(self.entries.get_mut(index));
        Some(Gfn(u64::from(entry - 1)))
    }

    /// The first address of the page of 2 MiB around an address, if it lies in one region and nothing
    /// of it is mapped yet, not even by a table.
    pub fn large_page_around(&self, gva: Gva) -> Option<Gva> {
        let pages = 1 << PageSize::Large.order();
        let index = Self::index(gva.page());
        let first = index / pages * pages;
        let (start, length) = self.regions[self.region_of(gva).index()];
        let fits = first >= start && first + pages <= start + length;
        let free = self.table(gva.page(), 1).is_none() && *self.entries.get(index) == 0;
        (fits && free).then_some(Gva(BASE + first * PAGE_SIZE))
    }

    /// Maps a page of 2 MiB to the frames from `gfn` on.
    pub fn map_large(&mut self, gva: Gva, gfn: Gfn) {
        let index = Self::index(gva.page());
        for page in 0..1 << PageSize::Large.order() {
            *self.entries.get_mut(index + page) = (gfn.0 + page) as u32 + 1;
        }
        *self.large.get_mut(index >> PageSize::Large.order()) = true;
        self.any_large = true;
    }

    /// The region that an address is in.
    pub fn region_of(&self, gva: Gva) -> RegionId {
        let page = Self::index(gva.page());
        let behind = self.regions.partition_point(|&(start, _)| start <= page);
        RegionId(behind.saturating_sub(1) as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_do_not_overlap() {
        let mut tables = GuestTables::new(&[4, 4], 4, Gfn(100), Gfn(102));
        let last = tables.gva(RegionId(0), 3);
        let first = tables.gva(RegionId(1), 0);
        assert_eq!(first.0 - last.0, PAGE_SIZE);
        let gfn = tables.frames().allocate(false).unwrap();
        tables.map(last, gfn);
        assert_eq!(tables.translate(last), Some(Gfn(100)));
        assert_eq!(tables.translate(first), None);
    }

    #[test]
    fn tables_are_missing_from_the_top_down() {
        for levels in [4, 5] {
            let mut tables = GuestTables::new(&[2048], levels, Gfn(0), Gfn(4096));
            let gva = tables.gva(RegionId(0), 600);
            let mut made = Vec::new();
            while let Some(level) = tables.missing_table(gva, PageSize::Small) {
                let gfn = tables.frames().allocate(false).unwrap();
                assert_eq!(tables.parent(gva, level).is_some(), level < levels);
                tables.link(gva, level, gfn);
                made.push(level);
            }
            assert_eq!(made, (1..=levels).rev().collect::<Vec<_>>());
            // A page in the same 2 MiB needs none, one in the next 2 MiB only the lowest.
            let near = tables.gva(RegionId(0), 1023);
            assert_eq!(tables.missing_table(near, PageSize::Small), None);
            let next = tables.gva(RegionId(0), 1024);
            assert_eq!(tables.missing_table(next, PageSize::Small), Some(1));
            assert_eq!(tables.missing_table(next, PageSize::Large), None);
        }
    }

    #[test]
    fn a_large_page_lies_in_one_region_where_nothing_is_mapped() {
        let mut tables = GuestTables::new(&[100, 1500], 4, Gfn(0), Gfn(4096));
        let at = |tables: &GuestTables, page| tables.gva(RegionId(1), page);
        // The region begins at page 100 and ends at 1600: whole are the second and the third 2 MiB.
        let inside = at(&tables, 412 + 3);
        assert_eq!(tables.large_page_around(at(&tables, 5)), None);
        assert_eq!(tables.large_page_around(at(&tables, 1499)), None);
        assert_eq!(tables.large_page_around(inside), Some(at(&tables, 412)));
        tables.map_large(at(&tables, 412), Gfn(512));
        assert_eq!(tables.leaf(inside.page()), Some((Gfn(515), PageSize::Large)));
        assert_eq!(tables.large_page_around(inside), None);
        let small = at(&tables, 412 + 512);
        tables.link(small, 1, Gfn(7));
        assert_eq!(tables.large_page_around(small), None);
    }
}
