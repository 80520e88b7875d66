//! Several virtual machines on one host.

use schemars::JsonSchema;
use serde::Deserialize;

use super::guest::GuestFile;
use super::policy::PolicyRef;
use super::workload::WorkloadFile;
use crate::syntax::units::{Bytes, Span};

/// One of several virtual machines, or some equal ones. What it does not say itself is as the scenario says.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a virtual machine")]
pub struct VmFile {
    /// Name in results: metrics of one virtual machine have it in brackets, as in `work_total[web]`, and its
    /// groups of tasks are named "web:server". Equal ones are numbered from 1: "web-1".
    pub name: String,
    /// How many equal ones: 1 to 64. Default: 1.
    pub count: Option<u64>,
    /// Its guest. Default: `guest` of the scenario.
    pub guest: Option<GuestFile>,
    /// What its guest runs. Default: `workload` of the scenario.
    pub workload: Option<WorkloadFile>,
    /// Memory that a container of its own may hold. Default: it is in the container of `host.memory_limit`,
    /// with all others that say nothing here.
    pub memory_limit: Option<Bytes>,
    /// With `memory_limit`: part of its container that is never reclaimed. Default: "0B".
    pub other_resident: Option<Bytes>,
    /// With `memory_limit`: memory of its container beyond which threads pay for what they charge
    /// (`memory.high`). Default: none.
    pub memory_high: Option<Bytes>,
    /// A policy that it has whatever is compared. Default: the one that is compared.
    pub policy: Option<PolicyRef>,
    /// When its tasks begin, after the start barrier: added to `start` of its groups. Default: "0s".
    pub start: Option<Span>,
}
