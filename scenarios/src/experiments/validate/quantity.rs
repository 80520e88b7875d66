//! What a formula may ask of the result of a setup under a policy: its metrics, and what else a published
//! table may have.

use std::str::FromStr;

use models::trace::metrics;
use sim_core::SimDuration;

use crate::run::results::{Comparison, PolicyResult};
use crate::scenario::resolve::Scenario;
use crate::syntax::units::Span;

/// A number of a result.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Quantity {
    /// The mean of a metric over replications.
    Metric(String),
    /// The measured time, in seconds.
    Duration,
    /// The virtual processors.
    Vcpus,
    /// The largest work of a task over the least, of tasks that count.
    WorkSpread,
    /// A percentile of the latencies of all faults, in seconds.
    Percentile(f64),
    /// The share of all faults whose latency is at least the first and below the second time.
    LatencyShare(SimDuration, SimDuration),
}

impl Quantity {
    /// The names that are no metrics, as a formula has them.
    pub(super) const NAMES: [&'static str; 5] =
        ["duration", "vcpus", "work_spread", "fault_latency[p99.9]", "fault_latency[64us..128us]"];

    /// What a name stands for in results of a scenario.
    pub(super) fn of_name(name: &str, scenario: &Scenario) -> Option<Self> {
        match name {
            "duration" => return Some(Self::Duration),
            "vcpus" => return Some(Self::Vcpus),
            "work_spread" => return Some(Self::WorkSpread),
            _ => {}
        }
        if let Some(inner) = name.strip_prefix("fault_latency[").and_then(|it| it.strip_suffix(']'))
        {
            return Self::of_latency(inner);
        }
        let groups = scenario.machine.workload.tasks.iter().map(|group| group.name.as_str());
        let vms = scenario.machine.vms.iter().map(|vm| vm.name.as_str());
        let (groups, vms) = (groups.collect::<Vec<_>>(), vms.collect::<Vec<_>>());
        metrics::find_for(name, &groups, &vms).map(|_| Self::Metric(name.into()))
    }

    fn of_latency(inner: &str) -> Option<Self> {
        if let Some(percent) = inner.strip_prefix('p') {
            let percent = percent.parse::<f64>().ok()?;
            return (0.0..=100.0).contains(&percent).then_some(Self::Percentile(percent));
        }
        let (from, to) = inner.split_once("..")?;
        let time = |text: &str| Some(Span::from_str(text).ok()?.0);
        let (from, to) = (time(from)?, time(to)?);
        (from < to).then_some(Self::LatencyShare(from, to))
    }

    /// Whether it is the same under all policies.
    pub(super) fn is_of_all_policies(&self) -> bool {
        matches!(self, Self::Duration | Self::Vcpus)
    }

    /// Whether the distribution of latencies is asked.
    pub(super) fn is_of_latency(&self) -> bool {
        matches!(self, Self::Percentile(_) | Self::LatencyShare(..))
    }

    /// Its value; none where it is not defined in every replication.
    pub(super) fn value(&self, result: &Comparison, policy: &str) -> Option<f64> {
        let of = result.policy(policy)?;
        match self {
            Self::Metric(name) => {
                let metric = of.metric(name)?;
                let defined = metric.values.len() == result.replications as usize;
                defined.then_some(metric.mean)
            }
            Self::Duration => Some(result.duration.as_ps() as f64 * 1e-12),
            Self::Vcpus => Some(f64::from(result.vcpus)),
            Self::WorkSpread => spread(of),
            Self::Percentile(percent) => {
                let latency = Some(&of.latency).filter(|latency| !latency.is_empty())?;
                Some(latency.value_at_quantile(percent / 100.0) as f64 * 1e-9)
            }
            Self::LatencyShare(from, to) => {
                let (from, to) = (from.as_ps() / 1000, to.as_ps() / 1000);
                let within = of.latency.iter().filter(|(ns, _)| (from..to).contains(ns));
                let count: u64 = within.map(|(_, count)| count).sum();
                (!of.latency.is_empty()).then(|| count as f64 / of.latency.count() as f64)
            }
        }
    }
}

fn spread(of: &PolicyResult) -> Option<f64> {
    let works = of.per_task.iter().map(|task| task.work).filter(|&work| work > 0.0);
    let (least, most) =
        works.fold((f64::MAX, 0.0_f64), |(least, most), work| (least.min(work), most.max(work)));
    (most > 0.0).then(|| most / least)
}
