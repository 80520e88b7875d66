//! Finding figures in a comparison by name.

use scenarios::{Comparison, MetricSummary, PolicyResult, Published, Ratio};

/// Work done by all workers: the measure that policies are compared by.
pub(crate) const WORK_TOTAL: &str = "work_total";

/// A policy's metric.
pub(crate) fn find<'a>(policy: &'a PolicyResult, name: &str) -> Option<&'a MetricSummary> {
    policy.metrics.iter().find(|metric| metric.name == name)
}

/// The ratio of a policy's metric to the baseline's.
pub(crate) fn ratio<'a>(
    comparison: &'a Comparison,
    policy: &str,
    metric: &str,
) -> Option<&'a Ratio> {
    comparison.ratios.iter().find(|ratio| ratio.policy == policy && ratio.metric == metric)
}

/// The published value of a policy's metric.
pub(crate) fn published<'a>(
    comparison: &'a Comparison,
    policy: &str,
    metric: &str,
) -> Option<&'a Published> {
    comparison
        .published
        .iter()
        .find(|published| published.policy == policy && published.metric == metric)
}
