//! What the guest runs: regions, tasks, programs.

use sim_core::{Distribution, SimDuration};

use super::address_trace::AddressTrace;
use super::op::Op;
use crate::base::ids::{LawId, RegionId, StoreId, VcpuId};
use crate::base::named::named;
use crate::base::record::TaskRole;

/// What the guest runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// Regions of one address space that all tasks share.
    pub regions: Vec<Region>,
    /// Tasks; each line may stand for several equal tasks.
    pub tasks: Vec<TaskGroup>,
    /// Laws that operations draw lengths and numbers from.
    pub laws: Vec<Law>,
    /// Laws by which accesses choose pages.
    pub walks: Vec<PageWalk>,
    /// Recorded traces of addresses.
    pub addresses: Vec<AddressTrace>,
    /// Locks, barriers and semaphores.
    pub syncs: Vec<SyncObject>,
}

/// A law of whole numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Law {
    /// What is drawn.
    pub law: Distribution,
    /// What a drawn one stands for: picoseconds of a time whose law is one of ranks, else one.
    pub unit: u64,
}

/// How accesses to a region choose their pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageWalk {
    /// The region.
    pub region: RegionId,
    /// The law.
    pub law: PageLaw,
}

/// A law by which successive accesses choose their pages. A shuffled one goes over the pages in an order that
/// is random, but the same for all tasks and policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageLaw {
    /// Rank k in proportion to k^-exponent.
    Zipf {
        /// The exponent in thousandths.
        exponent_milli: u32,
        /// Whether ranks are spread over the region; else the first page is the first rank.
        shuffled: bool,
    },
    /// Most accesses go to some of the pages, uniformly; the others to the rest.
    HotSet {
        /// Pages of the set.
        hot: u64,
        /// Share of accesses that go there, in millionths.
        hot_ppm: u32,
        /// Accesses of a task after which a page leaves the set and another one joins it; 0: never.
        drift: u64,
        /// Whether the set is spread over the region.
        shuffled: bool,
    },
    /// Every so many pages; after the last one from the next page on. Tasks of a group start equally spaced.
    Strided {
        /// Pages from one access to the next.
        step: u64,
    },
    /// Along a chain of pointers that goes through all pages in a shuffled order. Tasks of a group start
    /// equally spaced.
    Chase,
    /// Uniformly in a part of the region that moves. Those of a group's tasks start equally spaced.
    Moving {
        /// Pages of the part.
        window: u64,
        /// Accesses of a task after which it moves by a page.
        every: u64,
        /// Whether it is spread over the region.
        shuffled: bool,
    },
}

impl PageLaw {
    /// Whether places are not pages.
    pub fn is_shuffled(&self) -> bool {
        match *self {
            Self::Zipf { shuffled, .. }
            | Self::HotSet { shuffled, .. }
            | Self::Moving { shuffled, .. } => shuffled,
            Self::Strided { .. } => false,
            Self::Chase => true,
        }
    }
}

/// What tasks wait for each other at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncObject {
    /// Name in the scenario file.
    pub name: String,
    /// Which kind.
    pub kind: SyncKind,
}

/// A kind of waiting for other tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncKind {
    /// One task holds it at a time; others sleep.
    Lock,
    /// Tasks sleep until so many have come.
    Barrier {
        /// How many.
        parties: u32,
    },
    /// A number that signals raise and waits lower; a task sleeps while it is zero.
    Semaphore,
}

/// When requests arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// One after the other, from the start barrier on.
    Law {
        /// Between two arrivals.
        gap: LawId,
        /// How long requests arrive and how long they do not, in turn; none: they always do.
        on_off: Option<(LawId, LawId)>,
    },
    /// At these times after the start barrier, which do not fall.
    Times(Vec<SimDuration>),
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
    /// What keeps its contents until they are first touched; none: it has none at the start.
    pub store: Option<StoreId>,
}

named! {
    /// What a region holds at the start.
    RegionContent {
        /// Nothing: the guest maps a page when it first touches it.
        Empty => "empty",
        /// Every page is written once, in order, before anything is measured.
        Written => "written",
        /// What a store has: the guest has mapped its pages, and none of them is in memory. The guest was
        /// restored from a snapshot, or is being migrated.
        Stored => "stored",
    }
}

named! {
    /// What backs the memory of a region in the host.
    #[derive(Default)]
    RegionBacking {
        /// Memory of the VMM, which the host may swap out.
        #[default]
        Vmm => "vmm",
        /// guest_memfd, as private memory of the guest: never swapped, and its faults never go
        /// asynchronous.
        GuestMemfd => "guest_memfd",
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
    /// Requests that arrive for the tasks, from outside; none: they have none, or make their own.
    pub arrivals: Option<Arrivals>,
    /// Operations, repeated for ever; a group of several tasks runs them independently.
    pub program: Vec<Op>,
}

/// Pages whose entries a discard takes away before translations go and their frames are free: of
/// `MMU_GATHER_BUNDLE` and of `MAX_GATHER_BATCH_COUNT` batches of `MAX_GATHER_BATCH` pages one each stays free
/// (include/asm-generic/tlb.h and `__tlb_remove_folio_pages_size`, mm/mmu_gather.c of 6.12.117).
pub const GATHERED_PAGES: u64 = (8 - 1) + 19 * (510 - 1);

impl TaskGroup {
    /// Frames that its tasks may have taken from their pages and not given back yet, all at once.
    pub fn most_discarded(&self) -> u64 {
        let pages = self.program.iter().map(|op| match *op {
            Op::Discard { pages, .. } => pages.min(GATHERED_PAGES),
            _ => 0,
        });
        pages.max().unwrap_or(0) * u64::from(self.count)
    }
}

named! {
    /// A section of the kernel in which a task must not be scheduled away.
    Section {
        /// Preemption is off (`preempt_disable`, a spinlock).
        PreemptOff => "preempt_off",
        /// Interrupts are off (`local_irq_disable`).
        IrqOff => "irq_off",
        /// It reads under RCU (`rcu_read_lock`): it may be preempted, but must not sleep.
        RcuReader => "rcu_reader",
    }
}

named! {
    /// How successive accesses choose their page.
    Pattern {
        /// Uniformly at random, independently.
        Uniform => "uniform",
        /// One page after the other, wrapping at the end. Tasks of a group start equally spaced.
        Sequential => "sequential",
        /// Uniformly at random, but the tasks of a group all draw the same pages in the same order, each at
        /// its own pace.
        Shared => "shared",
    }
}
