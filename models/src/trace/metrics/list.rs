//! The metrics. A new metric is an entry here, or of requests in `request_list.rs`; what it counts is a field
//! of `Counts` (`totals.rs`), counted in `collector.rs`. Tables, `expect`, JSON, CSV, `apfsim metrics` and the
//! direction of `crossover` read the entry.

use super::clock::State;
use super::kind::{Better, Block, MetricKind, Unit};
use super::reclaim::Taker;
use super::request_list::REQUESTS;
use super::vmm_list::OF_VMM;
use crate::base::record::TaskRole;

/// Work done by all workers: the measure that policies are compared by.
pub const WORK_TOTAL: &str = "work_total";

/// What there is once, whatever runs on the host.
const OF_HOST: MetricKind = MetricKind { by_vm: false, ..MetricKind::COUNT };
/// Of the virtual machines together.
const FAIRNESS: MetricKind = MetricKind { unit: Unit::Number, ..OF_HOST };
const PAGES: MetricKind = MetricKind { unit: Unit::Pages, ..MetricKind::COUNT };
const SECONDS: MetricKind =
    MetricKind { unit: Unit::Seconds, better: Better::Less, ..MetricKind::COUNT };
const LATENCY: MetricKind = MetricKind { ratio: true, ..SECONDS };
const SHARE: MetricKind = MetricKind { unit: Unit::Share, ..MetricKind::COUNT };
const CPU_TIME: MetricKind = MetricKind { block: Block::CpuTime, ..SHARE };

/// Every metric, in the order in which results give them: work, what requests are, all others, what the VMM answers.
pub const METRICS: &[MetricKind] = &{
    const BEFORE: usize = OWN.len() + REQUESTS.len();
    const LENGTH: usize = BEFORE + OF_VMM.len();
    let mut all = [MetricKind::COUNT; LENGTH];
    let mut place = 0;
    while place < LENGTH {
        all[place] = match place {
            0 => OWN[0],
            _ if place <= REQUESTS.len() => REQUESTS[place - 1],
            _ if place < BEFORE => OWN[place - REQUESTS.len()],
            _ => OF_VMM[place - BEFORE],
        };
        place += 1;
    }
    all
};

