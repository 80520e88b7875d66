//! The host: processors, memory limit, swap, and what its kernel does.

use sim_core::SimDuration;

use super::device::DeviceConfig;
use super::memory_control::MemoryControl;
use super::paging::HostPaging;
use super::sched::SchedParams;
use super::store::StoreConfig;
use super::zswap::{ZswapConfig, ZswapKernel};
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
    /// Who else takes memory away, and when.
    pub memory_control: MemoryControl,
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
    /// Compressed pages in memory before that device.
    pub zswap: Option<ZswapConfig>,
    /// What keeps the contents of stored regions.
    pub stores: Vec<StoreConfig>,
    /// How its kernel works.
    pub kernel: HostKernel,
    /// Of a million items that are to be set up, how many find no memory (`GFP_NOWAIT`).
    pub allocation_failure_ppm: u32,
    /// Levels of the second-stage tables: 4 or 5.
    pub second_stage_levels: u32,
    /// Whether the VMM's memory is in huge pages of 2 MiB where it can be (transparent huge pages).
    pub thp: bool,
    /// How it translates the guest's addresses.
    pub paging: HostPaging,
}

impl HostConfig {
    /// Slots that find room on the swap device.
    pub fn slots(&self) -> u32 {
        match &self.device {
            DeviceConfig::Zram(zram) => zram.holds(self.swap_pages),
            _ => self.swap_pages,
        }
    }
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
    /// When a thread that charges a page stops reclaiming.
    pub direct_reclaim: DirectReclaim,
    /// What becomes of the frame of a page that was written out.
    pub written_pages: WrittenPages,
    /// How many neighbours are read with a page, and which.
    pub read_ahead: ReadAhead,
    /// Whether a thread that waits for a read of its own polls the device with its processor.
    pub polled_reads: bool,
    /// Which reads make the block layer throttle writes (`queue/wbt_lat_usec`): windows whose shortest
    /// read takes longer. None: it never does.
    pub writeback_throttling: Option<SimDuration>,
    /// How many writes of swap that throttling lets be in flight.
    pub swap_write_limit: SwapWriteLimit,
    /// For how long a vCPU thread polls at most, when its guest has executed HLT, before it sleeps
    /// (`kvm.halt_poll_ns`); zero: it never does.
    pub halt_poll: SimDuration,
    /// What that time is divided by after a halt that was too long for polling to help
    /// (`kvm.halt_poll_ns_shrink`); zero: it goes back to zero.
    pub halt_poll_shrink: u32,
    /// What makes a fault that is under way begin again.
    pub mmu_retry: MmuRetry,
    /// What becomes of a page that the guest only reads.
    pub read_faults: ReadFaults,
    /// Who waits for whom at the lock of the second-stage tables.
    pub second_stage_lock: SecondStageLock,
    /// How it keeps compressed pages before the swap device, where the host has zswap.
    pub zswap: ZswapKernel,
    /// Pages of the aligned block that a fault for reading maps, as far as they are in the page cache
    /// (`fault_around_bytes`); 1: its own.
    pub fault_around_pages: u32,
    /// What makes up for a fault that found its page of a mapped file nowhere.
    pub mmap_miss: MmapMiss,
    /// Which window of a mapped file follows the last one.
    pub file_windows: FileWindows,
}

