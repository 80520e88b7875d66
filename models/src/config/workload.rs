//! What the guest runs: regions, tasks, programs.

use super::op::Op;
use crate::base::ids::VcpuId;
use crate::base::named::named;
use crate::base::record::TaskRole;

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
    /// Operations, repeated for ever; a group of several tasks runs them independently.
    pub program: Vec<Op>,
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
