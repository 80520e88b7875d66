//! zswap: compressed pages in memory before a swap device. The law of its pool is in
//! `parts/memory/zswap.rs`.

use sim_core::Distribution;

use crate::base::named::named;

/// A pool of compressed pages before the swap device. A page that is swapped out is compressed into it by
/// the thread that reclaims, and decompressed by the thread that faults; what does not find room goes to
/// the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZswapConfig {
    /// Processor time to bring a page from the pool (`zswap_load`), in picoseconds.
    pub load: Distribution,
    /// Processor time to compress a page and to store it (`zswap_store`).
    pub store: Distribution,
    /// Pages over the pages that hold them, in thousandths.
    pub ratio_milli: u32,
    /// Pages that the pool may take (`max_pool_percent` of the host's memory), if it ever gets that far.
    pub max_pool_pages: Option<u64>,
    /// Below which part of that, in percent, it accepts pages again after it was full
    /// (`accept_threshold_percent`).
    pub accept_percent: u32,
}

impl ZswapConfig {
    /// Pages of the pool that hold so many compressed ones.
    pub fn pool_pages(&self, stored: u64) -> u64 {
        let pages = u128::from(stored) * 1000;
        u64::try_from(pages.div_ceil(self.ratio_milli.max(1).into())).unwrap_or(u64::MAX)
    }

    /// Pages that the pool has at most when `stored` are swapped out. It was not full yet when the last one
    /// was stored.
    pub fn largest_pool(&self, stored: u64) -> u64 {
        let all = self.pool_pages(stored);
        self.max_pool_pages.map_or(all, |most| all.min(most + 1))
    }
}

named! {
    /// How the host's kernel keeps a pool of compressed pages before the swap device (`mm/zswap.c`): whether
    /// the pool is charged to the container whose pages it holds, whether a page that was loaded keeps its
    /// compressed copy, and who goes to the device when the pool is full. In all of them the thread that
    /// reclaims compresses, a full pool refuses pages, which then go to the device, and a worker of the
    /// kernel's writes entries back.
    ZswapKernel {
        /// None here: there is none before 3.11, and that of 4.19, which writes back within the reclaim that
        /// found the pool full, is not modelled.
        None => "none",
        /// Not charged; a loaded page keeps its copy until its slot is given up; a full pool has the oldest
        /// entries written back until a page of it is free, and then refuses pages until so many were loaded
        /// that it is below the threshold (`zswap_frontswap_store`, `shrink_worker` of 5.10.262).
        Frontswap => "frontswap",
        /// The same, but charged to the container (`obj_cgroup_charge_zswap` of 6.1.192).
        FrontswapCharged => "frontswap-charged",
        /// Charged, keeps copies; entries are written back, oldest first, until the pool is below the threshold
        /// (`shrink_worker` between 6.5 and 6.7).
        OldestFirst => "oldest-first",
        /// Charged; the page that was loaded has no copy any more and is dirty; an entry whose turn comes for
        /// the first time is spared once, and the worker gives up for now after 16 (`zswap_load`,
        /// `shrink_memcg`, `shrink_worker` of 6.12.117 and 7.2.13).
        SecondChance => "second-chance",
        /// The same, but the worker looks at 32 entries at a time, and gives up after 16 times without one that
        /// could go (7.3.4).
        SecondChanceBatch => "second-chance-batch",
    }
}

impl ZswapKernel {
    /// Whether compressed pages count against the limit of the container.
    pub fn charges(self) -> bool {
        !matches!(self, Self::None | Self::Frontswap)
    }

    /// Whether a page that was loaded keeps its compressed copy.
    pub fn keeps_loaded(self) -> bool {
        !matches!(self, Self::SecondChance | Self::SecondChanceBatch)
    }
}