impl HostKernel {
    /// Every field by its name in scenario files, as text; times in picoseconds.
    pub fn fields(&self) -> [(&'static str, String); 19] {
        // Taken apart, so that a new field is a compile error here.
        let Self {
            slow_work_threads,
            workqueue_max_active,
            lru,
            cgroup,
            direct_reclaim,
            written_pages,
            read_ahead,
            polled_reads,
            writeback_throttling,
            swap_write_limit,
            halt_poll,
            halt_poll_shrink,
            mmu_retry,
            read_faults,
            second_stage_lock,
            zswap,
            fault_around_pages,
            mmap_miss,
            file_windows,
        } = *self;
        let throttling = writeback_throttling.unwrap_or(SimDuration::ZERO);
        [
            ("slow_work_threads", slow_work_threads.to_string()),
            ("workqueue_max_active", workqueue_max_active.to_string()),
            ("lru", lru.name().to_owned()),
            ("cgroup", cgroup.name().to_owned()),
            ("direct_reclaim", direct_reclaim.name().to_owned()),
            ("written_pages", written_pages.name().to_owned()),
            ("read_ahead", read_ahead.name().to_owned()),
            ("halt_poll", halt_poll.as_ps().to_string()),
            ("writeback_throttling", throttling.as_ps().to_string()),
            ("halt_poll_shrink", halt_poll_shrink.to_string()),
            ("mmu_retry", mmu_retry.name().to_owned()),
            ("read_faults", read_faults.name().to_owned()),
            ("second_stage_lock", second_stage_lock.name().to_owned()),
            ("polled_reads", polled_reads.to_string()),
            ("swap_write_limit", swap_write_limit.name().to_owned()),
            ("zswap", zswap.name().to_owned()),
            ("fault_around", fault_around_pages.to_string()),
            ("mmap_miss", mmap_miss.name().to_owned()),
            ("file_windows", file_windows.name().to_owned()),
        ]
    }
}

named! {
    /// How many writes of swap the block layer's write-back throttling lets be in flight (`get_limit`,
    /// block/blk-wbt.c).
    SwapWriteLimit {
        /// As many as of others: a quarter of the depth while reads are near, half of it otherwise (4.10 to 6.10;
        /// 5.10.262 and 6.1.192 were read).
        AsOthers => "as-others",
        /// The whole depth that the throttling has come to: REQ_SWAP is among REQ_HIPRIO (6.12.117, 7.2.13; first
        /// release from memory, 6.11).
        WholeDepth => "whole-depth",
    }
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
    /// What a fault of the guest's that only reads makes of a page, and so whether the page can leave
    /// again without I/O. Sources are named with the presets.
    ///
    /// A second-stage entry that allows writing counts as dirty whether the guest writes or not: KVM
    /// sets the dirty bit when it makes the entry, and marks the page dirty when it takes the entry
    /// away (`kvm_set_pfn_dirty`), since 6.13 already when it makes it. A worker asks for writing
    /// whatever the access was, in every kernel (`async_pf_execute`). A page that is mapped for
    /// reading keeps its swap slot, unless more than half of the swap area is in use
    /// (`vm_swap_full`) or the device is as fast as memory (`SWP_SYNCHRONOUS_IO`).
    ReadFaults {
        /// The host asks for writing, whatever the guest does: the page is dirty and has no slot
        /// (`hva_to_pfn` before 2.6.38).
        ForWriting => "for-writing",
        /// The host asks for what the guest does. The page is mapped read-only and stays clean; the
        /// first write exits, and gives the slot up (`reuse_swap_page`; 2.6.38 to 5.17).
        ReadOnly => "read-only",
        /// The same, but the first write keeps the slot, as the page is known to have no other user
        /// (`PageAnonExclusive` in `do_wp_page`; 5.19 to 6.10).
        ReadOnlyExclusive => "read-only-exclusive",
        /// The page is mapped for writing because it has no other user: it keeps its slot, and is
        /// written to it again (`do_swap_page` since 6.11).
        Writable => "writable",
    }
}

impl ReadFaults {
    /// Whether there are second-stage entries that do not allow writing.
    pub fn maps_read_only(self) -> bool {
        matches!(self, Self::ReadOnly | Self::ReadOnlyExclusive)
    }
}

named! {
    /// What counts `mmap_miss` of a mapped file down again, which faults that find their page nowhere count up:
    /// beyond a hundred they read no window (mm/filemap.c).
    MmapMiss {
        /// Each page that a fault for reading passes in memory while it maps around, whether it maps it or not, and
        /// also when it is tried again after its own read; and each fault that comes upon its page, also while that is
        /// being read (`filemap_map_pages`, `do_async_mmap_readahead` of 5.10.262, 6.1.192 and 6.12.117).
        AnyPage => "any-page",
        /// Only the page of the fault itself, in memory and found at the first try (7.2.13).
        FirstTry => "first-try",
    }
}

named! {
    /// Which window of a mapped file a fault reads that comes upon the mark in the last one (mm/readahead.c).
    FileWindows {
        /// The next one, where the mark is the last window's; its end follows it, too (`ondemand_readahead` of
        /// 5.10.262 and 6.1.192).
        OnDemand => "on-demand",
        /// The same, but the end follows nothing (`page_cache_async_ra` of 6.12.117).
        Marks => "marks",
        /// The same, and the window ends at a multiple of 4, 16, 64 pages, and so on (7.2.13).
        Aligned => "aligned",
    }
}

named! {
    /// The lock of a VM's second-stage tables (`kvm->mmu_lock`): whether faults, and the host that takes
    /// mappings away, wait for each other. What is done under it is part of other costs and has its
    /// own names (`lock_fault`, `lock_unmap`, `lock_age`); so it makes a difference only where two
    /// threads meet.
    SecondStageLock {
        /// Nobody waits. A simplification.
        None => "none",
        /// One thread at a time (a spinlock): x86 up to 5.10, with whatever tables (`tdp_page_fault` of
        /// 2.6.36 and 4.19, `direct_page_fault` of 5.10.262); later ones without the TDP MMU, and
        /// shadow paging, which take it for writing (6.1.192, 6.12.117); arm64 before 6.2.
        OneHolder => "one-holder",
        /// Faults share it; whoever takes mappings away, or asks whether they were used, has it alone (a
        /// fair readers-writer lock): the TDP MMU of x86, which is on in 5.15.100 to 6.12.117
        /// (`direct_page_fault` up to 6.1.192, then `kvm_tdp_mmu_page_fault`); arm64 from 6.2.
        Readers => "readers",
        /// The same, but asking whether a mapping was used takes no lock
        /// (`CONFIG_KVM_MMU_LOCKLESS_AGING`, 7.2.13 and 7.3.4).
        ReadersAgeFreely => "readers-age-freely",
    }
}

named! {
    /// How pages are kept in the order of their age.
    Lru {
        /// An active and an inactive list (mm/vmscan.c of 2.6.3x); new pages begin on the active one, pages that are
        /// read on the other.
        TwoLists => "two-lists",
        /// The same, but new pages begin on the inactive list, and pages that come back soon after they went on the
        /// active one (mm/workingset.c, 5.10.262 and 6.1.192; 5.9 from memory).
        TwoListsRefaults => "two-lists-refaults",
        /// Up to four generations (mm/vmscan.c, `CONFIG_LRU_GEN`, 6.1 and 6.6). Ageing walks the VMM's
        /// own page table and moves what was used to the youngest one; the oldest one is reclaimed.
        /// The second stage is asked when a page is about to go.
        Generations => "generations",
        /// The same, but the walk sees the guest's accesses in the second stage (`1d4832becdc2`, 6.13
        /// from memory; 6.12.95 has it too, `walk_pte_range`).
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
    /// When a thread that charges a page, and finds no room, stops reclaiming.
    DirectReclaim {
        /// As soon as there is room for a page, after passes of one size. A simplification.
        UntilRoom => "until-room",
        /// When 32 pages are free, after passes each of which takes on twice the part of the lists that the one
        /// before did (`do_try_to_free_pages`, 5.10.262 to 7.2.13). Observed on 6.1: three passes of 30, 49 and 37
        /// pages in one call, until the first ones were written; on 6.12: bursts of 29 to 62 pages.
        Priorities => "priorities",
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
