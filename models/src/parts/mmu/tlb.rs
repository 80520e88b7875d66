//! The data TLB of a core: two levels of set-associative arrays that hold pages of several sizes.
//!
//! An entry is the combined translation of a guest's address to the host's memory. Its size is the
//! smaller one of the guest's page and of what the second stage maps: a huge page of a guest whose host
//! has small ones is many entries. A hit in the second level is entered into the first; nothing is
//! entered into the second on a hit in the first (vusec/tlbdr).

use super::array::SetArray;
use super::store::Store;
use crate::base::ids::Gva;
use crate::base::page_size::{PageSize, PageSizes};
use crate::config::TlbArray;

/// Where a translation was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlbLevel {
    /// First level: no extra cost.
    L1,
    /// Second level.
    Stlb,
}

/// What became of accesses one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Hits in the first level.
    pub l1: u64,
    /// Hits in the second level.
    pub stlb: u64,
    /// Where the last one of them hit.
    pub last: TlbLevel,
}

/// An address space of the guest, by the tag that its kernel gives it (PCID).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pcid(pub u8);

/// Bits of a page number in a tag: all of the guest's regions are in one window of 1 TiB, which its
/// guest tables see to.
const PAGE_BITS: u32 = 28;
const PCID_SHIFT: u32 = PAGE_BITS;
const SIZE_SHIFT: u32 = 30;

/// The tag of a page: level of its size, address space, page number.
#[inline]
const fn tag_of(page: u64, size: PageSize, pcid: Pcid) -> u32 {
    let number = (page as u32 & ((1 << PAGE_BITS) - 1)) >> size.order();
    size.level() << SIZE_SHIFT | (pcid.0 as u32 & 3) << PCID_SHIFT | number
}

const fn pcid_of(tag: u32) -> u8 {
    (tag >> PCID_SHIFT & 3) as u8
}

/// One size of page in one array.
#[derive(Clone, Copy, Debug)]
struct Probe {
    array: SetArray,
    size: PageSize,
}

/// A level: where each size is looked for, and where it is entered.
#[derive(Clone, Debug, Default)]
struct Level {
    probes: Vec<Probe>,
    /// The only array that takes small pages, if there is one: as a rule it is all that is asked.
    small: Option<SetArray>,
    /// By size: the arrays that take it, one or two.
    arrays: [[Option<SetArray>; 2]; 3],
}

impl Level {
    fn new(store: &mut Store, shapes: &[TlbArray]) -> Self {
        let mut level = Self::default();
        for shape in shapes {
            let sets = (shape.set_count(), shape.ways);
            let array = SetArray::new(store, sets, shape.sets, shape.replacement);
            for size in [PageSize::Small, PageSize::Large, PageSize::Huge] {
                if shape.sizes.has(size) {
                    level.probes.push(Probe { array, size });
                    let arrays = &mut level.arrays[size.level() as usize - 1];
                    if let Some(place) = arrays.iter_mut().find(|place| place.is_none()) {
                        *place = Some(array);
                    }
                }
            }
        }
        // The usual size first.
        level.probes.sort_by_key(|probe| probe.size);
        level.small = match level.arrays[0] {
            [only, None] => only,
            [_, Some(_)] => None,
        };
        level
    }

    /// Looks a page up in all sizes that there may be; the size of its entry.
    #[inline(always)]
    fn hit(&self, store: &mut Store, page: u64, sizes: PageSizes, pcid: Pcid) -> Option<PageSize> {
        if let (Some(array), true) = (&self.small, sizes == PageSizes::SMALL) {
            let tag = tag_of(page, PageSize::Small, pcid);
            return array.hit(store, page, tag).then_some(PageSize::Small);
        }
        self.hit_of_any_size(store, page, sizes, pcid)
    }

    #[inline(never)]
    fn hit_of_any_size(
        &self,
        store: &mut Store,
        page: u64,
        sizes: PageSizes,
        pcid: Pcid,
    ) -> Option<PageSize> {
        for probe in &self.probes {
            if !sizes.has(probe.size) {
                continue;
            }
            let key = page >> probe.size.order();
            if probe.array.hit(store, key, tag_of(page, probe.size, pcid)) {
                return Some(probe.size);
            }
        }
        None
    }

    /// Enters a page. A level without an array for its size keeps nothing of it. Where a size may lie
    /// in two arrays, the bit above the number of the set says in which: an assumption.
    #[inline(always)]
    fn insert(&self, store: &mut Store, page: u64, size: PageSize, pcid: Pcid) {
        match &self.small {
            Some(array) if size == PageSize::Small => {
                array.insert(store, page, tag_of(page, PageSize::Small, pcid));
            }
            _ => self.insert_rarely(store, page, size, pcid),
        }
    }

