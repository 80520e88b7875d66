//! From stored runs to a [`Comparison`].

use std::collections::BTreeMap;

use models::trace::digest::DigestValue;
use models::trace::metrics;
use sim_core::{Histogram, Replications, paired_ratio};
use xxhash_rust::xxh3::Xxh3;

use crate::run::notes;
use crate::run::results::{
    Comparison, FindingSummary, MetricSummary, PolicyResult, Ratio, TaskSummary,
};
use crate::run::stored::StoredRun;
use crate::scenario::resolve::Scenario;

/// The comparison that the runs of a plan give. `runs` has one row a policy, in order, and in each
/// row one run a replication, in order: results do not depend on the order of completion.
pub(crate) fn comparison(scenario: &Scenario, runs: &[Vec<StoredRun>]) -> Comparison {
    let rows = scenario.policies.iter().zip(runs);
    let policies: Vec<PolicyResult> =
        rows.map(|(policy, runs)| policy_result(&policy.name, runs)).collect();
    let ratios = ratios(&scenario.baseline, &scenario.measure, &policies);
    Comparison {
        scenario: scenario.name.clone(),
        title: scenario.title.clone(),
        version: crate::version::VERSION.into(),
        scenario_hash: scenario.hash(),
        seed: scenario.seed,
        replications: scenario.replications,
        duration: scenario.duration,
        vcpus: scenario.machine.vcpus(),
        digest: digest_of(policies.iter().map(|policy| policy.digest)),
        baseline: scenario.baseline.clone(),
        measure: scenario.measure.clone(),
        notes: notes::notes(scenario, &policies, &ratios),
        ratios,
        policies,
        published: scenario.published.clone(),
    }
}

/// XXH3 (128 bits) over digests, 16 bytes each, little-endian.
pub(crate) fn digest_of(digests: impl Iterator<Item = DigestValue>) -> DigestValue {
    let mut hash = Xxh3::new();
    digests.for_each(|digest| hash.update(&digest.0.to_le_bytes()));
    DigestValue(hash.digest128())
}

fn policy_result(policy: &str, runs: &[StoredRun]) -> PolicyResult {
    let mut latency = Histogram::new();
    runs.iter().for_each(|run| latency.merge(&run.latency));
    PolicyResult {
        policy: policy.into(),
        digest: digest_of(runs.iter().map(|run| run.digest)),
        metrics: metrics(runs),
        latency,
        request_latency: request_latency(runs),
        series: runs.iter().find_map(|run| run.series.clone()),
        beginning: runs.first().and_then(|run| run.beginning.clone()),
        asleep: runs.iter().map(|run| run.asleep).sum(),
        stuck: runs.iter().map(|run| run.stuck).sum(),
        waits: runs.iter().find(|run| run.stuck > 0).map_or_else(Vec::new, |run| run.waits.clone()),
        per_task: per_task(runs),
        findings: findings(runs),
    }
}

/// By group, in order of first appearance.
fn request_latency(runs: &[StoredRun]) -> Vec<(String, Histogram)> {
    let mut all: Vec<(String, Histogram)> = Vec::new();
    for (group, own) in runs.iter().flat_map(|run| &run.request_latency) {
        match all.iter_mut().find(|(name, _)| name == group) {
            Some((_, sum)) => sum.merge(own),
            None => all.push((group.clone(), own.clone())),
        }
    }
    all
}

fn metrics(runs: &[StoredRun]) -> Vec<MetricSummary> {
    // In order of first appearance; a metric may be undefined in some runs.
    let mut names: Vec<(&str, &str)> = Vec::new();
    for metric in runs.iter().flat_map(|run| &run.metrics) {
        if !names.iter().any(|(name, _)| *name == metric.name) {
            names.push((&metric.name, &metric.unit));
        }
    }
    let summary = |(name, unit): (&str, &str)| {
        let defined = || (0..).zip(runs).filter_map(|(at, run)| Some((at, value(run, name)?)));
        let values: Replications = defined().map(|(_, value)| value).collect();
        MetricSummary {
            name: name.into(),
            unit: unit.into(),
            mean: values.mean().unwrap_or(0.0),
            stderr: values.std_error(),
            values: values.values().to_vec(),
            replications: defined().map(|(at, _)| at).collect(),
        }
    };
    names.into_iter().map(summary).collect()
}

fn value(run: &StoredRun, name: &str) -> Option<f64> {
    run.metrics.iter().find(|metric| metric.name == name).map(|metric| metric.value)
}

fn per_task(runs: &[StoredRun]) -> Vec<TaskSummary> {
    let Some(first) = runs.first() else { return Vec::new() };
    let mean = |place: usize, of: fn(&crate::run::stored::StoredTask) -> f64| {
        let values = runs.iter().filter_map(|run| run.tasks.get(place)).map(of);
        values.collect::<Replications>().mean().unwrap_or(0.0)
    };
    let summary = |(place, task): (usize, &crate::run::stored::StoredTask)| TaskSummary {
        name: task.name.clone(),
        role: task.role.clone(),
        user_time: mean(place, |task| task.user_time_ps as f64 * 1e-12),
        work: mean(place, |task| task.work as f64),
        major_faults: mean(place, |task| task.major_faults as f64),
    };
    first.tasks.iter().enumerate().map(summary).collect()
}

/// Findings by verdict and invariant, the gravest first, each with its first breach.
fn findings(runs: &[StoredRun]) -> Vec<FindingSummary> {
    let mut found: BTreeMap<_, FindingSummary> = BTreeMap::new();
    for finding in runs.iter().flat_map(|run| &run.findings) {
        let key = (finding.verdict, finding.invariant.clone());
        match found.get_mut(&key) {
            Some(known) => known.count += finding.count,
            None => {
                found.insert(key, finding.clone());
            }
        }
    }
    found.into_values().collect()
}

fn ratios(baseline: &str, measure: &str, policies: &[PolicyResult]) -> Vec<Ratio> {
    let Some(base) = policies.iter().find(|policy| policy.policy == baseline) else {
        return Vec::new();
    };
    let others = policies.iter().filter(|policy| policy.policy != baseline);
    let compared =
        |name: &str| name == measure || metrics::find(name).is_some_and(|kind| kind.ratio);
    let ratio = |policy: &PolicyResult, metric: &MetricSummary| {
        let other = policy.metric(&metric.name)?;
        // Pairs are by replication, so both must have been defined in all.
        let ratio = (other.values.len() == metric.values.len())
            .then(|| paired_ratio(&metric.values, &other.values))??;
        Some(Ratio {
            policy: policy.policy.clone(),
            baseline: baseline.into(),
            metric: metric.name.clone(),
            mean: ratio.mean,
            ci95: ratio.ci95,
        })
    };
    let metrics = base.metrics.iter().filter(|metric| compared(&metric.name));
    let of_metric = |metric| others.clone().filter_map(move |policy| ratio(policy, metric));
    metrics.flat_map(of_metric).collect()
}
