//! One finished run in the form in which it is stored: everything that results are made from, and
//! nothing that changes by being written and read back.

use models::base::ids::{TaskId, VmId};
use models::base::record::{Record, TaskRole};
use models::config::{MachineConfig, SyncKind, TaskGroup};
use models::machine::{RunOutput, Stuck};
use models::monitors::{Finding, Verdict};
use models::trace::digest::DigestValue;
use models::trace::metrics::Metric;
use models::trace::series::SeriesValues;
use serde::{Deserialize, Serialize};
use sim_core::Histogram;

use crate::run::plan::Run;
use crate::run::results::{FindingSummary, FindingVerdict};
use crate::run::truncation::Beginning;

/// A finished run. All results are made from this form, whether it was just run or read back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredRun {
    /// Hash of the setup that was run; empty where the header of the file names the only one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) setup: String,
    /// Number of the point, of a sweep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) point: Option<u32>,
    /// Name of the policy.
    pub(crate) policy: String,
    /// Hash of the policy's rules.
    pub(crate) policy_hash: String,
    /// Which replication.
    pub(crate) replication: u32,
    /// Its seed.
    pub(crate) seed: u64,
    /// The digest of the trace.
    pub(crate) digest: DigestValue,
    /// Events that the machine handled.
    pub(crate) handled_events: u64,
    pub(crate) metrics: Vec<StoredMetric>,
    pub(crate) tasks: Vec<StoredTask>,
    /// Tasks that nothing wakes any more.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) asleep: u64,
    /// Tasks that wait for each other, and for nobody else.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) stuck: u64,
    /// What the first of them wait for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) waits: Vec<String>,
    pub(crate) findings: Vec<FindingSummary>,
    /// Fault latencies in nanoseconds as (value, count).
    pub(crate) latency: Histogram,
    /// Latencies of requests in the same form, by group of tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) request_latency: Vec<(String, Histogram)>,
    /// The run over time; only of the first replication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) series: Option<SeriesValues>,
    /// What that says of its beginning, also where the series is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) beginning: Option<Beginning>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredMetric {
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) value: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredTask {
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) user_time_ps: u64,
    pub(crate) work: u64,
    pub(crate) major_faults: u64,
}

/// Of so many it is said what they wait for.
const MOST_WAITS: usize = 4;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What tells a stored run from all others of its file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RunKey {
    /// As in [`StoredRun`].
    pub(crate) setup: String,
    pub(crate) point: Option<u32>,
    pub(crate) policy: String,
    pub(crate) policy_hash: String,
    pub(crate) replication: u32,
    pub(crate) seed: u64,
}

impl StoredRun {
    pub(crate) fn key(&self) -> RunKey {
        RunKey {
            setup: self.setup.clone(),
            point: self.point,
            policy: self.policy.clone(),
            policy_hash: self.policy_hash.clone(),
            replication: self.replication,
            seed: self.seed,
        }
    }

    pub(crate) fn new(
        run: Run,
        (policy, policy_hash): (&str, &str),
        machine: &MachineConfig,
        output: &RunOutput,
    ) -> Self {
        let groups = &machine.workload.tasks[..];
        let stored = |name: String, metric: &Metric| StoredMetric {
            name,
            unit: metric.unit.into(),
            value: metric.value,
        };
        let of_all = output.metrics.values.iter();
        let of_all = of_all.map(|metric| stored(metric.name.into(), metric));
        let by_group = output.metrics.per_group.iter().flat_map(|line| {
            let group = groups.get(line.group.index()).map_or("", |group| group.name.as_str());
            let named = move |metric: &Metric| stored(format!("{}[{group}]", metric.name), metric);
            line.values.iter().map(named)
        });
        let by_vm = output.metrics.per_vm.iter().flat_map(|line| {
            let vm = machine.vm_name(line.vm).unwrap_or_default();
            let named = move |metric: &Metric| stored(format!("{}[{vm}]", metric.name), metric);
            line.values.iter().map(named)
        });
        // JSON has no infinities; a metric that is none of the numbers is as good as undefined.
        let metrics = of_all.chain(by_group).chain(by_vm).filter(|metric| metric.value.is_finite());
        let per_task = &output.metrics.per_task;
        let names = task_names(per_task.iter().map(|task| task.role), groups, main_names(machine));
        let names: Vec<String> = names;
        let waits = output.stuck.iter().take(MOST_WAITS).map(|stuck| wait(stuck, machine, &names));
        let waits = waits.collect();
        let tasks = per_task.iter().zip(names).map(|(task, name)| StoredTask {
            name,
            role: task.role.name().into(),
            user_time_ps: task.user_time.as_ps(),
            work: task.work,
            major_faults: task.major_faults,
        });
        // A histogram that is read back names each value by its bucket. Taking that form from the
        // start makes no difference between runs that were stored and runs that were not.
        let bucketed = |times: &Histogram| {
            let mut own = Histogram::new();
            times.iter().for_each(|(value, count)| own.record_n(value, count));
            own
        };
        let requests = output.metrics.per_group.iter().filter(|line| !line.latency.is_empty());
        let request_latency = requests.map(|line| {
            let group = groups.get(line.group.index()).map_or("", |group| group.name.as_str());
            (group.to_owned(), bucketed(&line.latency))
        });
        Self {
            setup: String::new(),
            point: None,
            policy: policy.into(),
            policy_hash: policy_hash.into(),
            replication: run.replication,
            seed: run.seed,
            digest: output.digest,
            handled_events: output.handled_events,
            metrics: metrics.collect(),
            tasks: tasks.collect(),
            asleep: output.asleep as u64,
            stuck: output.stuck.len() as u64,
            waits,
            findings: output.findings.iter().filter_map(|line| finding(run, line)).collect(),
            latency: bucketed(&output.latency),
            request_latency: request_latency.collect(),
            series: output.series.clone(),
            beginning: output.series.as_ref().and_then(Beginning::of),
        }
    }

