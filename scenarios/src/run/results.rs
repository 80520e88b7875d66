//! What a comparison found out, as plain data. The `reports` crate renders it.

use models::trace::digest::DigestValue;
use models::trace::series::SeriesValues;
use serde::{Deserialize, Serialize, Serializer};
use sim_core::{Histogram, SimDuration};

use crate::run::truncation::Beginning;
use crate::scenario::published::Published;

/// The results of a scenario under all its policies.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Name of the scenario.
    pub scenario: String,
    /// One line: which question it answers.
    pub title: String,
    /// Version of the program that ran it.
    pub version: String,
    /// [`Scenario::hash`](crate::scenario::resolve::Scenario::hash): 32 hexadecimal digits.
    pub scenario_hash: String,
    /// Seed of the scenario; see [`crate::run::plan::replication_seed`].
    pub seed: u64,
    /// Runs of each policy.
    pub replications: u32,
    /// Measured time of each run; text such as `60s` in the stored form.
    #[serde(serialize_with = "as_text")]
    pub duration: SimDuration,
    /// Virtual processors of the guest.
    pub vcpus: u16,
    /// Digest over the digests of the policies, in order.
    pub digest: DigestValue,
    /// Name of the policy that the others are compared with.
    pub baseline: String,
    /// Name of the metric that they are compared by first of all.
    pub measure: String,
    /// One result a policy, in the scenario's order.
    pub policies: Vec<PolicyResult>,
    /// Each other policy against the baseline: in every metric whose ratio is usual, and in the measure. A ratio
    /// that is undefined (to nothing) is left out.
    pub ratios: Vec<Ratio>,
    /// Published results from the scenario file.
    pub published: Vec<Published>,
    /// What is degenerate about the runs, so that they answer less than they seem to.
    pub notes: Vec<Note>,
}

/// The results of one policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PolicyResult {
    /// Name of the policy.
    pub policy: String,
    /// Digest over the digests of its replications, in order.
    pub digest: DigestValue,
    /// The metrics, in the order in which the models give them.
    pub metrics: Vec<MetricSummary>,
    /// Latencies of major faults in nanoseconds, of all replications together.
    #[serde(skip)]
    pub latency: Histogram,
    /// Latencies of requests in nanoseconds, of all replications together, by group of tasks.
    #[serde(skip)]
    pub request_latency: Vec<(String, Histogram)>,
    /// The first replication over time, where it was followed.
    #[serde(skip)]
    pub series: Option<SeriesValues>,
    /// What the first replication would have its beginning left out for.
    #[serde(skip)]
    pub beginning: Option<Beginning>,
    /// Tasks that sleep at the end of their runs though what they wait for has been in memory for longer than
    /// anything may take: nothing wakes them. Of all replications together.
    #[serde(skip)]
    pub asleep: u64,
    /// Tasks that wait for each other at the end of their runs, and for nobody else. Of all replications together.
    #[serde(skip)]
    pub stuck: u64,
    /// What the first of them wait for, in the first replication that has any.
    #[serde(skip)]
    pub waits: Vec<String>,
    /// The guest's tasks, by number.
    pub per_task: Vec<TaskSummary>,
    /// Invariants that were broken, or that could not be decided.
    pub findings: Vec<FindingSummary>,
}

/// A metric over replications.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricSummary {
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// The mean of `values`.
    pub mean: f64,
    /// The standard error of the mean; none for one value.
    pub stderr: Option<f64>,
    /// The value of each replication that defines it, in order.
    pub values: Vec<f64>,
    /// The numbers of these replications, from 0.
    pub replications: Vec<u32>,
}

/// A guest task, as the mean of replications.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaskSummary {
    /// Name of its group, with its place there when there are several: `worker[2]`.
    pub name: String,
    /// What it is for: `main`, `faulter`, `worker`.
    pub role: String,
    /// User time in seconds.
    pub user_time: f64,
    /// Counted units of work.
    pub work: f64,
    /// Major faults.
    pub major_faults: f64,
}

/// How many times the baseline's value another policy's is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// The policy above the line.
    pub policy: String,
    /// The policy below the line.
    pub baseline: String,
    /// The metric.
    pub metric: String,
    /// The mean of the ratios of each replication.
    pub mean: f64,
    /// Its 95 % confidence interval over replications; none for one replication.
    pub ci95: Option<(f64, f64)>,
}

/// How an invariant fared, when it was not simply kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingVerdict {
    /// It was broken: the run fails.
    Violation,
    /// It was broken in a way that the generation is known for.
    KnownViolation,
    /// A corner was met that kernels in use show too.
    Weakness,
    /// The trace lacks an event that the decision needs.
    Undecided,
}

/// An invariant over replications, with its first breach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindingSummary {
    /// The invariant, as `INV-07`.
    pub invariant: String,
    /// How it fared.
    pub verdict: FindingVerdict,
    /// How often it was broken, over all replications.
    pub count: u64,
    /// The first replication concerned, from 0.
    pub replication: u32,
    /// The seed of that replication's runs.
    pub seed: u64,
    /// What was wrong, in one sentence.
    pub message: String,
    /// The records that led to the breach, one a line, oldest first.
    pub story: Vec<String>,
}

