//! What a sweep found out, as plain data.

use models::trace::digest::DigestValue;

use super::axis::{Axis, AxisKind};
use super::definition::Laws;
use crate::run::results::Comparison;
use crate::scenario::kept::KeptScenario;

/// The results of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepResult {
    /// Name of the sweep.
    pub sweep: String,
    /// One line: which question it answers.
    pub title: String,
    /// Version of the program that ran it.
    pub version: String,
    /// XXH3 (128 bits, hexadecimal) over the hashes and seeds of all points.
    pub hash: String,
    /// Digest over the digests of the points, in order.
    pub digest: DigestValue,
    /// What is varied; none when the points are variations.
    pub axes: Vec<Axis>,
    /// The points, in order; never empty.
    pub points: Vec<PointResult>,
    /// The scenario of the first point, with the files that it names.
    pub scenario: KeptScenario,
    /// Metrics that tables show instead of the median latency.
    pub metrics: Vec<String>,
    /// What is known of the workload.
    pub laws: Option<Laws>,
}

/// The results of one point.
#[derive(Clone, Debug, PartialEq)]
pub struct PointResult {
    /// Its place in the sweep, from 0.
    pub number: u32,
    /// Its values, or the name of the variation.
    pub label: String,
    /// Of each axis, the place of the point's value among the axis's values.
    pub values: Vec<usize>,
    /// What is changed in it, as path and value in JSON, in order.
    pub changes: Vec<(String, String)>,
    /// The comparison of policies there, without the distributions of latencies.
    pub comparison: Comparison,
}

impl SweepResult {
    /// Whether any policy at any point broke an invariant that it is not known to break.
    pub fn has_violation(&self) -> bool {
        self.points.iter().any(|point| point.comparison.has_violation())
    }

    /// The values of the only axis, as seconds or numbers; nothing where there are more axes, none,
    /// or values without an order.
    pub fn axis_values(&self) -> Option<&[f64]> {
        match self.axes.as_slice() {
            [Axis { kind: AxisKind::Time(values) | AxisKind::Number(values), .. }] => Some(values),
            _ => None,
        }
    }

    /// Where along the only axis a metric of a policy and that of the baseline are equal,
    /// interpolated between neighbouring points by the logarithms of values and metrics.
    pub fn crossings(&self, metric: &str, policy: &str) -> Vec<f64> {
        let Some(values) = self.axis_values() else { return Vec::new() };
        let point = |(value, point): (&f64, &PointResult)| {
            let comparison = &point.comparison;
            let mean = |policy: &str| {
                let metric = comparison.policy(policy)?.metric(metric)?;
                Some(libm::log(metric.mean)).filter(|log| log.is_finite())
            };
            let at = Some(libm::log(*value)).filter(|log| log.is_finite())?;
            Some((at, mean(policy)? - mean(&comparison.baseline)?))
        };
        let mut line: Vec<(f64, f64)> = values.iter().zip(&self.points).filter_map(point).collect();
        line.sort_by(|a, b| a.0.total_cmp(&b.0));
        let crossing = |pair: &[(f64, f64)]| {
            let [(from, before), (to, after)] = [pair[0], pair[1]];
            let crosses = (before < 0.0) != (after < 0.0) && before != after;
            crosses.then(|| libm::exp(from + (to - from) * before / (before - after)))
        };
        line.windows(2).filter_map(crossing).collect()
    }

    /// Names of all policies, in order of first appearance.
    pub fn policies(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for policy in self.points.iter().flat_map(|point| &point.comparison.policies) {
            if !names.contains(&policy.policy.as_str()) {
                names.push(&policy.policy);
            }
        }
        names
    }
}