    /// Whether it broke an invariant that it is not known to break.
    pub(crate) fn has_violation(&self) -> bool {
        self.findings.iter().any(|finding| finding.verdict == FindingVerdict::Violation)
    }

    /// The run without what only files show of it over time.
    pub(crate) fn without_series(self) -> Self {
        Self { series: None, ..self }
    }

    /// The run as one of the given setup and point.
    pub(crate) fn of(self, setup: &str, point: Option<u32>) -> Self {
        Self { setup: setup.into(), point, ..self }
    }
}

/// Names of the tasks that fill memory, of which a virtual machine has one if there is anything to fill.
pub(crate) fn main_names(machine: &MachineConfig) -> impl Iterator<Item = String> {
    let fills = |vm: &VmId| {
        machine.workload.regions[machine.regions_of(*vm)].iter().any(|region| region.prefill)
    };
    let name = |vm| machine.vm_name(vm).map_or("main".to_owned(), |name| format!("{name}:main"));
    machine.vm_ids().filter(fills).map(name)
}

/// Names for tasks: of those that fill memory the given ones, else the group in whose place a task was created.
pub(crate) fn task_names(
    roles: impl Iterator<Item = TaskRole>,
    groups: &[TaskGroup],
    mut mains: impl Iterator<Item = String>,
) -> Vec<String> {
    let mut created = groups.iter().flat_map(|group| {
        (0..group.count).map(move |place| match group.count {
            1 => group.name.clone(),
            _ => format!("{}[{place}]", group.name),
        })
    });
    roles
        .map(|role| match role {
            TaskRole::Main => mains.next().unwrap_or_else(|| "main".into()),
            TaskRole::Faulter | TaskRole::Worker => {
                created.next().unwrap_or_else(|| role.name().into())
            }
        })
        .collect()
}

/// What a task waits for that nobody gives it.
fn wait(stuck: &Stuck, machine: &MachineConfig, names: &[String]) -> String {
    let Stuck { task, on, held_by } = *stuck;
    let name = |task: TaskId| {
        names.get(task.index()).map_or_else(|| task.to_string(), |name| format!("`{name}`"))
    };
    let sync = &machine.workload.syncs[on.index()];
    let kind = match sync.kind {
        SyncKind::Lock => "the lock",
        SyncKind::Barrier { .. } => "others at the barrier",
        SyncKind::Semaphore => "a signal",
    };
    let holder = held_by.map_or(String::new(), |holder| format!(", which {} has", name(holder)));
    format!("{} waits for {kind} `{}`{holder}", name(task), sync.name)
}

fn finding(run: Run, finding: &Finding) -> Option<FindingSummary> {
    let (verdict, missing) = match finding.verdict {
        Verdict::Clean => return None,
        Verdict::Violation => (FindingVerdict::Violation, None),
        Verdict::KnownViolation => (FindingVerdict::KnownViolation, None),
        Verdict::Weakness => (FindingVerdict::Weakness, None),
        Verdict::Undecided { missing } => (FindingVerdict::Undecided, Some(missing)),
    };
    let missing = missing.map(|name| format!("the trace lacks `{name}`"));
    let first = finding.first.as_ref();
    Some(FindingSummary {
        invariant: finding.id.to_string(),
        verdict,
        count: finding.count,
        replication: run.replication,
        seed: run.seed,
        message: missing
            .or_else(|| first.map(|witness| witness.message.clone()))
            .unwrap_or_default(),
        story: first.map(|witness| witness.story.iter().map(line).collect()).unwrap_or_default(),
    })
}

/// A record as a line: time in seconds, name, fields.
pub(crate) fn line(record: &Record) -> String {
    let ps = record.time.as_ps();
    let (seconds, rest) = (ps / 1_000_000_000_000, ps % 1_000_000_000_000);
    let fields = record.event.texts().into_iter();
    let plain: String = fields.map(|(name, value)| format!(" {name}={value}")).collect();
    format!("{seconds}.{rest:012} {}:{plain}", record.event.name())
}

#[cfg(test)]
mod tests {
    use models::base::ids::{TaskId, VcpuId};
    use models::base::record::{BlockReason, Event};
    use models::config::Op;
    use sim_core::{SimDuration, SimTime};

    use super::*;

    #[test]
    fn records_are_told_in_a_line() {
        let vcpu = VcpuId(3);
        for (event, expect) in [
            (
                Event::VcpuBlock { vcpu, reason: BlockReason::Fetch },
                "1.500000000007 vcpu_block: vcpu=3 reason=fetch",
            ),
            (
                Event::GuestSchedSwitch { vcpu, prev: None, next: Some(TaskId(5)) },
                "1.500000000007 guest_sched_switch: vcpu=3 prev=- next=5",
            ),
        ] {
            let time = SimTime::from_ps(1_500_000_000_007);
            assert_eq!(line(&Record { time, event }), expect);
        }
    }

    #[test]
    fn tasks_are_named_by_group_and_place() {
        let group = |name: &str, count, role| TaskGroup {
            name: name.into(),
            count,
            role,
            start_on: Vec::new(),
            arrivals: None,
            program: vec![Op::Sleep { span: SimDuration::from_ns(1) }],
        };
        let groups = [group("f", 2, TaskRole::Faulter), group("w", 1, TaskRole::Worker)];
        let roles = [TaskRole::Main, TaskRole::Faulter, TaskRole::Faulter, TaskRole::Worker];
        assert_eq!(
            task_names(roles.into_iter(), &groups, std::iter::empty()),
            ["main", "f[0]", "f[1]", "w"]
        );
    }
}