    #[inline(never)]
    fn insert_rarely(&self, store: &mut Store, page: u64, size: PageSize, pcid: Pcid) {
        let key = page >> size.order();
        let array = match &self.arrays[size.level() as usize - 1] {
            [Some(first), Some(second)] => {
                if key & first.sets() == 0 {
                    first
                } else {
                    second
                }
            }
            [Some(only), None] => only,
            [None, _] => return,
        };
        array.insert(store, key, tag_of(page, size, pcid));
    }

    fn drop_where(&self, store: &mut Store, goes: impl Fn(u32) -> bool) {
        for probe in &self.probes {
            probe.array.drop_where(store, &goes);
        }
    }
}

/// Both levels.
#[derive(Clone, Debug, Default)]
pub struct Tlb {
    l1: Level,
    stlb: Level,
    /// Sizes of which there may be entries: the others need not be looked for.
    sizes: PageSizes,
}

impl Tlb {
    /// An empty TLB in a store.
    pub fn new(store: &mut Store, l1: &[TlbArray], stlb: &[TlbArray]) -> Self {
        Self {
            l1: Level::new(store, l1),
            stlb: Level::new(store, stlb),
            sizes: PageSizes::default(),
        }
    }

    /// Looks an address up and counts the use; a second-level hit is copied to the first.
    #[inline(always)]
    pub fn lookup(&self, store: &mut Store, gva: Gva, pcid: Pcid) -> Option<TlbLevel> {
        self.lookup_page(store, gva.page(), pcid)
    }

    #[inline(always)]
    fn lookup_page(&self, store: &mut Store, page: u64, pcid: Pcid) -> Option<TlbLevel> {
        if self.l1.hit(store, page, self.sizes, pcid).is_some() {
            return Some(TlbLevel::L1);
        }
        let size = self.stlb.hit(store, page, self.sizes, pcid)?;
        self.l1.insert(store, page, size, pcid);
        Some(TlbLevel::Stlb)
    }

    /// Looks pages of 4 KiB up one after the other, up to the first one that is in neither level; counts
    /// the uses as [`Self::lookup`] does.
    pub fn row(&self, store: &mut Store, pages: &[u64], pcid: Pcid) -> Row {
        let mut row = Row { l1: 0, stlb: 0, last: TlbLevel::L1 };
        let usual = self.l1.small.as_ref().filter(|_| self.sizes == PageSizes::SMALL);
        let mut rest = pages;
        while !rest.is_empty() {
            if let Some(l1) = usual {
                let hits = l1.row(store, rest, |page| tag_of(page, PageSize::Small, pcid));
                if hits > 0 {
                    row.l1 += hits as u64;
                    row.last = TlbLevel::L1;
                    rest = &rest[hits..];
                    continue;
                }
                if self.stlb.hit(store, rest[0], self.sizes, pcid).is_none() {
                    break;
                }
                l1.insert(store, rest[0], tag_of(rest[0], PageSize::Small, pcid));
                row.last = TlbLevel::Stlb;
            } else {
                let Some(level) = self.lookup_page(store, rest[0], pcid) else { break };
                row.last = level;
            }
            match row.last {
                TlbLevel::L1 => row.l1 += 1,
                TlbLevel::Stlb => row.stlb += 1,
            }
            rest = &rest[1..];
        }
        row
    }

    /// Enters a translation that a walk found, into both levels.
    #[inline]
    pub fn insert(&mut self, store: &mut Store, gva: Gva, size: PageSize, pcid: Pcid) {
        self.sizes = self.sizes.with(size);
        for level in [&self.stlb, &self.l1] {
            level.insert(store, gva.page(), size, pcid);
        }
    }

    /// Drops everything.
    pub fn clear(&mut self, store: &mut Store) {
        for probe in self.l1.probes.iter().chain(&self.stlb.probes) {
            probe.array.clear(store);
        }
        self.sizes = PageSizes::default();
    }

    /// Drops all entries of an address space.
    pub fn drop_space(&self, store: &mut Store, pcid: Pcid) {
        let goes = |tag: u32| pcid_of(tag) == pcid.0;
        self.l1.drop_where(store, goes);
        self.stlb.drop_where(store, goes);
    }