/// Something about results that whoever reads them should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// What kind it is.
    pub kind: NoteKind,
    /// The policy that it is about; none where it is about all.
    pub policy: Option<String>,
    /// What is the matter, in a sentence or two.
    pub text: String,
}

/// What is degenerate about a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoteKind {
    /// No major fault ended in the measured time.
    NoFaults,
    /// So few that quantiles say little.
    FewFaults,
    /// The measured time is hardly longer than one fault.
    ShortTime,
    /// The policy is asynchronous and no fault was.
    AllSynchronous,
    /// No unit of work was counted.
    NoWork,
    /// No request ended in the measured time.
    NoRequests,
    /// So few did that quantiles say little.
    FewRequests,
    /// Requests arrive faster than they are served.
    Overload,
    /// Operations stand before one that has no end, and happen once.
    RunOnce,
    /// Tasks whose programs have an end did not reach it.
    NotComplete,
    /// The measure is not defined in every run.
    NoMeasure,
    /// Tasks sleep that nothing wakes any more.
    SleepForGood,
    /// Tasks wait for each other, and for nobody else.
    Deadlock,
    /// The vCPUs did nothing.
    AllIdle,
    /// The measured phase begins with a transient that moves the measure.
    Transient,
    /// The cap is in question and was never reached.
    CapNotReached,
    /// Two policies did the same, record by record.
    SameRuns,
    /// The host is not what its kernel makes of it.
    MixedHost,
    /// A policy is named after a kernel release that is no generation of its own.
    ProtocolOfRelease,
    /// Whether an access writes makes no difference.
    ReadsAreWritten,
    /// A limit was written, and nothing was ever reclaimed.
    LimitNotReached,
    /// Lines of a recorded trace are no accesses.
    LinesPassedOver,
    /// A handler died while its descriptor was open.
    HandlerDied,
    /// Pages read as zeros, as the descriptor of their handler was closed.
    PagesLost,
    /// A VMM got SIGBUS at a poisoned page, and ended.
    VmmEnded,
    /// Balloons do not hold what they are to hold.
    BalloonShort,
    /// The snapshot of a virtual machine was not complete at the end.
    SnapshotIncomplete,
    /// An effect is smaller than what costs that nobody has measured take.
    AssumedCosts,
}

impl NoteKind {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoFaults => "no-faults",
            Self::FewFaults => "few-faults",
            Self::ShortTime => "short-time",
            Self::AllSynchronous => "all-synchronous",
            Self::NoWork => "no-work",
            Self::NoRequests => "no-requests",
            Self::FewRequests => "few-requests",
            Self::Overload => "overload",
            Self::RunOnce => "run-once",
            Self::NotComplete => "not-complete",
            Self::NoMeasure => "no-measure",
            Self::SleepForGood => "sleep-for-good",
            Self::Deadlock => "deadlock",
            Self::AllIdle => "all-idle",
            Self::Transient => "transient",
            Self::CapNotReached => "cap-not-reached",
            Self::SameRuns => "same-runs",
            Self::MixedHost => "mixed-host",
            Self::ProtocolOfRelease => "protocol-of-release",
            Self::ReadsAreWritten => "reads-are-written",
            Self::LimitNotReached => "limit-not-reached",
            Self::LinesPassedOver => "lines-passed-over",
            Self::HandlerDied => "handler-died",
            Self::PagesLost => "pages-lost",
            Self::VmmEnded => "vmm-ended",
            Self::BalloonShort => "balloon-short",
            Self::SnapshotIncomplete => "snapshot-incomplete",
            Self::AssumedCosts => "assumed-costs",
        }
    }
}

impl Comparison {
    /// Whether any policy broke an invariant that it is not known to break.
    pub fn has_violation(&self) -> bool {
        self.policies
            .iter()
            .flat_map(|policy| &policy.findings)
            .any(|finding| finding.verdict == FindingVerdict::Violation)
    }

    /// The names of the virtual machines, where the scenario names them.
    pub fn vms(&self) -> Vec<&str> {
        let mut vms: Vec<&str> = Vec::new();
        for metric in self.policies.iter().flat_map(|policy| &policy.metrics) {
            let vm = metric.name.strip_prefix("major_faults[").and_then(|it| it.strip_suffix(']'));
            vms.extend(vm.filter(|vm| !vms.contains(vm)));
        }
        vms
    }

    /// The result of a policy.
    pub fn policy(&self, name: &str) -> Option<&PolicyResult> {
        self.policies.iter().find(|policy| policy.policy == name)
    }

    /// The ratio of a policy's metric to the baseline's.
    pub fn ratio(&self, policy: &str, metric: &str) -> Option<&Ratio> {
        self.ratios.iter().find(|ratio| ratio.policy == policy && ratio.metric == metric)
    }

    /// The published value of a policy's metric.
    pub fn published(&self, policy: &str, metric: &str) -> Option<&Published> {
        self.published.iter().find(|it| it.policy == policy && it.metric == metric)
    }
}

impl PolicyResult {
    /// A metric by name.
    pub fn metric(&self, name: &str) -> Option<&MetricSummary> {
        self.metrics.iter().find(|metric| metric.name == name)
    }
}

fn as_text<S: Serializer>(span: &SimDuration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(span)
}
