//! How many replications a comparison needs until its intervals are as narrow as somebody wants.

use crate::run::error::RunnerError;
use crate::run::results::Comparison;
use crate::run::runner::{Progress, RunOptions, run_comparison};
use crate::scenario::resolve::Scenario;

/// Fewer give intervals whose own width is chance: with four, the t quantile is 3.2 in the place of 2.
pub const FEWEST: u32 = 4;

/// How narrow intervals are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Precision {
    /// Replications that were run.
    pub replications: u32,
    /// Half of the widest 95 % interval of a ratio in the measure, in parts of the ratio; none: there is none, as a
    /// single policy or a baseline of zero has no ratio.
    pub half_width: Option<f64>,
}

impl Precision {
    /// What a comparison has.
    pub fn of(comparison: &Comparison) -> Self {
        let of_measure = comparison.ratios.iter().filter(|it| it.metric == comparison.measure);
        let width = |ratio: &crate::run::results::Ratio| {
            let (low, high) = ratio.ci95?;
            let width = (high - low) / 2.0 / ratio.mean.abs();
            width.is_finite().then_some(width)
        };
        let half_width = of_measure.filter_map(width).reduce(f64::max);
        Self { replications: comparison.replications, half_width }
    }
}

/// Adds replications until half of each interval is at most `wanted` of its ratio, or `most` are run. The scenario's
/// own number is the least, and at least [`FEWEST`]. What is returned says whether it was reached.
///
/// # Errors
/// When a run fails.
pub fn find_replications(
    scenario: &Scenario,
    options: &RunOptions,
    (wanted, most): (f64, u32),
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Precision, RunnerError> {
    let mut replications = scenario.replications.max(FEWEST).min(most);
    loop {
        let scenario = Scenario { replications, ..scenario.clone() };
        let found = Precision::of(&run_comparison(&scenario, options, progress)?);
        match found.half_width {
            Some(width) if width > wanted && replications < most => {
                replications = next(replications, width / wanted, most);
            }
            _ => return Ok(found),
        }
    }
}

/// The width falls with the root of the number; a tenth more, as the estimate is one itself. Never more than four times
/// as many at once: the first few say little.
fn next(replications: u32, too_wide_by: f64, most: u32) -> u32 {
    let estimate = f64::from(replications) * too_wide_by * too_wide_by * 1.1;
    let bound = f64::from(replications) * 4.0;
    // Below 2^32, as the bound is.
    let number = estimate.min(bound).min(f64::from(most)).ceil() as u32;
    number.clamp(replications + 1, most.max(replications + 1)).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario() -> Scenario {
        let text = include_str!("../../library/closed-form.json");
        Scenario::from_str("closed-form", text).unwrap()
    }

    #[test]
    fn the_number_grows_by_the_square_and_no_faster_than_four_times() {
        assert_eq!(next(4, 1.5, 1000), 10);
        assert_eq!(next(4, 100.0, 1000), 16);
        assert_eq!(next(4, 1.000_01, 1000), 5);
        assert_eq!(next(900, 3.0, 1000), 1000);
    }

    #[test]
    fn a_comparison_is_repeated_until_it_is_precise_enough() {
        let mut scenario = Scenario::load("kv-tail").unwrap();
        scenario.duration = sim_core::SimDuration::from_ms(100);
        let find = |wanted, most| {
            find_replications(&scenario, &RunOptions::default(), (wanted, most), &|_| {}).unwrap()
        };
        let coarse = find(0.5, 64);
        assert_eq!(coarse.replications, FEWEST.max(scenario.replications));
        let width = coarse.half_width.unwrap();
        assert!(width > 0.0 && width <= 0.5, "{width}");
        let finer = find(width / 1.5, 64);
        assert!(finer.replications > coarse.replications);
        assert!(finer.half_width.unwrap() <= width / 1.5 || finer.replications == 64, "{finer:?}");
        let most = find(1e-9, 6);
        assert!(most.replications == 6 && most.half_width.unwrap() > 1e-9, "{most:?}");
    }

    #[test]
    fn one_policy_has_no_interval() {
        let mut scenario = scenario();
        scenario.policies.truncate(1);
        scenario.duration = sim_core::SimDuration::from_ms(20);
        let options = RunOptions::default();
        let found = find_replications(&scenario, &options, (0.01, 100), &|_| {}).unwrap();
        assert_eq!((found.replications, found.half_width), (FEWEST, None));
    }
}
