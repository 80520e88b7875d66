//! The TLB of one vCPU: a first level backed by a second, both set-associative with true LRU.
//!
//! A vCPU that runs ahead of the other actors may have to be taken back. Every change is
//! therefore written to a journal while one is kept, and can be undone in reverse.

use crate::base::ids::Gva;
use crate::config::TlbGeometry;

/// Where a translation was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlbLevel {
    /// First level: no extra cost.
    L1,
    /// Second level.
    Stlb,
}

/// One way of one set: a tag and when it was last used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Way {
    /// gva page plus one; zero when empty.
    tag: u64,
    stamp: u64,
}

/// An old value of one way.
#[derive(Clone, Copy, Debug)]
struct Undo {
    level: TlbLevel,
    index: u32,
    old: Way,
}

/// Position in the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    journal: usize,
    clock: u64,
}

#[derive(Clone, Debug)]
struct Level {
    ways: Vec<Way>,
    associativity: usize,
    /// Number of sets less one; the number is a power of two.
    set_mask: u64,
}

impl Level {
    fn new(geometry: TlbGeometry) -> Self {
        let associativity = geometry.ways.max(1) as usize;
        let sets = (geometry.entries as usize / associativity).max(1);
        // The file reader refuses other numbers than powers of two.
        let set_count = if sets.is_power_of_two() { sets } else { sets.next_power_of_two() / 2 };
        Self {
            ways: vec![Way::default(); set_count * associativity],
            associativity,
            set_mask: set_count as u64 - 1,
        }
    }

    fn set_start(&self, page: u64) -> usize {
        (page & self.set_mask) as usize * self.associativity
    }

    /// Where a page is, if it was entered or used after `flushed`.
    fn find(&self, page: u64, flushed: u64) -> Option<usize> {
        let start = self.set_start(page);
        let set = &self.ways[start..start + self.associativity];
        let here = |way: &Way| way.tag == page + 1 && way.stamp > flushed;
        set.iter().position(here).map(|at| start + at)
    }

    /// The way to be replaced: an empty or flushed one, or the least recently used.
    fn victim(&self, page: u64) -> usize {
        let start = self.set_start(page);
        let set = &self.ways[start..start + self.associativity];
        let oldest = set.iter().enumerate().min_by_key(|(_, way)| way.stamp);
        start + oldest.map_or(0, |(at, _)| at)
    }
}

/// Both levels, with the journal.
#[derive(Clone, Debug)]
pub struct Tlb {
    l1: Level,
    stlb: Level,
    clock: u64,
    /// The clock at the last flush: what was not used since is gone.
    flushed: u64,
    journal: Vec<Undo>,
    journaling: bool,
}

impl Tlb {
    /// An empty TLB.
    pub fn new(l1: TlbGeometry, stlb: TlbGeometry) -> Self {
        Self {
            l1: Level::new(l1),
            stlb: Level::new(stlb),
            clock: 0,
            flushed: 0,
            journal: Vec::new(),
            journaling: false,
        }
    }

    /// Drops every entry (INVEPT, INVVPID).
    ///
    /// # Panics
    /// When a journal is being kept: a flush cannot be undone.
    pub fn flush(&mut self) {
        assert!(self.journal.is_empty(), "a flush in the middle of a burst");
        self.flushed = self.clock;
    }

    /// Begins a journal; what was kept before is forgotten.
    pub fn start_journal(&mut self) {
        self.journal.clear();
        self.journaling = true;
    }

    /// Ends the journal and keeps the state as it is.
    pub fn drop_journal(&mut self) {
        self.journal.clear();
        self.journaling = false;
    }

    /// The present position.
    pub fn mark(&self) -> Mark {
        Mark { journal: self.journal.len(), clock: self.clock }
    }

    /// Takes back all that happened since `mark`.
    pub fn undo_to(&mut self, mark: Mark) {
        while self.journal.len() > mark.journal {
            let Some(undo) = self.journal.pop() else { break };
            self.level(undo.level).ways[undo.index as usize] = undo.old;
        }
        self.clock = mark.clock;
    }

