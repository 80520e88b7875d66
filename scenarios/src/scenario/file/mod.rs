//! The scenario file as it is written: types, field names, defaults. Nothing is checked here
//! beyond types and names; [`crate::scenario::resolve`] says what makes sense.
//!
//! The doc comments of this module are the descriptions of the published schema. Optional fields
//! have their default in [`crate::scenario::resolve`], where it may depend on other fields.

mod balloon;
mod device;
mod disturbance;
mod guest;
mod host;
mod memory_control;
mod policy;
mod sched;
mod store;
mod vm;
mod workload;
mod zswap;

use schemars::JsonSchema;
use serde::Deserialize;

pub use balloon::{BalloonFile, BalloonTargetFile};
pub use device::{
    AtDepthFile, ChannelsChanges, ChannelsFile, ConstantChanges, ConstantFile, DevicePresetText,
    DeviceRef, ElevatorFile, HddChanges, HddFile, LawFile, NumberLawFile, NumberQuantileFile,
    PartFile, QuantileFile, RamChanges, RamFile, ServiceTime, VolumeChanges, VolumeFile,
    ZramChanges, ZramFile,
};
pub use disturbance::DisturbanceFile;
pub use guest::{ApicFile, GuestFile};
pub use host::{
    CpuFile, CpuRef, HostFile, HostKernelFile, HostKernelRef, PagingCachesFile, SwapFile,
    TableLinesFile, TlbFile,
};
pub use memory_control::{KswapdFile, MemoryLimitFile, ProactiveReclaimFile, WriteProtectFile};
pub use policy::{PolicyFile, PolicyRef, SettingText};
pub use sched::SchedFile;
pub use store::{HandlerFile, PrefetchFile, PrefetchPages, StoreFile};
pub use vm::VmFile;
pub use workload::{ArrivalsFile, RegionFile, Requests, TaskFile, WorkloadFile};
pub use zswap::ZswapFile;

use crate::syntax::units::Span;

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
    /// Several virtual machines: what `guest` and `workload` say is of each one that says nothing else. Default:
    /// one.
    #[serde(default)]
    pub vms: Vec<VmFile>,
    /// What happens to the vCPUs meanwhile. Default: nothing.
    #[serde(default)]
    pub disturbances: Vec<DisturbanceFile>,
    /// The policies to compare: names of built-in ones, or custom ones.
    pub policies: Vec<PolicyRef>,
    /// The policy that the others are compared with. Default: the first policy.
    pub baseline: Option<String>,
    /// The metric that policies are compared by first of all: `apfsim metrics` lists them, and a metric of
    /// one group of tasks has its name in brackets, as in `request_rate[server]`. Default: "work_total".
    pub measure: Option<String>,
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
