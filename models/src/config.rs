//! What a machine is made of, resolved to plain values. Scenario files are turned into this;
//! nothing here is read from a file or has a default.

use serde::{Deserialize, Serialize};
use sim_core::{Frequency, SimDuration};

use crate::apf::Defects;
use crate::apf::rules::Rules;
use crate::ids::{RegionId, VcpuId};
use crate::presets::costs::Costs;
use crate::trace::{DisturbanceName, TaskRole};

/// A whole simulated machine with its workload: one host, one VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineConfig {
    /// The processor and its costs.
    pub cpu: CpuConfig,
    /// The host.
    pub host: HostConfig,
    /// The guest.
    pub guest: GuestConfig,
    /// What the guest does.
    pub workload: Workload,
    /// What happens to its vCPUs meanwhile.
    pub disturbances: Vec<Disturbance>,
}

/// Something that happens to a vCPU at a given time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disturbance {
    /// Time after the start barrier.
    pub at: SimDuration,
    /// Time from one occurrence to the next; none: it happens once.
    pub every: Option<SimDuration>,
    /// To which vCPU.
    pub vcpu: VcpuId,
    /// What.
    pub kind: DisturbanceKind,
}

/// What can happen to a vCPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisturbanceKind {
    /// The guest takes it offline: notices off, sleepers woken, tasks elsewhere.
    Offline,
    /// The guest starts it again.
    Online,
    /// A system management interrupt.
    Smi {
        /// Time that its handler takes, of the vCPU's own.
        span: SimDuration,
    },
    /// Another vCPU kicks it (the paravirtual KICK_CPU call), whether or not it is in HLT.
    Kick,
    /// The VMM changes its memory slots; the vCPU's shared area lies elsewhere from then on.
    MemslotChange,
    /// The guest switches its local APIC off, or has not switched it on yet.
    LapicOff,
    /// The guest switches its local APIC on.
    LapicOn,
    /// Another thread of the VMM changes its memory map (`madvise`, `munmap`), not that of the guest's
    /// memory: it holds the map's lock for writing. No vCPU has a part in it.
    MapWrite {
        /// For so long.
        span: SimDuration,
    },
    /// The guest writes EN with an address at which it has no memory, while notices are on: the
    /// write is refused.
    RefusedEn,
    /// There is no memory for the wake-all of the vCPU's next write of EN that switches notices on.
    WakeAllFails,
}

impl DisturbanceKind {
    /// Which kind it is, without what belongs to it.
    pub const fn name_of(self) -> DisturbanceName {
        match self {
            Self::Offline => DisturbanceName::Offline,
            Self::Online => DisturbanceName::Online,
            Self::Smi { .. } => DisturbanceName::Smi,
            Self::Kick => DisturbanceName::Kick,
            Self::MemslotChange => DisturbanceName::MemslotChange,
            Self::LapicOff => DisturbanceName::LapicOff,
            Self::LapicOn => DisturbanceName::LapicOn,
            Self::MapWrite { .. } => DisturbanceName::MapWrite,
            Self::RefusedEn => DisturbanceName::RefusedEn,
            Self::WakeAllFails => DisturbanceName::WakeAllFails,
        }
    }
}

/// A processor model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuConfig {
    /// Rate of the core and of its time-stamp counter.
    pub frequency: Frequency,
    /// First-level data TLB for 4 KiB pages.
    pub l1_dtlb: TlbGeometry,
    /// Second-level TLB for 4 KiB pages.
    pub stlb: TlbGeometry,
    /// Whether the second-stage tables have accessed and dirty bits. Without them the host's
    /// young test unmaps the entry (`kvm_age_rmapp` in 2.6.3x).
    pub ept_accessed_dirty: bool,
    /// Costs of steps, in cycles or time.
    pub costs: Costs,
}

