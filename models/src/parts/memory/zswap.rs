//! The pool of zswap (`mm/zswap.c`): which pages of a container it holds compressed, in which order they go to
//! the device, and whether it takes another one. Containers share its size and have lists of their own.

use super::{MAX_RECLAIM_RETRIES, SWAP_CLUSTER_MAX};
use crate::base::radix::Radix;
use crate::config::{ZswapConfig, ZswapKernel};

/// The same where the allocator looks for entries (`zbud_zpool_shrink`).
const MAX_FAILURES_OF_ALLOCATOR: u32 = 8;

/// What the pool has of a page. Neighbours are places in the table, plus one.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    held: bool,
    /// Its turn to be written back has not come yet.
    referenced: bool,
    older: u64,
    younger: u64,
}

/// What becomes of a page that is to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is held from now on.
    Stored,
    /// The pool is full: the page goes to the device, and maybe the worker has to be told.
    Refused {
        /// Whether the worker is told.
        shrink: bool,
    },
}

/// What all containers share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pool {
    /// It was full, and is not below the threshold yet (`zswap_pool_reached_full`).
    pub(super) reached_full: bool,
    /// The container whose entries the worker looked at last (`zswap_next_shrink`).
    pub(super) cursor: usize,
}

/// A run of the worker that makes room (`shrink_worker`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shrinking {
    /// Entries that the present batch has looked at, and those of them that went.
    pub(super) looked_at: u32,
    pub(super) gone: u32,
    pub(super) failures: u32,
    /// Pages that the pool had when the run began.
    pub(super) began_with: u64,
}

/// How a kernel's worker goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manner {
    /// Entries that it looks at in one go.
    pub(super) batch: u32,
    /// Whether an entry is spared once.
    pub(super) spares: bool,
    /// Goes without success after which it gives up.
    pub(super) most_failures: u32,
}

/// The entries of a container.
#[derive(Clone, Debug)]
pub(crate) struct Zswap {
    config: ZswapConfig,
    kernel: ZswapKernel,
    entries: Radix<Entry>,
    oldest: u64,
    youngest: u64,
    stored: u64,
}

impl Zswap {
    /// An empty pool for a table of so many pages.
    pub(crate) fn new(config: &ZswapConfig, kernel: ZswapKernel, pages: u64) -> Self {
        Self {
            config: config.clone(),
            kernel,
            entries: Radix::new(pages),
            oldest: 0,
            youngest: 0,
            stored: 0,
        }
    }

    pub(super) fn freeze(&mut self) {
        self.entries.freeze();
    }

    /// Pages that it takes.
    pub(super) fn pages(&self) -> u64 {
        self.config.pool_pages(self.stored)
    }

    /// Pages of it that count against the limit of the container.
    #[inline]
    pub(super) fn charged(&self) -> u64 {
        if self.kernel.charges() { self.pages() } else { 0 }
    }

    pub(super) fn holds(&self, place: u64) -> bool {
        self.entries.get(place).held
    }

    /// Above which it is to be shrunk, and below which it takes pages again.
    fn threshold(&self) -> u64 {
        let most = self.config.max_pool_pages.unwrap_or(u64::MAX);
        (u128::from(most) * u128::from(self.config.accept_percent) / 100) as u64
    }

    /// A page is swapped out, and any copy that the pool has of it is stale (`zswap_store`). The entries of all
    /// containers take so many pages.
    pub(super) fn store(&mut self, place: u64, taken: u64, pool: &mut Pool) -> Verdict {
        let full = self.config.max_pool_pages.is_some_and(|most| taken >= most);
        if full {
            pool.reached_full = true;
        } else if pool.reached_full && taken <= self.threshold() {
            pool.reached_full = false;
        }
        self.forget(place);
        if pool.reached_full {
            let only_when_full =
                matches!(self.kernel, ZswapKernel::Frontswap | ZswapKernel::FrontswapCharged);
            return Verdict::Refused { shrink: full || !only_when_full };
        }
        self.entries.get_mut(place).held = true;
        self.entries.get_mut(place).referenced = true;
        self.add(place);
        self.stored += 1;
        Verdict::Stored
    }

    /// A page that it holds was loaded. True: without leaving a copy.
    pub(super) fn load(&mut self, place: u64) -> bool {
        if !self.kernel.keeps_loaded() {
            self.forget(place);
            return true;
        }
        if self.kernel == ZswapKernel::OldestFirst {
            self.rotate(place);
        }
        false
    }

    /// Whatever it has of a page is stale, or is written back (`zswap_invalidate`).
    pub(super) fn forget(&mut self, place: u64) {
        if self.holds(place) {
            self.remove(place);
            self.entries.get_mut(place).held = false;
            self.stored -= 1;
        }
    }

    /// Whether a run has done enough, when the entries of all containers take so many pages.
    pub(super) fn is_shrunk(&self, run: &Shrinking, taken: u64) -> bool {
        match self.kernel {
            ZswapKernel::Frontswap | ZswapKernel::FrontswapCharged => taken < run.began_with,
            _ => taken <= self.threshold(),
        }
    }

