//! The scenario file as it is written: types, field names, defaults. Nothing is checked here
//! beyond types and names; [`crate::scenario::resolve`] says what makes sense.
//!
//! The doc comments of this module are the descriptions of the published schema. Optional fields
//! have their default in [`crate::scenario::resolve`], where it may depend on other fields.

mod policy;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub use policy::{PolicyFile, PolicyRef, SettingText};

use crate::syntax::units::{Bytes, Rate, Span};

/// A scenario of apfsim, format 1.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a scenario")]
#[schemars(title = "apfsim scenario")]
pub struct ScenarioFile {
    /// Ignored; lets an editor find this schema.
    #[serde(rename = "$schema")]
    pub schema: Option<String>,
    /// Version of the file format: 1.
    #[schemars(range(min = 1, max = 1))]
    pub format: u64,
    /// Short name of letters, digits, `-`, `_` and `.`, at most 64; used in file names.
    pub name: String,
    /// One line that says which question the scenario answers.
    pub title: String,
    /// The physical machine and its swap.
    pub host: HostFile,
    /// The virtual machine.
    pub guest: GuestFile,
    /// What the guest runs.
    pub workload: WorkloadFile,
    /// What happens to the vCPUs meanwhile. Default: nothing.
    #[serde(default)]
    pub disturbances: Vec<DisturbanceFile>,
    /// The policies to compare: names of built-in ones, or custom ones.
    pub policies: Vec<PolicyRef>,
    /// The policy that the others are compared with. Default: the first policy.
    pub baseline: Option<String>,
    /// Measured time of each run, after the warm-up.
    pub duration: Span,
    /// Time that runs before anything is measured. Default: "0s".
    pub warmup: Option<Span>,
    /// Seed from which all random numbers derive. Default: 1.
    pub seed: Option<u64>,
    /// Runs of each policy, each with other random numbers. Default: 1.
    pub replications: Option<u32>,
    /// Published results to be shown beside the simulated ones. Default: none.
    #[serde(default)]
    pub published: Vec<PublishedFile>,
    /// What `apfsim test` holds the results against, a line each. Default: nothing.
    #[serde(default)]
    pub expect: Vec<String>,
}

/// The physical machine and its swap.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes the host")]
pub struct HostFile {
    /// Processor: the name of a preset, or a preset with changes.
    pub cpu: CpuRef,
    /// Physical processors that vCPU threads and workers share: 1 to 1024.
    pub cpus: u64,
    /// Memory that the container of the VM may hold.
    pub memory_limit: Bytes,
    /// Part of the container that is never reclaimed: the VMM's memory and the guest kernel's hot
    /// part. Default: "0B".
    pub other_resident: Option<Bytes>,
    /// The swap area and its device.
    pub swap: SwapFile,
    /// Costs that differ from the processor preset, by name: `"2200 cycles"` or `"4.5us"`.
    #[serde(default)]
    pub costs: BTreeMap<String, String>,
    /// The host's scheduler. Default: that of Linux 2.6.36 at `cpus` processors.
    pub sched: Option<SchedFile>,
    /// Tick of the host's scheduler. Default: "1ms".
    pub tick: Option<Span>,
    /// Pages that direct reclaim aims at in one go: 1 to 1024. Default: 32.
    pub reclaim_batch: Option<u64>,
    /// How the host's kernel works. Default: as Linux 2.6.36 does.
    pub kernel: Option<HostKernelRef>,
    /// Of a million faults that are to go asynchronous, how many find no memory for their item
    /// (`GFP_NOWAIT`) and are synchronous: 0 to 1000000. Default: 0.
    pub allocation_failure_ppm: Option<u64>,
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
    /// Threads of the pool that the mechanism `workers` = `four-threads` has: 1 to 255. Default: 4.
    pub slow_work_threads: Option<u64>,
    /// Items of one processor that a workqueue executes at once, its `max_active`: 1 to 512.
    /// Default: 256.
    pub workqueue_max_active: Option<u64>,
    /// How pages are kept in the order of their age.
    pub lru: Option<LruFile>,
    /// The version of control groups: what a thread does that needs a page and frees none at once.
    pub cgroup: Option<CgroupFile>,
    /// What becomes of the frame of a page that was written out.
    pub written_pages: Option<WrittenPagesFile>,
    /// Which neighbours a swap-in reads; `host.swap.read_ahead` is the largest window.
    pub read_ahead: Option<ReadAheadFile>,
    /// Whether a thread that waits for a read of its own, without read-ahead, polls the device
    /// instead of sleeping. Default: false.
    pub polled_reads: Option<bool>,
    /// Write-back throttling of the block layer: the shortest read of a window takes longer than this
    /// when it throttles writes. "0s": it never does.
    pub writeback_throttling: Option<Span>,
    /// For how long a vCPU thread polls at most in the guest's HLT before it sleeps: up to "1s".
    pub halt_poll: Option<Span>,
    /// What makes a fault that is under way begin again, by another exit.
    pub mmu_retry: Option<MmuRetryFile>,
}