/// Shape of a set-associative TLB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlbGeometry {
    /// Entries in all; a multiple of `ways`.
    pub entries: u32,
    /// Entries in a set.
    pub ways: u32,
}

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
        lru: Lru::Generations { walk_sees_guest: false },
        cgroup: Cgroup::V2,
        written_pages: WrittenPages::Rotated,
        read_ahead: ReadAhead::AddressSpace,
        polled_reads: false,
        writeback_throttling: Some(SimDuration::from_ms(2)),
        halt_poll: SimDuration::from_us(200),
        mmu_retry: MmuRetry::OwnPage,
    };
}

/// What happens to a fault whose second-stage entry is about to be made, but since it began the host
/// has taken pages of the VM away (`mmu_notifier_retry`, since 6.1 `mmu_invalidate_retry`).
///
/// KVM reads a sequence number of the whole VM before it looks the page up, and makes no entry if the
/// number has changed since: the guest is entered again and faults again. All kernels compare the
/// number of the whole VM. What 5.12 limited to a range (`mmu_notifier_retry_hva`) is the second part
/// of the test, which asks for invalidations that are going on; there are none here, because a pass of
/// reclaim takes effect at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MmuRetry {
    /// Only the page itself is looked at again; if it is gone, it is fetched within the same exit. A
    /// simplification.
    OwnPage,
    /// Any page of the VM that is evicted (`kvm_mmu_notifier_invalidate_page`, before 3.18).
    Evictions,
    /// Also one that is unmapped to learn whether it is used, on processors without accessed bits
    /// (`kvm_age_hva` counts since 3.18, `57128468080a`, from memory).
    Unmappings,
}

impl MmuRetry {
    /// The word used in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OwnPage => "own-page",
            Self::Evictions => "evictions",
            Self::Unmappings => "unmappings",
        }
    }
}

/// How pages are kept in the order of their age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lru {
    /// An active and an inactive list (mm/vmscan.c of 2.6.3x).
    TwoLists,
    /// Up to four generations (mm/vmscan.c, `CONFIG_LRU_GEN`, since 6.1). Ageing walks page tables
    /// and moves what was used to the youngest one; the oldest one is reclaimed.
    Generations {
        /// Whether the walk sees the guest's accesses. Before 6.13 it reads the VMM's own table
        /// only, and the second stage is asked when a page is about to go (`1d4832becdc2`, from
        /// memory).
        walk_sees_guest: bool,
    },
}

/// What a thread does that charges a page when a pass of direct reclaim has freed none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cgroup {
    /// `memory.limit_in_bytes`: it waits for the write-back that it has begun (`shrink_page_list`
    /// waits in the reclaim of a version 1 group).
    V1,
    /// `memory.max`: it goes on with the next batch, until something is free or the queue of the
    /// device is full. Observed on 6.1: batches of 30, 49 and 37 pages
    /// one after the other, then the read.
    V2,
}

/// What becomes of the frame of a page that was written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrittenPages {
    /// It is freed when the write completes. A simplification.
    Freed,
    /// It stays charged, in the swap cache, at the old end of the lists
    /// (`rotate_reclaimable_page`), until a later scan frees it or a fault takes it back.
    Rotated,
}

/// How many neighbours are read with a page, and which. A largest window of one page is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadAhead {
    /// The aligned window of swap slots, always at its largest (`swapin_readahead` before 3.14).
    Fixed,
    /// An aligned window of swap slots whose size follows how many pages of it were wanted
    /// (`swapin_nr_pages`, since 3.14).
    Adaptive,
    /// A window in the address space of the VMM, whose size follows likewise
    /// (`swap_vma_readahead`, since 4.14, where the device does not rotate).
    AddressSpace,
}

/// A kind of swap device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceConfig {
    /// One arm, with an elevator.
    Hdd(HddConfig),
    /// The same latency for every request, without queueing.
    Constant {
        /// Time from submission to completion of a read.
        read_latency: SimDuration,
        /// Time from submission to completion of a write.
        write_latency: SimDuration,
    },
    /// Parallel channels whose service time follows a distribution (picoseconds).
    Channels {
        /// Requests served at once; more wait in order of submission.
        channels: u32,
        /// Service time of a one-page read.
        read: sim_core::Distribution,
        /// Service time of a one-page write.
        write: sim_core::Distribution,
        /// Additional time for each page of a request after the first.
        per_page: SimDuration,
    },
}