    /// How the worker goes about it.
    pub(super) fn manner(&self) -> Manner {
        let one = |spares, most_failures| Manner { batch: 1, spares, most_failures };
        match self.kernel {
            ZswapKernel::SecondChanceBatch => {
                Manner { batch: SWAP_CLUSTER_MAX as u32, ..one(true, MAX_RECLAIM_RETRIES) }
            }
            ZswapKernel::SecondChance => one(true, MAX_RECLAIM_RETRIES),
            ZswapKernel::OldestFirst => one(false, MAX_RECLAIM_RETRIES),
            ZswapKernel::None | ZswapKernel::Frontswap | ZswapKernel::FrontswapCharged => {
                one(false, MAX_FAILURES_OF_ALLOCATOR)
            }
        }
    }

    /// Whether it has no entry.
    pub(super) fn is_empty(&self) -> bool {
        self.stored == 0
    }

    /// The worker looks at the oldest entry, which is the youngest one afterwards. Whether it goes: its page is
    /// not in the swap cache, and it is not spared.
    pub(super) fn look_at_oldest(
        &mut self,
        spares: bool,
        in_swap_cache: impl Fn(u64) -> bool,
    ) -> Option<u64> {
        let place = self.oldest.checked_sub(1)?;
        self.rotate(place);
        let spared = std::mem::take(&mut self.entries.get_mut(place).referenced) && spares;
        (!spared && !in_swap_cache(place)).then_some(place)
    }

    /// Makes an entry the youngest one.
    fn rotate(&mut self, place: u64) {
        self.remove(place);
        self.add(place);
    }

    fn add(&mut self, place: u64) {
        let entry = self.entries.get_mut(place);
        (entry.older, entry.younger) = (self.youngest, 0);
        match self.youngest.checked_sub(1) {
            Some(before) => self.entries.get_mut(before).younger = place + 1,
            None => self.oldest = place + 1,
        }
        self.youngest = place + 1;
    }

    fn remove(&mut self, place: u64) {
        let Entry { older, younger, .. } = *self.entries.get(place);
        match older.checked_sub(1) {
            Some(older) => self.entries.get_mut(older).younger = younger,
            None => self.oldest = younger,
        }
        match younger.checked_sub(1) {
            Some(younger) => self.entries.get_mut(younger).older = older,
            None => self.youngest = older,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::named::Named;
    use proptest::prelude::*;
    use sim_core::Distribution;
    use std::collections::VecDeque;

    fn entries(kernel: ZswapKernel, ratio_milli: u32, most: Option<u64>) -> Zswap {
        let law = Distribution::Constant { value: 1 };
        let config = ZswapConfig {
            load: law.clone(),
            store: law,
            ratio_milli,
            max_pool_pages: most,
            accept_percent: 90,
        };
        Zswap::new(&config, kernel, 1000)
    }

    #[test]
    fn a_full_pool_refuses_until_it_is_below_the_threshold() {
        let mut zswap = entries(ZswapKernel::SecondChance, 2000, Some(20));
        let mut pool = Pool::default();
        // Another container has five pages.
        let mut store = |zswap: &mut Zswap, place| {
            let taken = zswap.pages() + 5;
            zswap.store(place, taken, &mut pool)
        };
        for place in 0..29 {
            assert_eq!(store(&mut zswap, place), Verdict::Stored);
        }
        assert_eq!(zswap.pages(), 15);
        assert_eq!(store(&mut zswap, 50), Verdict::Refused { shrink: true });
        // 18 pages are 90 %, of which 13 hold 26.
        for place in 0..2 {
            assert!(zswap.load(place));
            assert_eq!(store(&mut zswap, 50), Verdict::Refused { shrink: true }, "{place}");
        }
        assert!(zswap.load(2));
        assert_eq!((zswap.pages(), store(&mut zswap, 50)), (13, Verdict::Stored));
    }

    #[test]
    fn only_the_newer_kernels_take_the_copy_of_a_loaded_page_away() {
        for &kernel in ZswapKernel::ALL {
            let mut zswap = entries(kernel, 1000, None);
            for place in 0..3 {
                zswap.store(place, 0, &mut Pool::default());
            }
            let gone = zswap.load(1);
            assert_eq!(gone, matches!(kernel.name(), "second-chance" | "second-chance-batch"));
            assert_eq!((zswap.holds(1), zswap.pages()), (!gone, if gone { 2 } else { 3 }));
            assert_eq!(zswap.charged() == 0, matches!(kernel.name(), "none" | "frontswap"));
        }
    }

    proptest! {
        /// The pool holds what was stored and neither loaded nor dropped since, in the order of storing.
        #[test]
        fn the_order_is_that_of_storing(ops in prop::collection::vec((0u64..20, 0u8..3), 1..200)) {
            let mut zswap = entries(ZswapKernel::OldestFirst, 1000, None);
            let mut model = VecDeque::new();
            for (place, op) in ops {
                model.retain(|&held| held != place);
                match op {
                    0 => zswap.forget(place),
                    _ => {
                        zswap.store(place, 0, &mut Pool::default());
                        model.push_back(place);
                    }
                }
                prop_assert_eq!(zswap.pages(), model.len() as u64);
                prop_assert_eq!(zswap.oldest.checked_sub(1), model.front().copied());
                prop_assert_eq!(zswap.youngest.checked_sub(1), model.back().copied());
            }
            let mut order = VecDeque::new();
            while let Some(place) = zswap.oldest.checked_sub(1) {
                order.push_back(place);
                zswap.forget(place);
            }
            prop_assert_eq!(order, model);
        }
    }
}