/// What makes a fault that is under way begin again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MmuRetryFile {
    /// Nothing; a page that is gone is fetched in the same exit.
    OwnPage,
    /// The eviction of any page of the VM.
    Evictions,
    /// Also the unmapping of a page to learn whether it is used.
    Unmappings,
}

/// How pages are kept in the order of their age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum LruFile {
    /// An active and an inactive list.
    #[serde(rename = "two-lists")]
    TwoLists,
    /// Generations; ageing reads the VMM's page table only (6.1 to 6.12).
    #[serde(rename = "generations")]
    Generations,
    /// Generations; ageing reads the second stage too (since 6.13).
    #[serde(rename = "generations-second-stage")]
    GenerationsSecondStage,
}

/// The version of control groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CgroupFile {
    /// `memory.limit_in_bytes`: the thread waits for the write-back that it began.
    V1,
    /// `memory.max`: it goes on with the next batch until something is free or the device's queue is
    /// full.
    V2,
}

/// What becomes of the frame of a page that was written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WrittenPagesFile {
    /// It is freed when the write completes.
    Freed,
    /// It stays charged at the old end of the lists until a later scan frees it.
    Rotated,
}

/// Which neighbours a swap-in reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReadAheadFile {
    /// The aligned window of slots, always at its largest.
    Fixed,
    /// An aligned window of slots that follows its success.
    Adaptive,
    /// A window of addresses that follows its success.
    AddressSpace,
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

/// A processor preset with changes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a processor")]
pub struct CpuFile {
    /// Name of the preset that everything else is taken from.
    pub preset: String,
    /// Rate of the core and of its time-stamp counter.
    pub frequency: Option<Rate>,
    /// First-level data TLB for 4 KiB pages.
    pub l1_dtlb: Option<TlbFile>,
    /// Second-level TLB for 4 KiB pages.
    pub stlb: Option<TlbFile>,
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
    /// Largest write, into which adjacent pages are merged: whole pages up to "1GiB". Default: no
    /// limit.
    pub max_write: Option<Bytes>,
}

/// A swap device.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(untagged)]
pub enum DeviceRef {
    /// Name of a preset.
    Name(String),
    /// A preset with changes.
    Preset(DevicePresetFile),
    /// A whole description.
    Inline(DeviceFile),
}

/// A device preset with changes. Only fields of the preset's kind may be given.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a device")]
pub struct DevicePresetFile {
    /// Name of the preset that everything else is taken from.
    pub preset: String,
    /// Kind `constant`: time of a read.
    pub read_latency: Option<Span>,
    /// Kind `constant`: time of a write.
    pub write_latency: Option<Span>,
    /// Kind `channels`: requests served at once.
    pub channels: Option<u64>,
    /// Kind `channels`: service time of a one-page read.
    pub read: Option<ServiceTime>,
    /// Kind `channels`: service time of a one-page write.
    pub write: Option<ServiceTime>,
    /// Kind `channels`: additional time for each page after the first.
    pub per_page: Option<Span>,
    /// Kind `hdd`: constant part of a seek.
    pub seek_base: Option<Span>,
    /// Kind `hdd`: factor of the square root of the distance, as a fraction of the full stroke.
    pub seek_sqrt: Option<Span>,
    /// Kind `hdd`: one turn.
    pub rotation: Option<Span>,
    /// Kind `hdd`: time to pass one page under the head.
    pub transfer_per_page: Option<Span>,
    /// Kind `hdd`: fixed cost of a command.
    pub controller: Option<Span>,
    /// Kind `hdd`: share of the full stroke that the swap area spans, in millionths.
    pub swap_span_ppm: Option<u64>,
    /// Kind `hdd`: changes to the request scheduler.
    pub elevator: Option<ElevatorFile>,
}

