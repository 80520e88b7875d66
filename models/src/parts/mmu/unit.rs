//! The translation hardware of a vCPU: TLB, walker and their caches, in one store of words that can be
//! taken back as a whole.
//!
//! A vCPU has its core for itself here: what other vCPUs that share the core leave in it is not
//! followed. Without tags by vCPU an entry into the guest empties everything.

use sim_core::Cycles;

use super::lines::Lines;
use super::store::{Mark, Store};
use super::tlb::{Pcid, Row, Tlb, TlbLevel};
use super::walk::{Levels, Stages, Stopped, Walked, Walker};
use crate::base::ids::{Gfn, Gva, PAGE_SIZE};
use crate::config::TranslationConfig;
use crate::config::costs::Prices;

/// What steps of a translation cost, in cycles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct WalkCosts {
    start: u64,
    /// A reference, by where its line is: L1, L2, L3, memory.
    lines: [u64; 4],
}

/// The translation hardware of a vCPU.
#[derive(Clone, Debug, Default)]
pub struct Mmu {
    store: Store,
    tlb: Tlb,
    walker: Walker,
    levels: Levels,
    costs: WalkCosts,
    /// Whether anything was entered since the last flush of everything.
    used: bool,
    /// The address space of the guest that is current.
    space: Pcid,
}

impl Mmu {
    /// Empty hardware for a guest with so many pages.
    pub fn new(
        config: &TranslationConfig,
        prices: &Prices,
        levels: Levels,
        memory_pages: u64,
    ) -> Self {
        let mut store = Store::default();
        let tlb = Tlb::new(&mut store, &config.l1_dtlb, &config.stlb);
        let lines = Lines::new(&mut store, config.table_lines, memory_pages);
        let walker = Walker::new(&mut store, config.paging_caches, config.nested_tlb, lines);
        let lines = [&prices.table_l1, &prices.table_l2, &prices.table_l3, &prices.table_memory];
        let costs = WalkCosts {
            start: prices.walk_start.cycles.0,
            lines: lines.map(|price| price.cycles.0),
        };
        store.sleep();
        Self { store, tlb, walker, levels, costs, used: false, space: Pcid::default() }
    }

    /// A burst begins: what was changed so far stays. Nothing is looked up before the first one.
    #[inline]
    pub fn begin_burst(&mut self) {
        self.store.wake();
        self.store.keep();
    }

    /// Looks an address up in the TLB and counts the use.
    #[inline(always)]
    pub fn lookup(&mut self, gva: Gva) -> Option<TlbLevel> {
        self.tlb.lookup(&mut self.store, gva, self.space)
    }

    /// Looks pages up in the TLB one after the other, up to the first one that it does not have. Only the
    /// low bits of their numbers count.
    #[inline]
    pub fn row(&mut self, pages: &[u64]) -> Row {
        self.tlb.row(&mut self.store, pages, self.space)
    }

    /// Walks to an address that the TLB does not have, which has it then; what that cost. Frames whose
    /// second-stage entries were used are added to `walked`: their accessed bits are to be set once it is
    /// final. A walk that stops has changed nothing: what it would have left in the caches is small beside
    /// the fault that follows.
    ///
    /// # Errors
    /// With where it stopped.
    pub fn walk(
        &mut self,
        gva: Gva,
        stages: &impl Stages,
        walked: &mut Vec<Gfn>,
    ) -> Result<Cycles, Stopped> {
        let Self { store, tlb, walker, levels, used, space, .. } = self;
        let (mark, length) = (store.mark(), walked.len());
        let goal = (gva.page(), *space);
        let walk = match walker.walk(store, goal, *levels, stages, walked) {
            Ok(walk) => walk,
            Err(stopped) => {
                store.undo_to(mark);
                walked.truncate(length);
                return Err(stopped);
            }
        };
        *used = true;
        tlb.insert(store, gva, walk.size, *space);
        Ok(self.cost(&walk))
    }

    /// Reads what a walk to a page and to its frame will ask of the caches of tables, and changes nothing.
    #[inline]
    pub fn look_at(&self, gva: Gva, gfn: Gfn) -> u32 {
        self.walker.look_at(&self.store, gva.page(), gfn)
    }

    fn cost(&self, walk: &Walked) -> Cycles {
        let lines = walk.references.counts().into_iter().zip(self.costs.lines);
        Cycles(lines.fold(self.costs.start, |sum, (count, cost)| sum + count * cost))
    }

    /// What was changed so far stays.
    #[inline]
    pub fn keep(&mut self) {
        self.store.keep();
    }

    /// The present position.
    #[inline]
    pub fn mark(&self) -> Mark {
        self.store.mark()
    }

    /// Takes back all that was changed since `mark`.
    pub fn undo_to(&mut self, mark: Mark) {
        self.store.undo_to(mark);
    }

    /// The host has changed its tables of this guest (INVEPT): combined translations go, and what is
    /// kept of the second stage.
    ///
    /// # Panics
    /// In the middle of a burst: a flush cannot be undone.
    pub fn invalidate_second_stage(&mut self) {
        if !std::mem::take(&mut self.used) {
            return;
        }
        self.tlb.clear(&mut self.store);
        self.walker.clear(&mut self.store);
    }

    /// Everything of this vCPU goes (INVVPID), but what is kept of the second stage alone.
    ///
    /// # Panics
    /// In the middle of a burst.
    pub fn invalidate_vcpu(&mut self) {
        if !self.used {
            return;
        }
        self.tlb.clear(&mut self.store);
        self.walker.drop_guest(&mut self.store);
    }

    /// The processor is reset: nothing of before is left.
    pub fn reset(&mut self) {
        self.store.keep();
        self.invalidate_second_stage();
    }

    /// The guest has changed entries of pages from an address on: their translations go, page by page (INVLPG), or
    /// all of the current address space.
    pub fn flush(&mut self, first: Gva, pages: Option<u64>) {
        self.store.keep();
        match pages {
            None => self.write_cr3(self.space, false),
            Some(pages) => {
                for page in 0..pages {
                    self.invalidate_page(Gva(first.0 + page * PAGE_SIZE), self.space);
                }
            }
        }
    }

    /// The guest changes the entry of an address (INVLPG): the translation goes, and all that is kept
    /// of upper levels of its address space.
    ///
    /// # Panics
    /// In the middle of a burst.
    pub fn invalidate_page(&mut self, gva: Gva, pcid: Pcid) {
        if self.store.is_asleep() {
            return;
        }
        self.tlb.drop_page(&mut self.store, gva, pcid);
        self.walker.drop_space(&mut self.store, pcid);
    }

    /// The guest writes CR3. Unless bit 63 says that the new address space keeps its entries
    /// (`CR4.PCIDE`), they go.
    ///
    /// # Panics
    /// In the middle of a burst.
    pub fn write_cr3(&mut self, pcid: Pcid, keep: bool) {
        self.store.keep();
        self.space = pcid;
        if !keep && !self.store.is_asleep() {
            self.tlb.drop_space(&mut self.store, pcid);
            self.walker.drop_space(&mut self.store, pcid);
        }
    }
}

#[cfg(test)]
mod tests;