/// Mechanics of a disk. Seek time over a fraction `x` of the full stroke is
/// `seek_base + seek_sqrt * sqrt(x)`; nothing for `x = 0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HddConfig {
    /// Constant part of a seek (settling).
    pub seek_base: SimDuration,
    /// Factor of the square root of the distance.
    pub seek_sqrt: SimDuration,
    /// One turn; the rotational wait is uniform over it.
    pub rotation: SimDuration,
    /// Time to pass one page under the head.
    pub transfer_per_page: SimDuration,
    /// Fixed cost of a command.
    pub controller: SimDuration,
    /// Share of the full stroke that the swap area spans, in millionths.
    pub swap_span_ppm: u32,
    /// The request scheduler.
    pub elevator: ElevatorConfig,
}

/// The deadline elevator (`block/deadline-iosched.c`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElevatorConfig {
    /// A read older than this is served out of order.
    pub read_expire: SimDuration,
    /// A write older than this is served out of order.
    pub write_expire: SimDuration,
    /// Requests served in one direction of travel before deadlines are looked at.
    pub fifo_batch: u32,
    /// Times that reads may pass waiting writes.
    pub writes_starved: u32,
}

/// A fair scheduler in the manner of CFS: parameters in time, already scaled by CPU count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FairParams {
    /// Period in which every runnable entity should run once (`sched_latency_ns`).
    pub latency: SimDuration,
    /// Shortest slice (`sched_min_granularity_ns`).
    pub min_granularity: SimDuration,
    /// Lead in virtual runtime that a waking entity needs to preempt
    /// (`sched_wakeup_granularity_ns`).
    pub wakeup_granularity: SimDuration,
    /// How far behind the queue's minimum a waking sleeper may be placed.
    pub sleeper_credit: SimDuration,
    /// Whether a wake-up may preempt the running entity at all.
    pub wakeup_preemption: bool,
}

/// EEVDF, the fair scheduler since Linux 6.6: parameters in time, already scaled by CPU count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EevdfParams {
    /// What an entity may run until its next virtual deadline (`sysctl_sched_base_slice`).
    pub base_slice: SimDuration,
    /// Whether the running entity is left alone until it is not eligible or its slice is over
    /// (RUN_TO_PARITY).
    pub run_to_parity: bool,
    /// Whether lag is kept over sleep (PLACE_LAG).
    pub place_lag: bool,
    /// Whether a sleeper that has had more than its share stays in the queue until it has not
    /// (DELAY_DEQUEUE).
    pub delay_dequeue: bool,
    /// Whether a wake-up may preempt the running entity at all (WAKEUP_PREEMPTION).
    pub wakeup_preemption: bool,
    /// Tick of the kernel (`TICK_NSEC`): lag is never more than this or two slices.
    pub tick: SimDuration,
}

/// A fair scheduler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchedParams {
    /// CFS, until 6.5.
    Cfs(FairParams),
    /// EEVDF, since 6.6.
    Eevdf(EevdfParams),
}

impl From<FairParams> for SchedParams {
    fn from(params: FairParams) -> Self {
        Self::Cfs(params)
    }
}

impl From<EevdfParams> for SchedParams {
    fn from(params: EevdfParams) -> Self {
        Self::Eevdf(params)
    }
}

/// When a page ready makes the sleeper runnable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WakeTime {
    /// In the handler.
    Now,
    /// At the next timer tick of the vCPU.
    Tick,
}

