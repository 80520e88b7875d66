//! What the guest runs.

use models::base::record::TaskRole;
use models::config::{RegionBacking, RegionContent};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::scenario::file::ServiceTime;
use crate::scenario::op::OpFile;
use crate::syntax::units::{Extent, Span};

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
    /// Size in whole pages, or a part of the guest's memory.
    pub size: Extent,
    /// Whether every page is written once, in order, before anything is measured. Default: false.
    #[serde(default)]
    pub prefill: bool,
    /// What the region holds at the start. Default: "written" with `prefill`, else "empty".
    pub content: Option<RegionContent>,
    /// The store of a region whose content is stored, by its name in `host.stores`. Default: an image of the
    /// guest's memory on the swap device.
    pub store: Option<String>,
    /// What backs the region in the host. Default: "vmm".
    #[serde(default)]
    pub backing: RegionBacking,
}

/// When requests arrive for a group of tasks, whether or not one is free.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "tagged by kind", rename_all = "snake_case")]
#[schemars(rename = "ArrivalsFile", tag = "kind")]
pub enum ArrivalsFile {
    /// A Poisson process.
    Poisson {
        /// The mean time between two arrivals.
        mean: Span,
    },
    /// One after the other, with gaps of a law.
    Law {
        /// The time between two arrivals.
        gap: ServiceTime,
    },
    /// In bursts: for some time with gaps of a law, for some time not at all.
    OnOff {
        /// The time between two arrivals of a burst.
        gap: ServiceTime,
        /// How long a burst lasts.
        on: ServiceTime,
        /// How long there is none.
        off: ServiceTime,
    },
    /// At given times.
    Times {
        /// Times after the start barrier, warm-up included, which do not fall: 1 to 100000.
        at: Vec<Span>,
    },
}

/// What counts as a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Requests {
    /// What the program marks with the operation `request`.
    #[default]
    Marked,
    /// Every pass of the program.
    Passes,
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
    /// When the tasks begin, after the start barrier. Default: "0s".
    pub start: Option<Span>,
    /// Requests that arrive for the tasks from outside, for the operation `serve`. Default: none.
    pub arrivals: Option<ArrivalsFile>,
    /// How often the program is run through, after which a task ends: 1 to 10^12. Default: for ever.
    pub passes: Option<u64>,
    /// What counts as a request, of which rate and latency are measured: what the program marks with
    /// `request`, or every pass of it. Default: "marked".
    #[serde(default)]
    pub requests: Requests,
    /// Operations, repeated for ever or `passes` times.
    pub program: Vec<OpFile>,
}