/// Every metric but those of requests and of faults that the VMM answers.
const OWN: &[MetricKind] = &[
    MetricKind {
        name: WORK_TOTAL,
        unit: Unit::Work,
        better: Better::More,
        label: "work",
        meaning: "Units of work that all workers counted",
        ratio: true,
        value: |run| Some(run.work() as f64),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "major_faults",
        label: "major faults",
        meaning: "Guest page faults that needed I/O: the sum of the three below",
        block: Block::Faults,
        value: |run| Some(run.major_faults() as f64),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "async_faults",
        label: "asynchronous",
        meaning: "Major faults for which the host queued work and let the vCPU go on or halt",
        block: Block::FaultsPart,
        value: |run| Some(run.counts.async_faults as f64),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "repeated_faults",
        label: "repeated",
        meaning: "Major faults on a page that already was being fetched for the same vCPU",
        block: Block::FaultsPart,
        value: |run| Some(run.counts.repeated_faults as f64),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "sync_faults",
        label: "synchronous",
        meaning: "Major faults for which the vCPU thread itself waited",
        block: Block::FaultsPart,
        value: |run| Some(run.counts.sync_faults as f64),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "minor_faults",
        label: "minor faults",
        meaning: "Second-stage page faults (kvm_page_fault) that needed no I/O",
        value: |run| Some(run.counts.page_faults.saturating_sub(run.counts.io_page_faults) as f64),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "write_protect_faults",
        label: "write-protection faults",
        meaning: "Of these, writes to pages that the second stage mapped read-only",
        value: |run| Some(run.counts.write_protect_faults as f64),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "repeated_fault_events",
        better: Better::Less,
        label: "repeated-fault events",
        meaning: "kvm_async_pf_repeated_fault (in early kernels kvm_async_pf_doublefault) events",
        value: |run| Some(run.counts.repeated_fault_events as f64),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "sync_stall_time",
        label: "stalled in a fetch",
        meaning: "Time for which vCPU threads were blocked in a synchronous fetch or in direct \
                  reclaim",
        value: |run| Some(run.seconds_stalled()),
        ..SECONDS
    },
    MetricKind {
        name: "halted_time",
        label: "halted by the host",
        meaning: "Time for which the host held vCPUs in the artificial halt",
        value: |run| Some(run.seconds(State::ApfHalt)),
        ..SECONDS
    },
    MetricKind {
        name: "idle_time",
        better: Better::Neither,
        label: "idle (HLT)",
        meaning: "Time for which vCPUs were blocked because the guest executed HLT",
        value: |run| Some(run.seconds(State::Hlt)),
        ..SECONDS
    },
    MetricKind {
        name: "lost_time_per_fault",
        label: "lost time by fault",
        meaning: "Time of the vCPUs that was neither user time of a task nor idle in the guest, by \
                  major fault: what a fault takes from everybody else; ticks and switches that \
                  happen anyway are in it",
        value: |run| run.lost_time_per_fault(),
        ..SECONDS
    },
    MetricKind {
        name: "fault_latency_mean",
        label: "latency mean",
        meaning: "Mean time from the exit of a major fault to the retirement of its access, of \
                  faults that began in the measured phase and ended",
        value: |run| run.latency_mean(),
        ..LATENCY
    },
    MetricKind {
        name: "fault_latency_p50",
        label: "latency p50",
        meaning: "Median of the same times",
        block: Block::Faults,
        value: |run| run.latency_quantile(0.5),
        ..LATENCY
    },
    MetricKind {
        name: "fault_latency_p90",
        label: "latency p90",
        meaning: "Time that 90 % of those faults did not exceed",
        value: |run| run.latency_quantile(0.9),
        ..LATENCY
    },
    MetricKind {
        name: "fault_latency_p99",
        label: "latency p99",
        meaning: "Time that 99 % of those faults did not exceed",
        block: Block::Faults,
        value: |run| run.latency_quantile(0.99),
        ..LATENCY
    },
    MetricKind {
        name: "fault_latency_max",
        label: "latency max",
        meaning: "The longest of the same times",
        value: |run| run.latency_max(),
        ..LATENCY
    },
    MetricKind {
        name: "not_present_injected",
        label: "not present injected",
        meaning: "Not-present notifications that reached the guest; injecting one again does not \
                  count",
        block: Block::Faults,
        value: |run| Some(run.counts.not_present_injected as f64),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "page_ready_delivered",
        label: "page ready delivered",
        meaning: "Page-ready notifications that reached the guest, as exception or as interrupt, \
                  those that wake every sleeper (wake-all) among them",
        block: Block::Faults,
        value: |run| Some(run.counts.page_ready_delivered as f64),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "page_ready_batch",
        unit: Unit::Number,
        label: "items a drain (mean)",
        meaning: "Completed items (kvm_async_pf_ready, told to the guest or not, wake-all too) that a \
                  vCPU thread took from its list between two entries of the guest, as a mean over \
                  those between which it took any",
        value: |run| {
            let (items, drains) = (run.counts.ready_items, run.counts.ready_drains);
            (drains > 0).then(|| items as f64 / drains as f64)
        },
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "worker_threads_peak",
        label: "worker threads (peak)",
        meaning: "Most works of async page faults that were executed at one time",
        block: Block::Faults,
        value: |run| Some(run.counts.workers_peak as f64),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "outstanding_peak",
        label: "outstanding (peak)",
        meaning: "Most async page faults that were outstanding at one time, over all vCPUs",
        value: |run| Some(run.counts.outstanding_peak as f64),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "cpu_share_workers",
        better: Better::More,
        label: "workers",
        meaning: "Part of the vCPUs' time that workers spent in user mode",
        value: |run| run.share(run.user(TaskRole::Worker)),
        ..CPU_TIME
    },
    MetricKind {
        name: "cpu_share_faulters",
        label: "faulters",
        meaning: "Part that faulters spent in user mode",
        value: |run| run.share(run.user(TaskRole::Faulter)),
        ..CPU_TIME
    },
    MetricKind {
        name: "cpu_share_main",
        label: "other tasks",
        meaning: "Part that the main task spent in user mode",
        value: |run| run.share(run.user(TaskRole::Main)),
        ..CPU_TIME
    },
    MetricKind {
        name: "cpu_share_kernel",
        label: "kernel and host",
        meaning: "Part in the guest's kernel and in the host: the sum of the two below",
        value: |run| run.share(run.guest_kernel() + run.in_host()),
        ..CPU_TIME
    },
    MetricKind {
        name: "cpu_share_guest_kernel",
        label: "guest kernel",
        meaning: "Part in guest mode that is no task's user time",
        value: |run| run.share(run.guest_kernel()),
        ..SHARE
    },
    MetricKind {
        name: "cpu_share_host",
        label: "host",
        meaning: "Part in which vCPU threads ran in the host",
        value: |run| run.share(run.in_host()),
        ..SHARE
    },
    MetricKind {
        name: "cpu_share_decompression",
        better: Better::Less,
        label: "decompression",
        meaning: "Part in which threads of the host decompressed pages of zram or zswap, or copied them \
                  from memory that is a device; in that of the host where these are vCPU threads",
        value: |run| run.share(run.counts.decompress_ps.into()),
        ..SHARE
    },
    MetricKind {
        name: "cpu_share_compression",
        better: Better::Less,
        label: "compression",
        meaning: "Part in which threads of the host compressed pages that reclaim wrote to zram or zswap, \
                  or copied them to memory that is a device; in that of the host where these are vCPU \
                  threads",
        value: |run| run.share(run.counts.compress_ps.into()),
        ..SHARE
    },
    MetricKind {
        name: "cpu_share_stalled",
        better: Better::Less,
        label: "stalled in a fetch",
        meaning: "Part in which vCPU threads were blocked in a synchronous fetch or in direct \
                  reclaim",
        value: |run| run.share(run.stalled()),
        ..CPU_TIME
    },
    MetricKind {
        name: "cpu_share_throttled",
        better: Better::Less,
        label: "throttled by memory.high",
        meaning: "Part in which vCPU threads slept because they had charged memory beyond memory.high; given where \
                  a container has one",
        value: |run| run.share(run.in_state(State::High)).filter(|_| run.reclaims.has_high()),
        ..CPU_TIME
    },
    MetricKind {
        name: "cpu_share_halted",
        better: Better::Less,
        label: "halted by the host",
        meaning: "Part in which the host held vCPUs in the artificial halt",
        value: |run| run.share(run.in_state(State::ApfHalt)),
        ..CPU_TIME
    },
    MetricKind {
        name: "cpu_share_idle",
        label: "idle (HLT)",
        meaning: "Part in which vCPUs were blocked because the guest executed HLT",
        value: |run| run.share(run.in_state(State::Hlt)),
        ..CPU_TIME
    },
    MetricKind {
        name: "cpu_share_steal",
        label: "waiting for a CPU",
        meaning: "Part in which vCPU threads were runnable without a physical processor",
        value: |run| run.share(run.in_state(State::Steal)),
        ..CPU_TIME
    },
    MetricKind {
        name: "swap_reads_pages",
        label: "pages swapped in",
        meaning: "Pages of all reads that the swap device was given, or that were decompressed in their \
                  place",
        block: Block::Faults,
        value: |run| Some(run.counts.swap_read_pages as f64),
        by_vm: false,
        ..PAGES
    },
    MetricKind {
        name: "swap_writes_pages",
        label: "pages swapped out",
        meaning: "Pages of all writes that the swap device was given, or that were compressed in their \
                  place",
        block: Block::Faults,
        value: |run| Some(run.counts.swap_write_pages as f64),
        by_vm: false,
        ..PAGES
    },
    MetricKind {
        name: "swap_read_requests",
        label: "swap reads",
        meaning: "Reads that the swap device was given",
        value: |run| Some(run.counts.swap_read_requests as f64),
        ..OF_HOST
    },
    MetricKind {
        name: "swap_write_requests",
        label: "swap writes",
        meaning: "Writes that the swap device was given",
        value: |run| Some(run.counts.swap_write_requests as f64),
        ..OF_HOST
    },
    MetricKind {
        name: "decompressed_pages",
        label: "pages decompressed",
        meaning: "Pages of those swapped in that came from zram or from the pool of zswap",
        value: |run| Some(run.counts.decompressed_pages as f64),
        ..PAGES
    },
    MetricKind {
        name: "compressed_pages",
        label: "pages compressed",
        meaning: "Pages of those swapped out that zram or the pool of zswap took",
        value: |run| Some(run.counts.compressed_pages as f64),
        ..PAGES
    },
    MetricKind {
        name: "zswap_writebacks",
        label: "zswap write-backs",
        meaning: "Pages that the worker of zswap decompressed and wrote to the swap device (zswpwb)",
        value: |run| Some(run.counts.zswap_writebacks as f64),
        ..PAGES
    },
    MetricKind {
        name: "zswap_refusals",
        label: "zswap refusals",
        meaning: "Pages that reclaim wrote to the swap device because the pool of zswap was full",
        value: |run| Some(run.counts.zswap_refusals as f64),
        ..PAGES
    },
    MetricKind {
        name: "device_busy",
        label: "device busy",
        meaning: "Part of the time in which the swap device had a request",
        block: Block::Faults,
        value: |run| run.over_time(run.counts.device_busy_ps as f64),
        by_vm: false,
        ..SHARE
    },
    MetricKind {
        name: "device_in_flight_mean",
        unit: Unit::Number,
        label: "requests in flight (mean)",
        meaning: "Requests that the swap device has taken (`block_rq_issue`) and not completed, as \
                  a mean over time: those that wait in the host for a free channel are not among \
                  them, those that the provider of a volume holds back are",
        value: |run| run.over_time(run.counts.in_flight_ps as f64),
        ..OF_HOST
    },
    MetricKind {
        name: "reclaim_scanned",
        label: "pages scanned",
        meaning: "Pages that reclaim looked at",
        value: |run| Some(run.reclaims.scanned as f64),
        ..PAGES
    },
    MetricKind {
        name: "reclaimed_by_vcpus",
        label: "pages reclaimed by vCPUs",
        meaning: "Pages in use that threads of vCPUs took away in reclaim, each counted when it goes; given where the host's \
                  memory is controlled during the run",
        value: |run| run.reclaims.taken(Taker::Vcpus),
        ..PAGES
    },
    MetricKind {
        name: "reclaimed_by_workers",
        label: "pages reclaimed by workers",
        meaning: "The same of threads that bring pages for others: workers, threads of the VMM, the worker of \
                  zswap",
        value: |run| run.reclaims.taken(Taker::Workers),
        by_vm: false,
        ..PAGES
    },
    MetricKind {
        name: "reclaimed_by_limit_writes",
        label: "pages reclaimed by writing limits",
        meaning: "The same of threads that write the limit of a container (memory.max)",
        value: |run| run.reclaims.taken(Taker::Writers),
        by_vm: false,
        ..PAGES
    },
    MetricKind {
        name: "reclaimed_by_agents",
        label: "pages reclaimed by agents",
        meaning: "The same of threads that write memory.reclaim",
        value: |run| run.reclaims.taken(Taker::Agents),
        by_vm: false,
        ..PAGES
    },
    MetricKind {
        name: "reclaimed_by_kswapd",
        label: "pages reclaimed by kswapd",
        meaning: "The same of the thread of the kernel that keeps pages of the host free",
        value: |run| run.reclaims.taken(Taker::Kswapd),
        by_vm: false,
        ..PAGES
    },
    MetricKind {
        name: "kswapd_wakes",
        label: "kswapd woken",
        meaning: "How often that thread was woken because little was free",
        value: |run| run.reclaims.kswapd_wakes(),
        ..OF_HOST
    },
    MetricKind {
        name: "charged_beyond_high",
        label: "pages charged beyond memory.high",
        meaning: "Pages that threads of vCPUs charged in batches while their container held more than its memory.high, \
                  for which they pay",
        value: |run| run.reclaims.beyond_high(Taker::Vcpus),
        ..PAGES
    },
    MetricKind {
        name: "charged_beyond_high_unpaid",
        label: "unpaid",
        meaning: "The same of threads that never pay: workers of the kernel",
        value: |run| run.reclaims.beyond_high(Taker::Workers),
        by_vm: false,
        ..PAGES
    },
    MetricKind {
        name: "limit_write_time",
        label: "writing limits",
        meaning: "Time for which threads were writing limits, until no more was in a container than it may hold",
        value: |run| run.reclaims.write_time(),
        by_vm: false,
        ..SECONDS
    },
    MetricKind {
        name: "ept_unmaps",
        label: "unmapped frames",
        meaning: "Guest frames that the second stage lost",
        value: |run| Some(run.counts.ept_unmaps as f64),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "table_faults",
        label: "faults in walks",
        meaning: "Second-stage page faults at page tables of the guest's",
        value: |run| Some(run.counts.table_faults as f64),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "table_major_faults",
        label: "with I/O",
        meaning: "Those of them that needed I/O; they are major faults too",
        value: |run| Some(run.counts.table_io_faults as f64),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "guest_tables",
        label: "guest page tables",
        meaning: "Frames of page tables that the guest has made since power-on",
        value: |run| Some(run.guest_tables as f64),
        ..PAGES
    },
    MetricKind {
        name: "discarded_pages",
        label: "pages discarded",
        meaning: "Pages that programs gave back to the guest's kernel; given where a program does so",
        value: |run| run.given_back.discarded(),
        ..PAGES
    },
    MetricKind {
        name: "tlb_shootdowns",
        better: Better::Less,
        label: "TLB shootdowns",
        meaning: "Flushes of the guest's for which it interrupted other vCPUs (tlb_flush, remote IPI send); given \
                  where a program discards pages",
        value: |run| run.given_back.shootdowns(),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "balloon_pages",
        label: "pages in balloons",
        meaning: "Pages in balloons at the end, as their guests have told; given where a balloon was set or pages were reported",
        value: |run| run.given_back.in_balloons(),
        ..PAGES
    },
    MetricKind {
        name: "returned_frames",
        label: "frames returned",
        meaning: "Frames that VMMs gave back to the host (madvise), of balloons and of free pages that guests reported",
        value: |run| run.given_back.frames(),
        ..PAGES
    },
    MetricKind {
        name: "returned_slots",
        label: "swap slots returned",
        meaning: "Swap slots that became free with them",
        value: |run| run.given_back.slots(),
        ..PAGES
    },
    MetricKind {
        name: "mmu_lock_wait",
        label: "waiting for mmu_lock",
        meaning: "Time for which threads of the host spun for the lock of the second-stage tables, \
                  of waits that ended in the measured phase",
        value: |run| Some(run.counts.mmu_lock_wait_ps as f64 * 1e-12),
        ..SECONDS
    },
    MetricKind {
        name: "mmu_lock_contentions",
        better: Better::Less,
        label: "mmu_lock contentions",
        meaning: "Those waits (contention_begin to contention_end)",
        value: |run| Some(run.counts.mmu_lock_contentions as f64),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "uffd_lock_wait",
        label: "waiting for userfaultfd locks",
        meaning: "Time for which threads of the host spun for a lock of a userfaultfd descriptor's wait \
                  queues, of waits that ended in the measured phase",
        value: |run| Some(run.counts.uffd_lock_wait_ps as f64 * 1e-12),
        ..SECONDS
    },
    MetricKind {
        name: "uffd_lock_contentions",
        better: Better::Less,
        label: "userfaultfd lock contentions",
        meaning: "Those waits",
        value: |run| Some(run.counts.uffd_lock_contentions as f64),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "area_writes",
        label: "area writes",
        meaning: "Writes by the host to the areas that it shares with the guest",
        value: |run| Some(run.counts.area_writes as f64),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "area_translations",
        label: "area translations",
        meaning: "Look-ups of the host address of such an area",
        value: |run| Some(run.counts.area_translations as f64),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "exits",
        label: "exits",
        meaning: "Exits of guest mode (kvm_exit)",
        value: |run| Some(run.counts.exits as f64),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "guest_switches",
        label: "guest switches",
        meaning: "Switches between tasks of the guest",
        value: |run| Some(run.counts.guest_switches as f64),
        ..MetricKind::COUNT
    },
    MetricKind {
        name: "steal_seen",
        better: Better::Less,
        label: "steal seen by guests",
        meaning: "Part of the vCPUs' time in which their threads were runnable and waited for a processor, \
                  also after a sleep in a fault, where the scenario names its virtual machines",
        value: |run| run.steal_seen(),
        ..SHARE
    },
    MetricKind {
        name: "host_idle",
        unit: Unit::Share,
        label: "host idle",
        meaning: "Part of the physical processors' time in which no thread had them, where the scenario names \
                  its virtual machines",
        value: |run| run.fairness.host_idle,
        ..OF_HOST
    },
    MetricKind {
        name: "fairness_cpu",
        better: Better::More,
        label: "fairness, CPU time",
        meaning: "How equally virtual machines share the processor time of their vCPU threads, where there \
                  are several: Jain's index, 1 for equal shares, 1/n when one of n has all",
        value: |run| run.fairness.cpu,
        ..FAIRNESS
    },
    MetricKind {
        name: "fairness_work",
        better: Better::More,
        label: "fairness, work",
        meaning: "The same of the work that their workers counted, where those of two or more counted any",
        value: |run| run.fairness.work,
        ..FAIRNESS
    },
    MetricKind {
        name: "events",
        label: "records",
        meaning: "Records of the whole run, of all phases",
        value: |run| Some(run.events as f64),
        ..OF_HOST
    },
];
