//! The metrics of one run.

use serde::Serialize;
use sim_core::{Histogram, SimDuration};

use crate::base::ids::{GroupId, TaskId, VmId};
use crate::base::record::TaskRole;

/// One number of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Metric {
    /// Its name in files, tables and expectations.
    pub name: &'static str,
    /// The value.
    pub value: f64,
    /// The unit: `s`, `1` for counts and shares, `units` of work or `pages`.
    pub unit: &'static str,
}

/// What one guest task did in the measured phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TaskMetrics {
    /// The task.
    pub task: TaskId,
    /// What it is for.
    #[serde(serialize_with = "role_name")]
    pub role: TaskRole,
    /// Time in user mode.
    pub user_time: SimDuration,
    /// Units of counted work.
    pub work: u64,
    /// Major faults that began.
    pub major_faults: u64,
}

/// What the requests of one group of tasks add up to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupMetrics {
    /// The group.
    pub group: GroupId,
    /// Those metrics that there are by group; others are left out.
    pub values: Vec<Metric>,
    /// Latencies of its requests in nanoseconds; histograms of replications can be merged.
    pub latency: Histogram,
}

/// The metrics of one of several virtual machines.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VmMetrics {
    /// The virtual machine.
    pub vm: VmId,
    /// Those metrics that there are by virtual machine; others are left out.
    pub values: Vec<Metric>,
}

fn role_name<S: serde::Serializer>(role: &TaskRole, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(role.name())
}

/// All metrics of one run, in the order in which they are shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct MetricValues {
    /// The numbers. A number that the run does not define is left out: a share of no time, a
    /// quantile of no faults.
    pub values: Vec<Metric>,
    /// Each guest task, by number.
    pub per_task: Vec<TaskMetrics>,
    /// Each group of tasks that has requests, by number.
    pub per_group: Vec<GroupMetrics>,
    /// Each virtual machine, by number, where there are several.
    pub per_vm: Vec<VmMetrics>,
    /// Fault latencies in nanoseconds; histograms of replications can be merged.
    pub fault_latency: Histogram,
}

impl MetricValues {
    /// The value of a metric, if the run defines it.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|metric| metric.name == name).map(|metric| metric.value)
    }
}