    /// Drops the entry of an address in an address space, whatever its size.
    pub fn drop_page(&self, store: &mut Store, gva: Gva, pcid: Pcid) {
        let all = [PageSize::Small, PageSize::Large, PageSize::Huge];
        let tags = all.map(|size| tag_of(gva.page(), size, pcid));
        let goes = |tag: u32| tags.contains(&tag);
        self.l1.drop_where(store, goes);
        self.stlb.drop_where(store, goes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::PAGE_SIZE;
    use crate::config::{Replacement, SetFunction};

    fn array(entries: u32, ways: u32, sizes: &[PageSize]) -> TlbArray {
        TlbArray {
            entries,
            ways,
            sizes: sizes.to_vec().into(),
            sets: SetFunction::Linear,
            replacement: Replacement::Lru,
        }
    }

    fn small() -> (Store, Tlb) {
        let mut store = Store::default();
        let only = [PageSize::Small];
        let tlb = Tlb::new(&mut store, &[array(8, 4, &only)], &[array(32, 4, &only)]);
        (store, tlb)
    }

    fn page(n: u64) -> Gva {
        Gva(n * PAGE_SIZE)
    }

    const P0: Pcid = Pcid(0);

    #[test]
    fn the_least_recently_used_entry_goes_first() {
        let (mut store, mut tlb) = small();
        // Pages 0, 2, 4, 6, 8 share a first-level set of four ways.
        for n in [0, 2, 4, 6] {
            tlb.insert(&mut store, page(n), PageSize::Small, P0);
        }
        assert_eq!(tlb.lookup(&mut store, page(0), P0), Some(TlbLevel::L1));
        tlb.insert(&mut store, page(8), PageSize::Small, P0);
        assert_eq!(tlb.lookup(&mut store, page(0), P0), Some(TlbLevel::L1));
        assert_eq!(tlb.lookup(&mut store, page(2), P0), Some(TlbLevel::Stlb));
        assert_eq!(tlb.lookup(&mut store, page(1), P0), None);
    }

    #[test]
    fn a_flush_empties_both_levels() {
        let (mut store, mut tlb) = small();
        tlb.insert(&mut store, page(3), PageSize::Small, P0);
        store.keep();
        tlb.clear(&mut store);
        assert_eq!(tlb.lookup(&mut store, page(3), P0), None);
        for n in [0, 4, 8, 12] {
            tlb.insert(&mut store, page(n), PageSize::Small, P0);
        }
        assert!([0, 4, 8, 12].iter().all(|&n| tlb.lookup(&mut store, page(n), P0).is_some()));
    }

    /// An entry of 2 MiB serves all its pages, one of 4 KiB only its own: what a huge page of the
    /// guest comes to where the host has small ones.
    #[test]
    fn the_size_of_an_entry_is_its_reach() {
        let all = [PageSize::Small, PageSize::Large];
        for (size, reached) in [(PageSize::Large, 512), (PageSize::Small, 1)] {
            let mut store = Store::default();
            let mut tlb = Tlb::new(&mut store, &[array(64, 64, &all)], &[]);
            tlb.insert(&mut store, page(512 + 7), size, P0);
            let hits = (0..2048).filter(|&n| tlb.lookup(&mut store, page(n), P0).is_some()).count();
            assert_eq!(hits, reached, "{size:?}");
        }
    }

    #[test]
    fn a_size_without_an_array_is_not_kept() {
        let mut store = Store::default();
        let l1 = [array(8, 4, &[PageSize::Small]), array(4, 4, &[PageSize::Huge])];
        let mut tlb = Tlb::new(&mut store, &l1, &[array(32, 4, &[PageSize::Small])]);
        tlb.insert(&mut store, page(0), PageSize::Large, P0);
        assert_eq!(tlb.lookup(&mut store, page(0), P0), None);
        tlb.insert(&mut store, page(0), PageSize::Huge, P0);
        assert_eq!(tlb.lookup(&mut store, page(512 * 512 - 1), P0), Some(TlbLevel::L1));
        assert_eq!(tlb.lookup(&mut store, page(512 * 512), P0), None);
    }

    /// As the second level of Ice Lake-SP: an array that 4 KiB and 2 MiB share beside one that 4 KiB
    /// and 1 GiB share. Small pages reach as far as both.
    #[test]
    fn two_arrays_for_small_pages_are_both_used() {
        let mut store = Store::default();
        let stlb = [
            array(16, 4, &[PageSize::Small, PageSize::Large]),
            array(16, 4, &[PageSize::Small, PageSize::Huge]),
        ];
        let mut tlb = Tlb::new(&mut store, &[], &stlb);
        (0..32).for_each(|n| tlb.insert(&mut store, page(n), PageSize::Small, P0));
        let hits = (0..32).filter(|&n| tlb.lookup(&mut store, page(n), P0).is_some()).count();
        assert_eq!(hits, 32);
    }

    #[test]
    fn address_spaces_do_not_see_each_other() {
        let (mut store, mut tlb) = small();
        tlb.insert(&mut store, page(1), PageSize::Small, Pcid(1));
        assert_eq!(tlb.lookup(&mut store, page(1), Pcid(2)), None);
        tlb.insert(&mut store, page(1), PageSize::Small, Pcid(2));
        store.keep();
        tlb.drop_space(&mut store, Pcid(1));
        assert_eq!(tlb.lookup(&mut store, page(1), Pcid(1)), None);
        assert_eq!(tlb.lookup(&mut store, page(1), Pcid(2)), Some(TlbLevel::L1));
        store.keep();
        tlb.drop_page(&mut store, page(1), Pcid(2));
        assert_eq!(tlb.lookup(&mut store, page(1), Pcid(2)), None);
    }
}
