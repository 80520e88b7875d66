//! The guest's page tables for the one address space of the workload, and the guest's allocator
//! of frames for it.

use crate::base::ids::{Gfn, Gva, PAGE_SIZE, RegionId};
use crate::base::radix::Radix;

/// Where the first region lies; any canonical user address serves.
const BASE: u64 = 0x5500_0000_0000;

/// Guest tables: gva page to gfn.
#[derive(Clone, Debug)]
pub struct GuestTables {
    /// First page and length of each region, as page indices from `BASE`.
    regions: Vec<(u64, u64)>,
    /// gfn of each page, plus one; zero where unmapped.
    entries: Radix<u64>,
    next_free: u64,
    end: u64,
    /// Frames that were given back, the last one used first.
    released: Vec<Gfn>,
    /// The same of frames in guest_memfd, which stay there.
    released_in_memfd: Vec<Gfn>,
}

impl GuestTables {
    /// Empty tables for regions of these sizes, with frames from `first_free` to `end`.
    pub fn new(region_pages: &[u64], first_free: Gfn, end: Gfn) -> Self {
        let mut start = 0;
        let regions = region_pages
            .iter()
            .map(|&pages| {
                let region = (start, pages);
                start += pages;
                region
            })
            .collect();
        Self {
            regions,
            entries: Radix::new(start),
            next_free: first_free.0,
            end: end.0,
            released: Vec::new(),
            released_in_memfd: Vec::new(),
        }
    }

    /// Makes clones cheap from here on.
    pub fn freeze(&mut self) {
        self.entries.freeze();
    }

    /// Address of a page of a region.
    pub fn gva(&self, region: RegionId, page: u64) -> Gva {
        Gva(BASE + (self.regions[region.index()].0 + page) * PAGE_SIZE)
    }

    /// Pages in a region.
    pub fn region_pages(&self, region: RegionId) -> u64 {
        self.regions[region.index()].1
    }

    fn index(gva: Gva) -> u64 {
        (gva.0 - BASE) / PAGE_SIZE
    }

    /// The frame that an address is mapped to.
    pub fn translate(&self, gva: Gva) -> Option<Gfn> {
        self.entries.get(Self::index(gva)).checked_sub(1).map(Gfn)
    }

    /// Maps an address to a frame.
    pub fn map(&mut self, gva: Gva, gfn: Gfn) {
        *self.entries.get_mut(Self::index(gva)) = gfn.0 + 1;
    }

    /// The region that an address is in.
    pub fn region_of(&self, gva: Gva) -> RegionId {
        let page = Self::index(gva);
        let behind = self.regions.partition_point(|&(start, _)| start <= page);
        RegionId(behind.saturating_sub(1) as u16)
    }

    fn released(&mut self, in_memfd: bool) -> &mut Vec<Gfn> {
        if in_memfd { &mut self.released_in_memfd } else { &mut self.released }
    }

    /// Gives a frame back.
    pub fn release(&mut self, gfn: Gfn, in_memfd: bool) {
        self.released(in_memfd).push(gfn);
    }

    /// A fresh frame, as the guest's page allocator hands it out; `None` when memory is used up.
    pub fn allocate(&mut self, in_memfd: bool) -> Option<Gfn> {
        if let Some(gfn) = self.released(in_memfd).pop() {
            return Some(gfn);
        }
        if self.next_free == self.end {
            return None;
        }
        let gfn = Gfn(self.next_free);
        self.next_free += 1;
        Some(gfn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_do_not_overlap() {
        let mut tables = GuestTables::new(&[4, 4], Gfn(100), Gfn(102));
        let last = tables.gva(RegionId(0), 3);
        let first = tables.gva(RegionId(1), 0);
        assert_eq!(first.0 - last.0, PAGE_SIZE);
        let gfn = tables.allocate(false).unwrap();
        tables.map(last, gfn);
        assert_eq!(tables.translate(last), Some(Gfn(100)));
        assert_eq!(tables.translate(first), None);
        assert_eq!(tables.allocate(false), Some(Gfn(101)));
        assert_eq!(tables.allocate(false), None);
    }
}