/// A swap device in full; `kind` says which law it follows.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
#[schemars(tag = "kind")]
pub enum DeviceFile {
    /// The same latency for every request, without queueing.
    Constant {
        /// Time from submission to completion of a read.
        read_latency: Span,
        /// Time from submission to completion of a write.
        write_latency: Span,
    },
    /// Parallel channels; requests beyond them wait in order of submission.
    Channels {
        /// Requests served at once: 1 to 65536.
        channels: u64,
        /// Service time of a one-page read.
        read: ServiceTime,
        /// Service time of a one-page write.
        write: ServiceTime,
        /// Additional time for each page of a request after the first. Default: "0s".
        per_page: Option<Span>,
    },
    /// One arm with a deadline elevator. A seek over a fraction x of the full stroke takes
    /// `seek_base + seek_sqrt * sqrt(x)`.
    Hdd {
        /// Constant part of a seek.
        seek_base: Span,
        /// Factor of the square root of the distance.
        seek_sqrt: Span,
        /// One turn; the rotational wait is uniform over it.
        rotation: Span,
        /// Time to pass one page under the head.
        transfer_per_page: Span,
        /// Fixed cost of a command. Default: "0s".
        controller: Option<Span>,
        /// Share of the full stroke that the swap area spans, in millionths.
        swap_span_ppm: u64,
        /// Changes to the request scheduler. Default: the deadline elevator of Linux.
        elevator: Option<ElevatorFile>,
    },
}

/// Parameters of the deadline elevator.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes an elevator")]
pub struct ElevatorFile {
    /// A read older than this is served out of order. Default: "500ms".
    pub read_expire: Option<Span>,
    /// A write older than this is served out of order. Default: "5s".
    pub write_expire: Option<Span>,
    /// Requests served in one direction before deadlines are looked at. Default: 16.
    pub fifo_batch: Option<u64>,
    /// Times that reads may pass waiting writes. Default: 2.
    pub writes_starved: Option<u64>,
}

/// A service time: a constant such as `"85us"`, or a law.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(untagged)]
pub enum ServiceTime {
    /// Always the same.
    Name(Span),
    /// A law; `kind` says which.
    Inline(LawFile),
}

/// A law of service times.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
#[schemars(tag = "kind")]
pub enum LawFile {
    /// Always the same.
    Constant {
        /// The time.
        value: Span,
    },
    /// Every time from `low` to `high` equally likely.
    Uniform {
        /// The lowest.
        low: Span,
        /// The highest.
        high: Span,
    },
    /// Exponential.
    Exponential {
        /// The mean.
        mean: Span,
    },
    /// `median * e^(sigma Z)`, Z standard normal.
    LogNormal {
        /// The median.
        median: Span,
        /// Standard deviation of the logarithm, in thousandths: 0 to 10000.
        sigma_milli: u64,
    },
    /// P(X > x) = (scale / x)^shape from `scale` on.
    Pareto {
        /// The lowest time.
        scale: Span,
        /// The shape in thousandths, not zero.
        shape_milli: u64,
    },
    /// Quantiles with straight lines between them.
    Empirical {
        /// Points from 0 to 1000000 ppm, neither probabilities nor values falling.
        points: Vec<QuantileFile>,
    },
    /// One of several laws, drawn anew for every value.
    Mixture {
        /// The laws with their weights.
        parts: Vec<PartFile>,
    },
}

/// A point of an empirical law.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `ppm` and `value`")]
pub struct QuantileFile {
    /// Probability of a time up to `value`, in millionths.
    pub ppm: u64,
    /// The time.
    pub value: Span,
}

/// A part of a mixture.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `weight` and `law`")]
pub struct PartFile {
    /// How often, in relation to the other parts.
    pub weight: u64,
    /// The law.
    pub law: ServiceTime,
}

/// A fair scheduler: that of a kernel, with changes. Values hold for the number of processors at
/// hand; nothing is scaled.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a scheduler")]
pub struct SchedFile {
    /// Kernel whose scheduler it is: the name of a guest kernel preset. Default: in the guest its
    /// kernel's, in the host that of Linux 2.6.36.
    pub kernel: Option<String>,
    /// CFS: period in which every runnable entity should run once.
    pub latency: Option<Span>,
    /// CFS: shortest slice.
    pub min_granularity: Option<Span>,
    /// CFS: lead in virtual runtime that a waking entity needs to preempt.
    pub wakeup_granularity: Option<Span>,
    /// CFS: how far behind the queue's minimum a waking sleeper may be placed.
    pub sleeper_credit: Option<Span>,
    /// EEVDF: what an entity may run until its next virtual deadline.
    pub base_slice: Option<Span>,
    /// EEVDF: whether the running entity is left alone until it has had its share or its slice is
    /// over.
    pub run_to_parity: Option<bool>,
    /// EEVDF: whether what an entity is owed is kept while it sleeps.
    pub place_lag: Option<bool>,
    /// EEVDF: whether a sleeper that has had more than its share stays in the queue until it has
    /// not.
    pub delay_dequeue: Option<bool>,
    /// Whether a wake-up may preempt the running entity at all.
    pub wakeup_preemption: Option<bool>,
}