    fn level(&mut self, level: TlbLevel) -> &mut Level {
        match level {
            TlbLevel::L1 => &mut self.l1,
            TlbLevel::Stlb => &mut self.stlb,
        }
    }

    fn write(&mut self, level: TlbLevel, index: usize, way: Way) {
        let slot = &mut self.level(level).ways[index];
        let old = std::mem::replace(slot, way);
        if self.journaling {
            self.journal.push(Undo { level, index: index as u32, old });
        }
    }

    /// Looks an address up and counts the use; a second-level hit is copied to the first.
    pub fn lookup(&mut self, gva: Gva) -> Option<TlbLevel> {
        let page = gva.page();
        self.clock += 1;
        let way = Way { tag: page + 1, stamp: self.clock };
        if let Some(at) = self.l1.find(page, self.flushed) {
            self.write(TlbLevel::L1, at, way);
            return Some(TlbLevel::L1);
        }
        let at = self.stlb.find(page, self.flushed)?;
        self.write(TlbLevel::Stlb, at, way);
        let victim = self.l1.victim(page);
        self.write(TlbLevel::L1, victim, way);
        Some(TlbLevel::Stlb)
    }

    /// Enters a translation into both levels.
    pub fn insert(&mut self, gva: Gva) {
        let page = gva.page();
        self.clock += 1;
        let way = Way { tag: page + 1, stamp: self.clock };
        for level in [TlbLevel::Stlb, TlbLevel::L1] {
            let at = self.level(level).victim(page);
            self.write(level, at, way);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::PAGE_SIZE;

    fn tlb() -> Tlb {
        Tlb::new(TlbGeometry { entries: 8, ways: 4 }, TlbGeometry { entries: 32, ways: 4 })
    }

    fn page(n: u64) -> Gva {
        Gva(n * PAGE_SIZE)
    }

    #[test]
    fn the_least_recently_used_entry_goes_first() {
        let mut tlb = tlb();
        // Pages 0, 2, 4, 6, 8 share a first-level set of four ways.
        for n in [0, 2, 4, 6] {
            tlb.insert(page(n));
        }
        assert_eq!(tlb.lookup(page(0)), Some(TlbLevel::L1));
        tlb.insert(page(8));
        assert_eq!(tlb.lookup(page(0)), Some(TlbLevel::L1));
        assert_eq!(tlb.lookup(page(2)), Some(TlbLevel::Stlb));
        assert_eq!(tlb.lookup(page(1)), None);
    }

    #[test]
    fn undo_restores_every_way() {
        let mut tlb = tlb();
        for n in 0..20 {
            tlb.insert(page(n));
        }
        let before = tlb.clone();
        tlb.start_journal();
        let mark = tlb.mark();
        for n in 5..40 {
            if tlb.lookup(page(n)).is_none() {
                tlb.insert(page(n));
            }
        }
        tlb.undo_to(mark);
        tlb.drop_journal();
        assert_eq!(tlb.l1.ways, before.l1.ways);
        assert_eq!(tlb.stlb.ways, before.stlb.ways);
        assert_eq!(tlb.clock, before.clock);
    }

    #[test]
    fn a_flush_empties_both_levels() {
        let mut tlb = tlb();
        tlb.insert(page(3));
        tlb.flush();
        assert_eq!(tlb.lookup(page(3)), None);
        // What comes after a flush replaces what was before it, and stays.
        for n in [0, 4, 8, 12] {
            tlb.insert(page(n));
        }
        assert!([0, 4, 8, 12].iter().all(|&n| tlb.lookup(page(n)).is_some()));
    }

    #[test]
    fn undo_does_not_bring_back_what_was_flushed() {
        let mut tlb = tlb();
        tlb.insert(page(1));
        tlb.flush();
        tlb.start_journal();
        let mark = tlb.mark();
        tlb.insert(page(1));
        tlb.undo_to(mark);
        tlb.drop_journal();
        assert_eq!(tlb.lookup(page(1)), None);
    }
}
