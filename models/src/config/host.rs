//! The host: processors, memory limit, swap, and what its kernel does.

use sim_core::SimDuration;

use super::device::DeviceConfig;
use super::sched::SchedParams;
use crate::base::named::named;

/// The host: processors, memory limit, swap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostConfig {
    /// Physical processors that vCPU threads and workers share.
    pub cpus: u16,
    /// The host's fair scheduler.
    pub sched: SchedParams,
    /// Tick of the host's scheduler while threads compete for a processor.
    pub tick: SimDuration,
    /// Pages that the memory container may hold.
    pub memory_limit_pages: u64,
    /// Pages of the container that are never reclaimed: the VMM's own memory and the guest
    /// kernel's hot part.
    pub other_resident_pages: u64,
    /// Pages that one swap-in reads at most: the aligned window `1 << page-cluster`.
    pub read_ahead_pages: u32,
    /// Pages that direct reclaim aims at in one go (`SWAP_CLUSTER_MAX`).
    pub reclaim_batch_pages: u32,
    /// Pages that a write may have at most (`queue/max_sectors_kb`); adjacent ones are merged that far.
    pub write_pages: u32,
    /// Size of the swap area in pages.
    pub swap_pages: u32,
    /// The swap device.
    pub device: DeviceConfig,
    /// How its kernel works.
    pub kernel: HostKernel,
    /// Of a million items that are to be set up, how many find no memory (`GFP_NOWAIT`).
    pub allocation_failure_ppm: u32,
    /// Levels of the second-stage tables: 4 or 5.
    pub second_stage_levels: u32,
}

/// What kernels of the host do differently, or let their administrator set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostKernel {
    /// Threads of `slow_work` (`slow_work_max_threads`).
    pub slow_work_threads: u32,
    /// Items of a processor that a workqueue has begun or is about to begin (`max_active`); the
    /// others wait.
    pub workqueue_max_active: u32,
    /// How pages are kept in the order of their age.
    pub lru: Lru,
    /// What a thread does that charges a page when there is no room.
    pub cgroup: Cgroup,
    /// What becomes of the frame of a page that was written out.
    pub written_pages: WrittenPages,
    /// How many neighbours are read with a page, and which.
    pub read_ahead: ReadAhead,
    /// Whether a thread that waits for a read of its own polls the device with its processor.
    pub polled_reads: bool,
    /// Which reads make the block layer throttle writes (`queue/wbt_lat_usec`): windows whose shortest
    /// read takes longer. None: it never does.
    pub writeback_throttling: Option<SimDuration>,
    /// For how long a vCPU thread polls at most, when its guest has executed HLT, before it sleeps
    /// (`kvm.halt_poll_ns`); zero: it never does.
    pub halt_poll: SimDuration,
    /// What makes a fault that is under way begin again.
    pub mmu_retry: MmuRetry,
}

impl HostKernel {
    /// Linux 2.6.3x: four threads (kernel/slow-work.c, 2.6.33), 256 items a processor
    /// (`WQ_DFL_ACTIVE`, include/linux/workqueue.h, 2.6.36), two lists, the first version of
    /// control groups, a fixed window. That a written page is freed at once is a simplification.
    pub const LINUX_2_6_36: Self = Self {
        slow_work_threads: 4,
        workqueue_max_active: 256,
        lru: Lru::TwoLists,
        cgroup: Cgroup::V1,
        written_pages: WrittenPages::Freed,
        read_ahead: ReadAhead::Fixed,
        polled_reads: false,
        writeback_throttling: None,
        halt_poll: SimDuration::ZERO,
        mmu_retry: MmuRetry::OwnPage,
    };