/// The virtual machine.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes the guest")]
pub struct GuestFile {
    /// Kernel: the name of a preset.
    pub kernel: String,
    /// Virtual processors: 1 to 256.
    pub vcpus: u64,
    /// Memory: up to "1TiB", whole pages.
    pub memory: Bytes,
    /// Timer ticks a second: 1 to 10000. Default: the kernel's.
    pub hz: Option<u64>,
    /// Changes to the guest's scheduler. Default: the kernel's, scaled to `vcpus`.
    pub sched: Option<SchedFile>,
    /// Whether stolen time is kept from the running task's account. Default: the kernel's.
    pub steal_clock: Option<bool>,
    /// When page ready makes a sleeper runnable. Default: "now".
    pub wake: Option<WakeFile>,
    /// With "now": how much later the sleeper becomes runnable, up to "1s". Default: "0s".
    pub wake_delay: Option<Span>,
    /// Who wakes a task whose `sleep` is over. Default: "direct".
    pub timers: Option<TimersFile>,
    /// Whether the guest asks for notices at CPL 0 too. Default: the kernel's.
    pub send_always: Option<bool>,
    /// Ticks between two runs of the load balancer on a busy vCPU: 1 to 10^9. Default: the
    /// kernel's.
    pub balance_ticks: Option<u64>,
    /// When a task that is in a system call may lose its vCPU to another one. Default: the
    /// kernel's.
    pub preemption: Option<PreemptionFile>,
    /// Which uses of the local APIC leave guest mode. Default: none.
    pub apic: Option<ApicFile>,
    /// What the host may do with the pages through which the guest takes exceptions and interrupts.
    /// Default: "resident".
    pub event_pages: Option<EventPagesFile>,
}

/// What the host may do with the pages through which the guest takes exceptions and interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EventPagesFile {
    /// They stay.
    Resident,
    /// They are reclaimed like any page.
    Reclaimable,
}

/// Which uses of the local APIC leave guest mode, each at the cost `exit_light`.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes the local APIC")]
pub struct ApicFile {
    /// Whether arming and stopping the timer exits (a write of the TSC deadline); if not, the cost
    /// `guest_tick` holds it. Default: false.
    #[serde(default)]
    pub timer_exits: bool,
    /// Whether the end of an interrupt exits; not under a paravirtual EOI. Default: false.
    #[serde(default)]
    pub eoi_exits: bool,
    /// Whether an interrupt to another vCPU makes its sender exit. Default: false.
    #[serde(default)]
    pub ipi_exits: bool,
}

/// When a task that is in a system call may lose its vCPU, besides when it sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PreemptionFile {
    /// On its way back to user mode.
    None,
    /// Also between the operations of the call, outside all sections.
    Voluntary,
    /// Wherever preemption and interrupts are on.
    Full,
}

/// Who wakes a task whose sleep is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TimersFile {
    /// Nobody: it is runnable at that time, without cost.
    Direct,
    /// The interrupt of the local timer of its vCPU.
    Interrupt,
    /// The softirq behind the next tick of its vCPU.
    Softirq,
}

/// When page ready makes a sleeper runnable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WakeFile {
    /// In the handler.
    Now,
    /// At the next timer tick of the vCPU.
    Tick,
}

/// What the guest runs.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes the workload")]
pub struct WorkloadFile {
    /// Memory regions of the one address space that all tasks share. Default: none.
    #[serde(default)]
    pub regions: Vec<RegionFile>,
    /// Groups of equal tasks.
    pub tasks: Vec<TaskFile>,
}

/// A memory region.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a memory region")]
pub struct RegionFile {
    /// Name by which programs refer to it.
    pub name: String,
    /// Size in whole pages.
    pub size: Bytes,
    /// Whether every page is written once, in order, before anything is measured. Default: false.
    #[serde(default)]
    pub prefill: bool,
    /// What backs the region in the host. Default: "vmm".
    pub backing: Option<BackingFile>,
}

/// What backs the memory of a region in the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BackingFile {
    /// Memory of the VMM, which the host may swap out.
    Vmm,
    /// guest_memfd, as private memory of the guest: it is never swapped, counts against the limit
    /// of the container, and its faults never go asynchronous.
    GuestMemfd,
}

