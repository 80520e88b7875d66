//! Comparing variants that ran on the same random numbers.
//!
//! Runs with the same seed share their draws, so they rise and fall together, and the spread of
//! their *differences* is smaller than that of the runs themselves. Pairs are by position.

use serde::{Deserialize, Serialize};

use super::replications::{Estimate, Replications};

/// The differences `other - baseline` of paired runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PairedDifferences {
    differences: Replications,
}

impl PairedDifferences {
    /// No pairs yet.
    pub const fn new() -> Self {
        Self { differences: Replications::new() }
    }

    /// The differences of whole rows.
    ///
    /// # Panics
    /// When the rows differ in length.
    pub fn of(baseline: &[f64], other: &[f64]) -> Self {
        assert_paired(baseline, other);
        let differences = baseline.iter().zip(other).map(|(b, o)| o - b).collect();
        Self { differences }
    }

    /// Adds one pair.
    pub fn push(&mut self, baseline: f64, other: f64) {
        self.differences.push(other - baseline);
    }

    /// The mean difference with its interval; `None` without pairs.
    pub fn estimate(&self) -> Option<Estimate> {
        self.differences.estimate()
    }
}

/// How many times `other` is `baseline`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RatioEstimate {
    /// How many pairs.
    pub n: usize,
    /// The geometric mean of the pairs' ratios.
    pub mean: f64,
    /// Its 95 % confidence interval, lower end first; `None` for a single pair.
    pub ci95: Option<(f64, f64)>,
}

/// The geometric mean of the ratios `other / baseline` of each pair, with Student's interval over
/// their logarithms.
///
/// Each pair's ratio is one independent observation of "how many times". Of logarithms, so that the
/// other way round is the reciprocal, ends of the interval included: which variant is the baseline
/// changes no conclusion, however the values scatter. Where runs differ little, it is the mean of the
/// ratios.
///
/// Where a value of `other` is zero there is no logarithm: then it is the mean of the ratios with
/// Student's interval.
///
/// `None` without pairs, and when a baseline is zero or a ratio is not finite: there is no
/// "times" of nothing.
///
/// # Panics
/// When the rows differ in length.
pub fn paired_ratio(baseline: &[f64], other: &[f64]) -> Option<RatioEstimate> {
    assert_paired(baseline, other);
    let ratios: Replications = baseline.iter().zip(other).map(|(b, o)| o / b).collect();
    let all = ratios.values();
    if all.iter().any(|ratio| !ratio.is_finite()) {
        return None;
    }
    let equal = all.windows(2).all(|pair| pair[0] == pair[1]);
    if equal || all.iter().any(|ratio| *ratio <= 0.0) {
        let Estimate { n, mean, ci95 } = ratios.estimate()?;
        return Some(RatioEstimate { n, mean, ci95 });
    }
    // Not the platform's logarithm: results have the same bytes everywhere.
    let logs: Replications = all.iter().map(|ratio| libm::log(*ratio)).collect();
    let Estimate { n, mean, ci95 } = logs.estimate()?;
    let ci95 = ci95.map(|(low, high)| (libm::exp(low), libm::exp(high)));
    Some(RatioEstimate { n, mean: libm::exp(mean), ci95 })
}

fn assert_paired(baseline: &[f64], other: &[f64]) {
    assert_eq!(baseline.len(), other.len(), "paired rows differ in length");
}
