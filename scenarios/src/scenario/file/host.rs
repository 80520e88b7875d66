//! The physical machine.

use std::collections::BTreeMap;

use models::config::{
    Cgroup, DirectReclaim, FileWindows, HostPaging, Lru, MmapMiss, MmuRetry, ReadAhead, ReadFaults,
    Replacement, SecondStageLock, SetFunction, SwapWriteLimit, WrittenPages, ZswapKernel,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::device::DeviceRef;
use super::memory_control::{KswapdFile, MemoryLimitFile, ProactiveReclaimFile, WriteProtectFile};
use super::sched::SchedFile;
use super::store::StoreFile;
use super::zswap::ZswapFile;
use crate::syntax::units::{Bytes, Rate, Span};

/// The physical machine and its swap.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes the host")]
pub struct HostFile {
    /// Processor: the name of a preset, or a preset with changes.
    pub cpu: CpuRef,
    /// Physical processors that vCPU threads and workers share: 1 to 4096.
    pub cpus: u64,
    /// Memory that the container of the VM may hold. Default: the memory of the guests in it, so that nothing is
    /// swapped.
    pub memory_limit: Option<Bytes>,
    /// Part of the container that is never reclaimed: the VMM's memory and the guest kernel's hot
    /// part. Default: "0B".
    pub other_resident: Option<Bytes>,
    /// Memory of that container beyond which threads pay for what they charge (`memory.high`). Default: none.
    pub memory_high: Option<Bytes>,
    /// Limits that containers get during the run, in the order of their times. Default: none.
    #[serde(default)]
    pub memory_limits: Vec<MemoryLimitFile>,
    /// Agents that have memory reclaimed from time to time, one for each container. Default: none.
    #[serde(default)]
    pub proactive_reclaim: Vec<ProactiveReclaimFile>,
    /// The container is the host's memory as a whole, some of which its kernel keeps free. Default: it is a container
    /// with a limit.
    pub kswapd: Option<KswapdFile>,
    /// Memory of guests that their VMMs write-protect while they run: live snapshots. Default: none.
    #[serde(default)]
    pub write_protect: Vec<WriteProtectFile>,
    /// The swap area and its device.
    pub swap: SwapFile,
    /// What keeps the contents of stored regions. Default: none.
    #[serde(default)]
    pub stores: Vec<StoreFile>,
    /// Costs that differ from the processor preset, by name: `"2200 cycles"` or `"4.5us"`.
    #[serde(default)]
    pub costs: BTreeMap<String, String>,
    /// The host's scheduler. Default: that of the host's kernel at `cpus` processors.
    pub sched: Option<SchedFile>,
    /// Tick of the host's scheduler. Default: that of the host's kernel.
    pub tick: Option<Span>,
    /// Pages that direct reclaim aims at in one go: 1 to 1024. Default: 32.
    pub reclaim_batch: Option<u64>,
    /// The host's kernel: scheduler, reclaim, read-ahead, workers, reads and writes. Default:
    /// "linux-2.6.36".
    pub kernel: Option<HostKernelRef>,
    /// Of a million faults that are to go asynchronous, how many find no memory for their item
    /// (`GFP_NOWAIT`) and are synchronous: 0 to 1000000. Default: 0.
    pub allocation_failure_ppm: Option<u64>,
    /// Levels of the second-stage tables: 4 or 5. Default: 4.
    pub second_stage_levels: Option<u64>,
    /// Whether the VMM's memory is in huge pages of 2 MiB where it can be (transparent huge pages). Default:
    /// false.
    pub thp: Option<bool>,
    /// How the host translates the guest's addresses. Default: "tdp".
    pub paging: Option<HostPaging>,
}

/// The host's kernel.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(untagged)]
pub enum HostKernelRef {
    /// Name of a preset.
    Name(String),
    /// What differs from a preset.
    Inline(HostKernelFile),
}

/// How the host's kernel works.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes the host's kernel")]
pub struct HostKernelFile {
    /// Name of the preset that everything else is taken from. Default: "linux-2.6.36".
    pub preset: Option<String>,
    /// Threads of the pool that the mechanism `workers` = `four-threads` has: 1 to 255.
    pub slow_work_threads: Option<u64>,
    /// Items of one processor that a workqueue executes at once, its `max_active`: 1 to 2048.
    pub workqueue_max_active: Option<u64>,
    /// How pages are kept in the order of their age.
    pub lru: Option<Lru>,
    /// The version of control groups: what a thread does that needs a page and frees none at once.
    pub cgroup: Option<Cgroup>,
    /// When a thread that charges a page, and finds no room, stops reclaiming.
    pub direct_reclaim: Option<DirectReclaim>,
    /// What becomes of the frame of a page that was written out.
    pub written_pages: Option<WrittenPages>,
    /// Which neighbours a swap-in reads; `host.swap.read_ahead` is the largest window.
    pub read_ahead: Option<ReadAhead>,
    /// Whether a thread that waits for a read of its own, without read-ahead, polls the device
    /// instead of sleeping.
    pub polled_reads: Option<bool>,
    /// Write-back throttling of the block layer: the shortest read of a window takes longer than this
    /// when it throttles writes. "0s": it never does.
    pub writeback_throttling: Option<Span>,
    /// How many writes of swap that throttling lets be in flight.
    pub swap_write_limit: Option<SwapWriteLimit>,
    /// For how long a vCPU thread polls at most in the guest's HLT before it sleeps: up to "1s".
    pub halt_poll: Option<Span>,
    /// What the polling time is divided by after a halt that was too long for it: 0 to 1000; 0: it
    /// goes back to zero.
    pub halt_poll_shrink: Option<u64>,
    /// What makes a fault that is under way begin again, by another exit.
    pub mmu_retry: Option<MmuRetry>,
    /// What becomes of a page that the guest only reads.
    pub read_faults: Option<ReadFaults>,
    /// Who waits for whom at the lock of the second-stage tables. Default: "none".
    pub second_stage_lock: Option<SecondStageLock>,
    /// How it keeps compressed pages before the swap device, where there is `host.swap.zswap`.
    pub zswap: Option<ZswapKernel>,
    /// The aligned block of a mapped file that a fault for reading maps, as far as it is in memory
    /// (`fault_around_bytes`): a power of two from "4KiB", its own page, to "2MiB".
    pub fault_around: Option<Bytes>,
    /// What counts misses of a mapped file down again; beyond a hundred, faults read their pages alone.
    pub mmap_miss: Option<MmapMiss>,
    /// Which window of a mapped file follows the last one.
    pub file_windows: Option<FileWindows>,
}

/// A processor.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(untagged)]
pub enum CpuRef {
    /// Name of a preset.
    Name(String),
    /// A preset with changes.
    Preset(CpuFile),
}

impl CpuRef {
    /// The preset's name.
    pub(in crate::scenario) fn preset(&self) -> &str {
        match self {
            Self::Name(name) => name,
            Self::Preset(file) => &file.preset,
        }
    }
}

/// A processor preset with changes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a processor")]
pub struct CpuFile {
    /// Name of the preset that everything else is taken from.
    pub preset: String,
    /// Rate of the core and of its time-stamp counter.
    pub frequency: Option<Rate>,
    /// First-level data TLB for 4 KiB pages, and for the others that its array holds.
    pub l1_dtlb: Option<TlbFile>,
    /// Second-level TLB for 4 KiB pages, and for the others that its array holds.
    pub stlb: Option<TlbFile>,
    /// Caches of upper levels of the tables.
    pub paging_caches: Option<PagingCachesFile>,
    /// Entries for second-stage translations of frames with tables: 0 to 65536.
    pub nested_tlb: Option<u64>,
    /// Lines of tables in the caches.
    pub table_lines: Option<TableLinesFile>,
    /// Whether translations are tagged by the vCPU, so that they outlive its exits.
    pub vpid: Option<bool>,
    /// Whether the second-stage tables have accessed and dirty bits.
    pub ept_accessed_dirty: Option<bool>,
}

/// Shape of a set-associative TLB. `entries / ways` must be a power of two.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `entries` and `ways`")]
pub struct TlbFile {
    /// Entries in all: 1 to 65536.
    pub entries: u64,
    /// Entries in a set: a divisor of `entries`.
    pub ways: u64,
    /// How an entry finds its set. Default: "linear".
    pub sets: Option<SetFunction>,
    /// Which entry of a full set goes. Default: "lru".
    pub replacement: Option<Replacement>,
}

/// Caches of upper levels: how many entries of tables of level 4, 3 and 2 each kind of tables has. None, up to
/// four, or four times a power of two, up to 65536.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `pml4e`, `pdpte` and `pde`")]
pub struct PagingCachesFile {
    /// Of tables of level 4.
    pub pml4e: u64,
    /// Of tables of level 3.
    pub pdpte: u64,
    /// Of tables of level 2.
    pub pde: u64,
}

/// Lines of 64 bytes that tables have in each level of the caches; 0: there is no such cache.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `l1`, `l2` and `l3`")]
pub struct TableLinesFile {
    /// In the first level: up to 1048576, not fewer than in the one before.
    pub l1: u64,
    /// In the second level: up to 1048576, not fewer than in the one before.
    pub l2: u64,
    /// In the third level: up to 1048576, not fewer than in the one before.
    pub l3: u64,
}

/// The swap area.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes the swap")]
pub struct SwapFile {
    /// Device: the name of a preset, a preset with changes, or a whole description.
    pub device: DeviceRef,
    /// Size of the swap area. Default: the guest's memory.
    pub size: Option<Bytes>,
    /// Pages that one swap-in reads at most, an aligned window: 1, 2, 4, ... 256. Default: 8.
    pub read_ahead: Option<u64>,
    /// Largest write, into which adjacent pages are merged: whole pages up to "1GiB". Default: what
    /// the host's kernel makes of neighbouring pages (`max_sectors_kb` of its preset).
    pub max_write: Option<Bytes>,
    /// Compressed pages in memory before the device. Default: none.
    pub zswap: Option<ZswapFile>,
}