/// Who wakes a task whose sleep is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimerKind {
    /// Nobody: it is runnable at that time, without cost. A simplification.
    #[default]
    Direct,
    /// The interrupt of the local timer of the vCPU on which it went to sleep (`hrtimer_interrupt`).
    Interrupt,
    /// The softirq behind the next tick of that vCPU (`TIMER_SOFTIRQ`, the timer wheel).
    Softirq,
}

impl TimerKind {
    /// The word used in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Interrupt => "interrupt",
            Self::Softirq => "softirq",
        }
    }
}

/// The guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestConfig {
    /// Virtual processors.
    pub vcpus: u16,
    /// Guest memory in pages.
    pub memory_pages: u64,
    /// Period of the timer tick (1 / HZ).
    pub tick: SimDuration,
    /// The guest's fair scheduler.
    pub sched: SchedParams,
    /// Ticks between two runs of the periodic load balancer on a busy vCPU.
    pub balance_ticks: u32,
    /// Which time without its vCPU is kept from the running task's account.
    pub steal_clock: StealClock,
    /// When page ready makes a sleeper runnable.
    pub wake: WakeTime,
    /// How much later than that.
    pub wake_delay: SimDuration,
    /// Who wakes a task whose sleep is over.
    pub timers: TimerKind,
    /// Whether the guest asks for notices at CPL 0 too (a preemptible kernel of 2010 to 2020).
    pub send_always: bool,
    /// When the guest's kernel lets another task run.
    pub preemption: Preemption,
    /// Which uses of the local APIC leave guest mode.
    pub apic: ApicConfig,
    /// The pages through which the guest takes exceptions and interrupts.
    pub event_pages: EventPages,
}

/// What the host may do with the page through which a vCPU takes exceptions and interrupts (its entry
/// stack; tables are taken to be there).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EventPages {
    /// They stay, as part of what is never reclaimed.
    #[default]
    Resident,
    /// They are reclaimed like any page. An event that finds its page unmapped exits in its delivery.
    Reclaimable,
}

impl EventPages {
    /// The word used in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resident => "resident",
            Self::Reclaimable => "reclaimable",
        }
    }
}

/// Which uses of the local APIC leave guest mode, each at the cost `exit_light`. Without such exits
/// they cost what the handlers cost, and `guest_tick` says what that is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ApicConfig {
    /// Arming and stopping the timer: a write to `MSR_IA32_TSC_DEADLINE`.
    pub timer_exits: bool,
    /// The end of an interrupt; it does not exit where the host keeps a paravirtual flag.
    pub eoi_exits: bool,
    /// Sending an interrupt to another vCPU.
    pub ipi_exits: bool,
}

/// When a task that is in the guest's kernel may lose its vCPU to another one, besides when it
/// sleeps. A task in user mode may at any time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preemption {
    /// On its way back to user mode (`CONFIG_PREEMPT_NONE`).
    None,
    /// Also between the operations of a system call, outside all sections
    /// (`CONFIG_PREEMPT_VOLUNTARY`: the kernel asks, `cond_resched`).
    #[default]
    Voluntary,
    /// Wherever preemption and interrupts are on (`CONFIG_PREEMPT`). Only this kernel counts its
    /// sections (`CONFIG_PREEMPT_COUNT`).
    Full,
}

impl Preemption {
    /// The word used in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Voluntary => "voluntary",
            Self::Full => "full",
        }
    }
}

/// Which time in which the vCPU could not run is kept from the running task's account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StealClock {
    /// None.
    Off,
    /// That in which its thread waited for a processor: what the host tells a guest (`MSR_KVM_STEAL_TIME`).
    Waiting,
    /// That in which the host stalled or halted it, too. No kernel does this.
    Every,
}

impl From<bool> for StealClock {
    fn from(on: bool) -> Self {
        if on { Self::Every } else { Self::Off }
    }
}

impl StealClock {
    /// The word used in files; the two that a file may say are booleans.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "false",
            Self::Waiting => "waiting",
            Self::Every => "true",
        }
    }
}