/// Some equal tasks.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a group of tasks")]
pub struct TaskFile {
    /// Name in tables.
    pub name: String,
    /// How metrics group the tasks.
    pub role: RoleFile,
    /// How many: 1 to 4096. Default: 1.
    pub count: Option<u64>,
    /// The vCPUs that they start on, taken in turn. Default: wherever the fewest tasks are.
    pub start_on: Option<Vec<u64>>,
    /// Operations, repeated for ever.
    pub program: Vec<OpFile>,
}

/// What a task is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RoleFile {
    /// Touches memory that may be swapped out.
    Faulter,
    /// Does the work that is counted.
    Worker,
}

/// One operation; `op` says which.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
#[schemars(tag = "op")]
pub enum OpFile {
    /// Counted work without end. Must be the last operation.
    Count {
        /// Units of work in a second of user CPU time: 1 to 10^12.
        per_second: u64,
    },
    /// Computation that is not counted.
    Compute {
        /// User CPU time, not zero.
        span: Span,
    },
    /// One access to a page.
    Access {
        /// Name of the region.
        region: String,
        /// Which page.
        pattern: PatternFile,
        /// Store (true) or load (false). Default: false.
        #[serde(default)]
        write: bool,
        /// CPU time of the instruction and of choosing the page.
        cost: Span,
    },
    /// Sleep.
    Sleep {
        /// Wall time, not zero.
        span: Span,
    },
    /// Interrupt all other vCPUs and spin until each has answered, as a TLB flush does.
    #[serde(rename = "call_all")]
    CallAll {},
    /// A system call: its body happens at CPL 0.
    Syscall {
        /// Its name, for readers of the file.
        name: Option<String>,
        /// CPU time of the entry and of the call's own work before its body.
        cost: Span,
        /// CPU time after the body, the return to user mode included. Default: "0s".
        return_cost: Option<Span>,
        /// What happens in the kernel. Default: nothing.
        #[serde(default)]
        body: Vec<OpFile>,
    },
    /// A section of the kernel in which a task must not be scheduled away; only in the body of a
    /// system call.
    Critical {
        /// What keeps the task where it is.
        kind: SectionFile,
        /// What happens in the section: `compute`, `access`, and other sections.
        body: Vec<OpFile>,
    },
}

/// Why a task must not be scheduled away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SectionFile {
    /// Preemption is off, as under a spinlock.
    PreemptOff,
    /// Interrupts are off.
    IrqOff,
    /// It reads under RCU: it may be preempted, but must not sleep.
    RcuReader,
}

/// How successive accesses choose their page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PatternFile {
    /// Uniformly at random, independently.
    Uniform,
    /// One page after the other, wrapping at the end; tasks of a group start equally spaced.
    Sequential,
    /// Uniformly at random, the same pages in the same order for all tasks of the group.
    Shared,
}

/// Something that happens to a vCPU at a given time.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a disturbance")]
pub struct DisturbanceFile {
    /// Time after the start barrier. What happens at "0s" happens before the guest enables notices.
    pub at: Span,
    /// What happens.
    pub kind: DisturbanceKindFile,
    /// To which vCPU; kind `map_write` has none.
    pub vcpu: Option<u64>,
    /// Kind `smi`: time that the handler takes. Kind `map_write`: time that the lock is held.
    pub span: Option<Span>,
    /// Time from one occurrence to the next: at least "1us". Default: it happens once.
    pub every: Option<Span>,
}

/// What happens to a vCPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DisturbanceKindFile {
    /// The guest takes it offline: notices off, sleepers woken, tasks elsewhere.
    Offline,
    /// The guest starts it again; it enables notices.
    Online,
    /// A system management interrupt: paging is off in its handler.
    Smi,
    /// Another vCPU kicks it (KICK_CPU), whether or not it is in HLT.
    Kick,
    /// The VMM changes its memory slots; the shared area of the vCPU moves in the VMM.
    MemslotChange,
    /// The guest switches its local APIC off, or has not switched it on yet.
    LapicOff,
    /// The guest switches its local APIC on.
    LapicOn,
    /// Another thread of the VMM changes its memory map, whose lock it holds for writing.
    MapWrite,
    /// The guest writes EN with an address at which it has no memory; the write is refused.
    RefusedEn,
    /// There is no memory for the wake-all of the vCPU's next write of EN.
    WakeAllFails,
}

/// A published result.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a published result")]
pub struct PublishedFile {
    /// Name of the policy that stands for the published setup.
    pub policy: String,
    /// Name of the metric.
    pub metric: String,
    /// The published mean.
    pub mean: f64,
    /// Its published standard error, if any.
    pub stderr: Option<f64>,
    /// Where it was published.
    pub source: String,
}
