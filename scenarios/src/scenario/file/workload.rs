//! What the guest runs.

use models::base::record::TaskRole;
use models::config::{Pattern, RegionBacking, Section};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::syntax::units::{Bytes, Span};

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
    #[serde(default)]
    pub backing: RegionBacking,
}

/// Some equal tasks.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a group of tasks")]
pub struct TaskFile {
    /// Name in tables.
    pub name: String,
    /// How metrics group the tasks.
    pub role: TaskRole,
    /// How many: 1 to 4096. Default: 1.
    pub count: Option<u64>,
    /// The vCPUs that they start on, taken in turn. Default: wherever the fewest tasks are.
    pub start_on: Option<Vec<u64>>,
    /// Operations, repeated for ever.
    pub program: Vec<OpFile>,
}

/// One operation; `op` says which.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "tagged by op", rename_all = "lowercase")]
#[schemars(rename = "OpFile", tag = "op")]
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
        pattern: Pattern,
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
    /// Let another task of the same vCPU run, by the system call sched_yield; only in user mode.
    Yield {
        /// CPU time of the call. Default: "0s".
        cost: Option<Span>,
    },
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
        kind: Section,
        /// What happens in the section: `compute`, `access`, and other sections.
        body: Vec<OpFile>,
    },
}