/// What the guest runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Regions of one address space that all tasks share.
    pub regions: Vec<Region>,
    /// Tasks; each line may stand for several equal tasks.
    pub tasks: Vec<TaskGroup>,
}

/// A page-aligned stretch of the workload's address space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Name in the scenario file.
    pub name: String,
    /// Size in pages.
    pub pages: u64,
    /// Whether the main task writes every page once, in order, before the start barrier.
    pub prefill: bool,
    /// What backs its memory in the host.
    pub backing: RegionBacking,
}

/// What backs the memory of a region in the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RegionBacking {
    /// Memory of the VMM, which the host may swap out.
    #[default]
    Vmm,
    /// guest_memfd, as private memory of the guest: never swapped, and its faults never go
    /// asynchronous.
    GuestMemfd,
}

impl RegionBacking {
    /// The backing as a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vmm => "vmm",
            Self::GuestMemfd => "guest_memfd",
        }
    }
}

/// Some equal tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskGroup {
    /// Name in the scenario file.
    pub name: String,
    /// How many.
    pub count: u32,
    /// How metrics group them.
    pub role: TaskRole,
    /// The vCPUs that they start on, taken in turn; none: wherever the fewest tasks are. Load
    /// balancing may move them afterwards.
    pub start_on: Vec<VcpuId>,
    /// Operations, repeated for ever; a group of several tasks runs them independently.
    pub program: Vec<Op>,
}

/// One operation of a task's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Counted work without end: units at a rate per second of CPU time.
    Count {
        /// Units per second of user CPU time.
        units_per_sec: u64,
    },
    /// Uncounted computation for a span of user CPU time.
    Compute {
        /// User CPU time.
        span: SimDuration,
    },
    /// One access to a page.
    Access {
        /// The region.
        region: RegionId,
        /// Which page.
        pattern: Pattern,
        /// Store or load.
        write: bool,
        /// CPU time besides translation: the instruction itself and choosing the page.
        cost: SimDuration,
    },
    /// Sleep for a span of time.
    Sleep {
        /// Wall time.
        span: SimDuration,
    },
    /// Interrupt all other vCPUs and wait, spinning in the kernel with preemption off, until each
    /// has answered (`smp_call_function` with `wait`, the shape of a TLB flush too).
    CallAll,
    /// A system call begins: what follows happens at CPL 0.
    SyscallEnter {
        /// CPU time of the entry and of the call's own work before its first operation.
        cost: SimDuration,
    },
    /// The system call is over: back to user mode.
    SyscallExit,
    /// Inside a system call, a section begins.
    SectionEnter {
        /// Which.
        kind: Section,
    },
    /// The section is over.
    SectionExit {
        /// Which.
        kind: Section,
    },
}

/// A section of the kernel in which a task must not be scheduled away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Preemption is off (`preempt_disable`, a spinlock).
    PreemptOff,
    /// Interrupts are off (`local_irq_disable`).
    IrqOff,
    /// It reads under RCU (`rcu_read_lock`): it may be preempted, but must not sleep.
    RcuReader,
}

impl Section {
    /// The word used in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PreemptOff => "preempt_off",
            Self::IrqOff => "irq_off",
            Self::RcuReader => "rcu_reader",
        }
    }
}

/// How successive accesses choose their page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Uniformly at random, independently.
    Uniform,
    /// One page after the other, wrapping at the end. Tasks of a group start equally spaced.
    Sequential,
    /// Uniformly at random, but the tasks of a group all draw the same pages in the same order, each at
    /// its own pace.
    Shared,
}

/// What scenarios compare: rules of the protocol and whether each side uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Name in scenario files, tables and legends.
    pub name: String,
    /// The generation of the protocol.
    pub rules: Rules,
    /// Whether the host handles faults asynchronously at all.
    pub host_async: bool,
    /// Whether the guest enables notices (writes the EN MSR).
    pub guest_enabled: bool,
    /// Mistakes that the protocol makes.
    pub defects: Defects,
}
