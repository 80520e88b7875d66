//! How much of the beginning of a series to leave out: MSER-5.
//!
//! K. P. White, "An effective truncation heuristic for bias reduction in simulation output", Simulation
//! 69(6), 1997, and K. P. White, M. J. Cobb, S. C. Spratt, "A comparison of five steady-state truncation
//! heuristics for simulation", Winter Simulation Conference 2000: of the means of batches of five
//! observations as many of the first are left out as make the marginal standard error of the mean of the
//! others smallest. A minimum in the second half says that the series is too short to tell.

use models::trace::series::{SeriesValues, Window};
use serde::{Deserialize, Serialize};

/// Observations of a batch.
const BATCH: usize = 5;
/// Batches below which nothing is said.
const LEAST: usize = 8;

/// What to leave out of the windows of a run, where it is anything: all that is kept of them where no file
/// wants them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beginning {
    /// Of the work that was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<Truncation>,
    /// Of the major faults that began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub major_faults: Option<Truncation>,
}

/// What to leave out of a series, and what that changes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Truncation {
    /// Observations at the beginning to leave out: a multiple of five.
    pub observations: u32,
    /// The mean of all whole batches.
    pub whole: f64,
    /// The mean of what is left.
    pub rest: f64,
    /// The standard error of that, if batches are taken for independent.
    pub std_error: f64,
}

impl Beginning {
    /// That of a run; none where nothing is to be left out.
    pub(crate) fn of(series: &SeriesValues) -> Option<Self> {
        let of = |count: fn(&Window) -> u64| {
            let counts: Vec<f64> = series.windows.iter().map(|it| count(it) as f64).collect();
            mser5(&counts).filter(|found| found.observations > 0)
        };
        let found = Self { work: of(|it| it.work), major_faults: of(|it| it.major_faults) };
        (found != Self::default()).then_some(found)
    }
}

/// Applies MSER-5 to a series. Nothing where it is too short, or where the minimum lies in its second half.
fn mser5(observations: &[f64]) -> Option<Truncation> {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let batches: Vec<f64> = observations.chunks_exact(BATCH).map(mean).collect();
    if batches.len() < LEAST {
        return None;
    }
    // The square of the marginal standard error after leaving out `first` batches.
    let spread = |first: usize| {
        let rest = &batches[first..];
        let (mean, count) = (mean(rest), rest.len() as f64);
        rest.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (count * count)
    };
    // The last few batches agree by chance: they are no candidates, as in the sources.
    let candidates = 0..batches.len() - BATCH;
    let best = candidates.min_by(|one, other| spread(*one).total_cmp(&spread(*other)))?;
    (best <= batches.len() / 2).then(|| Truncation {
        observations: (best * BATCH) as u32,
        whole: mean(&batches),
        rest: mean(&batches[best..]),
        std_error: spread(best).sqrt(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise of some width around zero, which repeats never.
    fn noise(n: usize) -> f64 {
        let mixed = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 40) as f64 / f64::from(1 << 24) - 0.5
    }

    #[test]
    fn a_step_at_the_beginning_is_left_out_and_no_more() {
        for until in [10_u32, 25, 40] {
            let series: Vec<f64> =
                (0..120).map(|n| noise(n) + if n < until as usize { 20.0 } else { 10.0 }).collect();
            let found = mser5(&series).expect("long enough");
            // A batch or two more may do, as the noise has it.
            assert!((until..=until + 10).contains(&found.observations), "{until}: {found:?}");
            assert!((found.rest - 10.0).abs() < 4.0 * found.std_error, "{found:?}");
            assert!(found.whole > 10.5, "{found:?}");
        }
    }

    /// A decay is left out until what remains of it drowns.
    #[test]
    fn a_decay_is_left_out_in_part() {
        let mut level = 20.0;
        let series: Vec<f64> = (0..120)
            .map(|n| {
                level *= 0.9;
                10.0 + level + noise(n)
            })
            .collect();
        let found = mser5(&series).expect("long enough");
        assert!((15..=60).contains(&found.observations), "{found:?}");
        assert!((found.rest - 10.0).abs() < (found.whole - 10.0).abs() / 5.0, "{found:?}");
    }

    /// Without a transient the mean stays within what the noise does to it.
    #[test]
    fn noise_alone_moves_nothing() {
        for begin in 0..200 {
            let series: Vec<f64> = (0..120).map(|n| 10.0 + noise(1_000 * begin + n)).collect();
            if let Some(found) = mser5(&series) {
                assert!((found.rest - found.whole).abs() < 3.0 * found.std_error, "{found:?}");
            }
        }
        let flat = mser5(&[7.0; 120]).expect("long enough");
        assert_eq!((flat.observations, flat.whole, flat.rest), (0, 7.0, 7.0));
    }

    #[test]
    fn what_is_too_short_or_changes_late_is_not_judged() {
        assert_eq!(mser5(&[1.0; 39]), None);
        let late: Vec<f64> = (0..120).map(|n| if n < 90 { 1.0 } else { 9.0 }).collect();
        assert_eq!(mser5(&late), None);
    }
}
