//! Estimators against numbers worked out by hand or taken from tables.

use super::*;
use crate::time::SimTime;

fn at(ps: u64) -> SimTime {
    SimTime::from_ps(ps)
}

#[track_caller]
fn assert_near(value: f64, expected: f64) {
    assert!((value - expected).abs() < 1e-3 * expected.abs().max(1.0), "{value} / {expected}");
}

#[test]
fn histogram_keeps_three_digits() {
    let mut histogram = Histogram::new();
    assert_eq!((histogram.count(), histogram.min(), histogram.max()), (0, 0, 0));
    for value in 1..=100_000 {
        histogram.record(value);
    }
    histogram.record_n(u64::MAX, 1);
    assert_eq!(histogram.count(), 100_001);
    assert_near(histogram.value_at_quantile(0.5) as f64, 50_000.0);
    assert_near(histogram.value_at_quantile(0.99) as f64, 99_000.0);
    assert_near(histogram.value_at_quantile(1.0) as f64, u64::MAX as f64);
    assert_eq!(histogram.min(), 1);
}

#[test]
fn histograms_merge_and_are_stored() {
    let (mut all, mut parts) = (Histogram::new(), [Histogram::new(), Histogram::new()]);
    for value in (0..1_000).map(|i: u64| i * i * i) {
        all.record(value);
        parts[value as usize % 2].record(value);
    }
    let [mut merged, other] = parts;
    merged.merge(&other);
    assert_eq!(merged, all);
    let text = serde_json::to_string(&all).unwrap();
    assert_eq!(serde_json::from_str::<Histogram>(&text).unwrap(), all);
    let short: Histogram = [3, 3, 5].into_iter().collect();
    assert_eq!(serde_json::to_string(&short).unwrap(), "[[3,2],[5,1]]");
}

#[test]
fn cumulative_fractions_end_at_one() {
    let histogram: Histogram = [10, 10, 20, 40].into_iter().collect();
    assert!(histogram.cumulative().eq([(10, 0.5), (20, 0.75), (40, 1.0)]));
    assert!(histogram.iter().eq([(10, 2), (20, 1), (40, 1)]));
    assert_eq!(histogram.mean(), 20.0);
    assert_eq!(Histogram::new().cumulative().count(), 0);
}

#[test]
fn time_weighted_mean_is_exact() {
    let mut busy = TimeWeightedMean::new(at(100), 2);
    assert_eq!(busy.mean(at(100)), 2.0);
    busy.raise(at(110), 3); // 2 * 10
    busy.lower(at(130), 5); // 5 * 20
    assert_eq!((busy.level(), busy.integral(at(200)), busy.mean(at(200))), (0, 120, 1.2));
    busy.set(at(200), 7);
    busy.restart(at(200));
    assert_eq!((busy.integral(at(210)), busy.mean(at(210))), (70, 7.0));
}

#[test]
fn time_weighted_mean_does_not_overflow_and_does_not_mind_cuts() {
    let mut cut = TimeWeightedMean::new(SimTime::ZERO, u64::MAX);
    for ps in [1, 1 << 40, 1 << 60] {
        cut.set(at(ps), u64::MAX);
    }
    let whole = TimeWeightedMean::new(SimTime::ZERO, u64::MAX);
    assert_eq!(cut.integral(SimTime::MAX), whole.integral(SimTime::MAX));
    assert_eq!(whole.integral(SimTime::MAX), u128::from(u64::MAX).pow(2));
    let text = serde_json::to_string(&cut).unwrap();
    assert_eq!(serde_json::from_str::<TimeWeightedMean>(&text).unwrap(), cut);
}

#[test]
#[should_panic(expected = "level falls below zero")]
fn a_level_below_zero_is_refused() {
    TimeWeightedMean::new(SimTime::ZERO, 1).lower(at(1), 2);
}