    /// Linux 6.12 as distributions set it up: generations (on by default in several), control
    /// groups of the second version, windows in the address space, writes throttled by reads of more
    /// than 2 ms (`CONFIG_BLK_WBT_MQ`, `wbt_default_latency_nsec` of a device that does not rotate).
    /// There is no `slow_work`. Halts are polled for 200 us (`KVM_HALT_POLL_NS_DEFAULT`, x86).
    pub const LINUX_6_12: Self = Self {
        slow_work_threads: 4,
        workqueue_max_active: 256,
        lru: Lru::Generations,
        cgroup: Cgroup::V2,
        written_pages: WrittenPages::Rotated,
        read_ahead: ReadAhead::AddressSpace,
        polled_reads: false,
        writeback_throttling: Some(SimDuration::from_ms(2)),
        halt_poll: SimDuration::from_us(200),
        mmu_retry: MmuRetry::OwnPage,
    };
}

named! {
    /// What happens to a fault whose second-stage entry is about to be made, but since it began the
    /// host has taken pages of the VM away (`mmu_notifier_retry`, since 6.1 `mmu_invalidate_retry`).
    ///
    /// KVM reads a sequence number of the whole VM before it looks the page up, and makes no entry if
    /// the number has changed since: the guest is entered again and faults again. All kernels compare
    /// the number of the whole VM. What 5.12 limited to a range (`mmu_notifier_retry_hva`) is the
    /// second part of the test, which asks for invalidations that are going on; there are none here,
    /// because a pass of reclaim takes effect at an instant.
    MmuRetry {
        /// Only the page itself is looked at again; if it is gone, it is fetched within the same exit.
        /// A simplification.
        OwnPage => "own-page",
        /// Any page of the VM that is evicted (`kvm_mmu_notifier_invalidate_page`, before 3.18).
        Evictions => "evictions",
        /// Also one that is unmapped to learn whether it is used, on processors without accessed bits
        /// (`kvm_age_hva` counts since 3.18, `57128468080a`, from memory).
        Unmappings => "unmappings",
    }
}

named! {
    /// How pages are kept in the order of their age.
    Lru {
        /// An active and an inactive list (mm/vmscan.c of 2.6.3x).
        TwoLists => "two-lists",
        /// Up to four generations (mm/vmscan.c, `CONFIG_LRU_GEN`, since 6.1). Ageing walks the VMM's
        /// own page table and moves what was used to the youngest one; the oldest one is reclaimed.
        /// The second stage is asked when a page is about to go.
        Generations => "generations",
        /// The same, but the walk sees the guest's accesses in the second stage (since 6.13,
        /// `1d4832becdc2`, from memory).
        GenerationsSecondStage => "generations-second-stage",
    }
}

named! {
    /// What a thread does that charges a page when a pass of direct reclaim has freed none.
    Cgroup {
        /// `memory.limit_in_bytes`: it waits for the write-back that it has begun (`shrink_page_list`
        /// waits in the reclaim of a version 1 group).
        V1 => "v1",
        /// `memory.max`: it goes on with the next batch, until something is free or the queue of the
        /// device is full. Observed on 6.1: batches of 30, 49 and 37 pages one after the other, then
        /// the read.
        V2 => "v2",
    }
}

named! {
    /// What becomes of the frame of a page that was written out.
    WrittenPages {
        /// It is freed when the write completes. A simplification.
        Freed => "freed",
        /// It stays charged, in the swap cache, at the old end of the lists
        /// (`rotate_reclaimable_page`), until a later scan frees it or a fault takes it back.
        Rotated => "rotated",
    }
}

named! {
    /// How many neighbours are read with a page, and which. A largest window of one page is none.
    ReadAhead {
        /// The aligned window of swap slots, always at its largest (`swapin_readahead` before 3.14).
        Fixed => "fixed",
        /// An aligned window of swap slots whose size follows how many pages of it were wanted
        /// (`swapin_nr_pages`, since 3.14).
        Adaptive => "adaptive",
        /// A window in the address space of the VMM, whose size follows likewise
        /// (`swap_vma_readahead`, since 4.14, where the device does not rotate).
        AddressSpace => "address-space",
    }
}