#[test]
fn students_quantiles() {
    assert_eq!(student_t_975(0), None);
    // Table values; those beyond 30 that are not in our table test the interpolation.
    for (df, t) in
        [(1, 12.7062), (9, 2.2622), (30, 2.0423), (35, 2.0301), (50, 2.0086), (60, 2.0003)]
    {
        assert!((student_t_975(df).unwrap() - t).abs() < 2e-4, "{df}");
    }
    for (df, t) in [(100, 1.9840), (120, 1.9799), (200, 1.9719), (1_000, 1.9623)] {
        assert!((student_t_975(df).unwrap() - t).abs() < 2e-4, "{df}");
    }
    assert!((1..500).all(|df| student_t_975(df) > student_t_975(df + 1)));
}

#[test]
fn replications() {
    let runs: Replications = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0].into_iter().collect();
    assert_eq!(runs.mean(), Some(5.0));
    assert_near(runs.std_deviation().unwrap(), 2.13809);
    assert_near(runs.std_error().unwrap(), 0.75593);
    let (low, high) = runs.confidence_interval_95().unwrap();
    assert_near(low, 5.0 - 2.3646 * 0.75593);
    assert_near(high, 5.0 + 2.3646 * 0.75593);
}

#[test]
fn one_run_has_no_interval_and_no_run_no_mean() {
    let mut runs = Replications::new();
    assert_eq!((runs.mean(), runs.estimate()), (None, None));
    assert_eq!(runs.confidence_interval_95(), None);
    runs.push(3.0);
    assert_eq!(runs.estimate(), Some(Estimate { n: 1, mean: 3.0, ci95: None }));
    assert_eq!((runs.std_deviation(), runs.std_error()), (None, None));
}

#[test]
fn pairs_cancel_what_they_share() {
    let baseline = [10.0, 20.0, 40.0, 80.0];
    let other = baseline.map(|b| 1.5 * b);
    let ratio = paired_ratio(&baseline, &other).unwrap();
    assert_eq!(ratio, RatioEstimate { n: 4, mean: 1.5, ci95: Some((1.5, 1.5)) });
    let shifted = baseline.map(|b| b - 2.0);
    let difference = PairedDifferences::of(&baseline, &shifted).estimate().unwrap();
    assert_eq!(difference, Estimate { n: 4, mean: -2.0, ci95: Some((-2.0, -2.0)) });
}

#[test]
fn ratios_have_students_interval_of_their_logarithms() {
    let ratio = paired_ratio(&[1.0, 1.0, 2.0], &[1.0, 2.0, 8.0]).unwrap();
    let (low, high) = ratio.ci95.unwrap();
    assert_near(ratio.mean, 2.0);
    let times = (4.3027 / 3f64.sqrt() * 2f64.ln()).exp();
    assert_near(high, 2.0 * times);
    assert_near(low, 2.0 / times);
}

#[test]
fn the_baseline_changes_no_conclusion() {
    // Of heavy tails: the mean of the ratios is above 1 in both directions.
    let (a, b) = ([1.0, 9.0, 1.0, 2.0], [3.0, 1.0, 4.0, 1.0]);
    let (there, back) = (paired_ratio(&a, &b).unwrap(), paired_ratio(&b, &a).unwrap());
    assert_near(there.mean * back.mean, 1.0);
    assert_near(there.ci95.unwrap().0 * back.ci95.unwrap().1, 1.0);
    assert_near(there.ci95.unwrap().1 * back.ci95.unwrap().0, 1.0);
}

#[test]
fn without_a_logarithm_it_is_the_mean_of_the_ratios() {
    let ratio = paired_ratio(&[1.0, 2.0], &[0.0, 4.0]).unwrap();
    assert_eq!((ratio.n, ratio.mean), (2, 1.0));
    let nothing = paired_ratio(&[1.0, 2.0], &[0.0, 0.0]).unwrap();
    assert_eq!((nothing.mean, nothing.ci95), (0.0, Some((0.0, 0.0))));
}

#[test]
fn a_ratio_to_nothing_is_none() {
    assert_eq!(paired_ratio(&[], &[]), None);
    assert_eq!(paired_ratio(&[0.0, 1.0], &[1.0, 1.0]), None);
    assert_eq!(paired_ratio(&[0.0], &[0.0]), None);
    assert_eq!(paired_ratio(&[2.0], &[1.0]).unwrap().ci95, None);
}

#[test]
#[should_panic(expected = "paired rows differ in length")]
fn unpaired_rows_are_refused() {
    paired_ratio(&[1.0], &[]);
}
