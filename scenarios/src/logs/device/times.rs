//! Times of one kind of request as quantiles: made of percentiles, of bins or of single requests.

use sim_core::Distribution;

/// One, in parts per million.
pub(super) const PPM: u32 = 1_000_000;
/// Picoseconds of a nanosecond.
const NS: u64 = 1000;
/// Percentiles of which no file speaks by itself.
const USUAL: [u32; 12] = [
    10_000, 50_000, 100_000, 250_000, 500_000, 750_000, 900_000, 950_000, 990_000, 995_000,
    999_000, 999_900,
];
/// Where every law of many values has a point.
const GRID: [u32; 17] = [
    0, 1_000, 10_000, 50_000, 100_000, 250_000, 500_000, 750_000, 900_000, 950_000, 990_000,
    995_000, 999_000, 999_500, 999_900, 999_990, 1_000_000,
];
/// Between two points a law of many values rises by at most this, in hundredths, where there is
/// anything between.
const RISE: u64 = 104;
/// A line is not bent nearer to its ends than at this share.
const SHARPEST: f64 = 0.01;
/// The line to the maximum, which is a single request, is bent here.
const LAST_BEND: f64 = 0.9;
/// Points are no nearer than this.
const NARROW: u32 = 200;
/// The least values are no more than this below the first percentile, in tenths: what fio calls `min` is a
/// single request, which may be one that the device never saw.
const LEAST_TENTHS: u64 = 9;

/// Times of requests of one direction at one depth. In nanoseconds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Times {
    /// How many.
    pub(super) count: u64,
    /// Their mean.
    pub(super) mean: f64,
    /// Quantiles with straight lines between: parts per million from 0 to all, neither falling.
    pub(super) points: Vec<(u32, u64)>,
    /// Those of which the file speaks.
    pub(super) stated: Vec<(u32, u64)>,
}

impl Times {
    /// Of percentiles, which rise, and the ends.
    pub(super) fn of_percentiles(
        count: u64,
        mean: f64,
        ends: (u64, u64),
        stated: Vec<(u32, u64)>,
    ) -> Option<Self> {
        let (first, last) = (*stated.first()?, *stated.last()?);
        let least = ends.0.max(first.1 * LEAST_TENTHS / 10).min(first.1);
        let mut points = vec![(0, least)];
        points.extend(stated.iter().copied());
        if last.0 < PPM {
            points.push((PPM, ends.1.max(last.1)));
        }
        let points = with_mean(&points, mean);
        Some(Self { count, mean, points, stated })
    }

    /// Of values with how often each came, which rise. The percentiles of the file, if it has any.
    pub(super) fn of_values(values: &[(u64, u64)], stated: Vec<(u32, u64)>) -> Option<Self> {
        let count: u64 = values.iter().map(|(_, n)| n).sum();
        if count == 0 {
            return None;
        }
        let sum: f64 = values.iter().map(|&(value, n)| value as f64 * n as f64).sum();
        let mut below = Vec::with_capacity(values.len());
        let mut so_far = 0;
        for &(value, n) in values.iter().filter(|(_, n)| *n > 0) {
            so_far += n;
            below.push((so_far, value));
        }
        let at = |ppm: u32| {
            let wanted = (u128::from(count) * u128::from(ppm)).div_ceil(PPM.into()).max(1) as u64;
            let place = below.partition_point(|(sum, _)| *sum < wanted);
            below[place.min(below.len() - 1)].1
        };
        let mut points = Vec::new();
        let wanted: Vec<(u32, u64)> = match stated.is_empty() {
            true => USUAL.iter().map(|&ppm| (ppm, at(ppm))).collect(),
            false => stated,
        };
        let mut grid: Vec<u32> = GRID.iter().copied().chain(wanted.iter().map(|p| p.0)).collect();
        grid.sort_unstable();
        grid.dedup();
        for pair in grid.windows(2) {
            between(&at, (pair[0], at(pair[0])), (pair[1], at(pair[1])), &mut points);
        }
        points.push((PPM, at(PPM)));
        let mean = sum / count as f64;
        Some(Self { count, mean, points, stated: wanted })
    }

    /// Of a mean and a standard deviation alone: a lognormal law between the ends.
    pub(super) fn of_moments(count: u64, mean: f64, deviation: f64, ends: (u64, u64)) -> Self {
        let spread = (1.0 + (deviation / mean).powi(2)).ln().sqrt();
        let median = mean * (-spread * spread / 2.0).exp();
        let high = if ends.1 > ends.0 { ends.1 } else { u64::MAX };
        // Standard normal quantiles.
        const NORMAL: [(u32, f64); 11] = [
            (1_000, -3.0902),
            (10_000, -2.3263),
            (50_000, -1.6449),
            (100_000, -1.2816),
            (250_000, -0.6745),
            (500_000, 0.0),
            (750_000, 0.6745),
            (900_000, 1.2816),
            (950_000, 1.6449),
            (990_000, 2.3263),
            (999_000, 3.0902),
        ];
        let at = |z: f64| ((median * (spread * z).exp()) as u64).clamp(ends.0.min(high), high);
        let mut points = vec![(0, at(-4.0))];
        points.extend(NORMAL.map(|(ppm, z)| (ppm, at(z))));
        points.push((PPM, at(4.0)));
        Self { count, mean, points, stated: Vec::new() }
    }

    /// The time at a quantile.
    pub(super) fn at(&self, ppm: u32) -> u64 {
        let above = self.points.partition_point(|(known, _)| *known < ppm);
        let Some(&(high, slow)) = self.points.get(above) else {
            return self.points.last().map_or(0, |point| point.1);
        };
        let Some(&(low, fast)) = above.checked_sub(1).and_then(|at| self.points.get(at)) else {
            return slow;
        };
        let (part, whole) = (u128::from(ppm - low), u128::from((high - low).max(1)));
        fast + (u128::from(slow - fast) * part / whole) as u64
    }

    /// The share of times up to a value in parts per million; `included`: that value too.
    fn up_to(&self, value: u64, included: bool) -> f64 {
        let before = |point: &(u32, u64)| match included {
            true => point.1 <= value,
            false => point.1 < value,
        };
        let above = self.points.partition_point(before);
        match (above.checked_sub(1).map(|at| self.points[at]), self.points.get(above)) {
            (None, _) => 0.0,
            (Some((ppm, _)), None) => f64::from(ppm),
            (Some((low, fast)), Some(&(high, slow))) => {
                let part = (value.max(fast) - fast) as f64 / (slow - fast).max(1) as f64;
                f64::from(low) + f64::from(high - low) * part
            }
        }
    }

    /// All of several.
    pub(super) fn merged(all: &[&Self]) -> Option<Self> {
        if let [one] = all {
            return Some((*one).clone());
        }
        let count: u64 = all.iter().map(|times| times.count).sum();
        let whole = count.max(1) as f64;
        let mut values: Vec<u64> = all.iter().flat_map(|t| t.points.iter().map(|p| p.1)).collect();
        values.sort_unstable();
        values.dedup();
        let share = |value: u64, included: bool| {
            let sum: f64 = all.iter().map(|t| t.up_to(value, included) * t.count as f64).sum();
            (sum / whole).round().clamp(0.0, f64::from(PPM)) as u32
        };
        let mut points: Vec<(u32, u64)> = Vec::new();
        for &value in &values {
            points.push((share(value, false), value));
            points.push((share(value, true), value));
        }
        points.dedup();
        points.first_mut()?.0 = 0;
        points.last_mut()?.0 = PPM;
        let mean = all.iter().map(|t| t.mean * t.count as f64).sum::<f64>() / whole;
        let mut merged = Self { count, mean, points, stated: Vec::new() };
        let mut stated: Vec<u32> = all.iter().flat_map(|t| t.stated.iter().map(|p| p.0)).collect();
        stated.sort_unstable();
        stated.dedup();
        merged.stated = stated.into_iter().map(|ppm| (ppm, merged.at(ppm))).collect();
        Some(merged)
    }

    /// The law, in picoseconds. A device takes some time for everything.
    pub(super) fn law(&self) -> Distribution {
        let points: Vec<(u32, u64)> =
            self.points.iter().map(|&(ppm, ns)| (ppm, ns.max(1).saturating_mul(NS))).collect();
        match points.first() {
            Some(&(_, value)) if points.iter().all(|point| point.1 == value) => {
                Distribution::Constant { value }
            }
            _ => Distribution::Empirical { points },
        }
    }
}

/// Points between those that are known, so that the law has the mean that was measured. Nothing is known of
/// the times between two percentiles, and a straight line from 50 us to 4 ms would double the mean of a
/// device whose slow requests are rare.
///
/// A steep line is bent where a share `bend` of its requests are past: they are in its lowest `1 - bend`. Its
/// mean then lies `1 - bend` of the way up, so that one division finds the bend of all steep lines.
fn with_mean(points: &[(u32, u64)], mean: f64) -> Vec<(u32, u64)> {
    let steep = |low: &(u32, u64), high: &(u32, u64)| {
        high.0 - low.0 > 2 && high.1.saturating_mul(100) > low.1.saturating_mul(RISE)
    };
    let (mut certain, mut rise) = (0.0, 0.0);
    for pair in points.windows(2) {
        let share = f64::from(pair[1].0 - pair[0].0) / f64::from(PPM);
        let (low, high) = (pair[0].1 as f64, pair[1].1 as f64);
        match (steep(&pair[0], &pair[1]), pair[1].0 == PPM) {
            (false, _) => certain += share * f64::midpoint(low, high),
            (true, true) => certain += share * (low + (high - low) * (1.0 - LAST_BEND)),
            (true, false) => {
                certain += share * low;
                rise += share * (high - low);
            }
        }
    }
    let bend = match mean > 0.0 && rise > 0.0 {
        true => (1.0 - (mean - certain) / rise).clamp(SHARPEST, 1.0 - SHARPEST),
        false => 0.5,
    };
    let mut bent = vec![points[0]];
    for pair in points.windows(2) {
        if steep(&pair[0], &pair[1]) {
            let bend = if pair[1].0 == PPM { LAST_BEND } else { bend };
            let at = |low: f64, high: f64, part: f64| low + (high - low) * part;
            let ppm = at(pair[0].0.into(), pair[1].0.into(), bend).round() as u32;
            let value = at(pair[0].1 as f64, pair[1].1 as f64, 1.0 - bend) as u64;
            bent.push((ppm, value));
        }
        bent.push(pair[1]);
    }
    bent
}

/// The points from one to the next, without the last: more of them where the values rise.
fn between(
    at: &impl Fn(u32) -> u64,
    low: (u32, u64),
    high: (u32, u64),
    points: &mut Vec<(u32, u64)>,
) {
    let steep = high.1.saturating_mul(100) > low.1.saturating_mul(RISE);
    if steep && high.0 - low.0 > NARROW {
        let middle = low.0.midpoint(high.0);
        let middle = (middle, at(middle));
        between(at, low, middle, points);
        between(at, middle, high, points);
    } else {
        points.push(low);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_kept() {
        let stated = vec![(10_000, 70), (500_000, 80), (999_000, 150)];
        let times = Times::of_percentiles(1000, 82.0, (2, 400), stated).unwrap();
        assert_eq!(times.points[0], (0, 63));
        assert_eq!([500_000, 999_000, PPM].map(|ppm| times.at(ppm)), [80, 150, 400]);
        assert_eq!(times.at(999_900), 175);
        let law = times.law();
        assert_eq!(law.validate(), Ok(()));
    }

    /// One request in fifty takes 4 ms: no line from the 95th percentile to it.
    #[test]
    fn rare_slow_requests_leave_the_mean() {
        let stated = vec![(500_000, 30_000), (950_000, 50_000), (990_000, 4_000_000)];
        for mean in [75_000.0, 120_000.0, 180_000.0] {
            let times = Times::of_percentiles(1000, mean, (20_000, 9_000_000), stated.clone());
            let law = times.expect("there are percentiles").law();
            let got = law.mean_hint().expect("it has a mean") as f64 / 1000.0;
            assert!((got / mean - 1.0).abs() < 0.01, "{mean} {got}");
        }
    }

    /// Two humps stay two.
    #[test]
    fn many_values_become_few_points() {
        let values: Vec<(u64, u64)> =
            (0..1000).map(|n| (if n < 600 { 35_000 + n } else { 80_000 + n }, 10)).collect();
        let times = Times::of_values(&values, Vec::new()).unwrap();
        assert!(times.points.len() < 60, "{}", times.points.len());
        assert!((times.at(599_000), times.at(601_000)) > (35_500, 80_000));
        assert!(times.at(599_000) < 36_000 && times.at(601_000) > 80_000);
        assert!((times.mean - 53_499.5).abs() < 1.0, "{}", times.mean);
        assert_eq!(times.law().validate(), Ok(()));
    }

    #[test]
    fn two_are_merged_by_how_many_there_are() {
        let of = |value, n| Times::of_values(&[(value, n)], vec![(500_000, value)]).unwrap();
        let merged = Times::merged(&[&of(100, 300), &of(200, 100)]).unwrap();
        assert_eq!([740_000, 760_000].map(|ppm| merged.at(ppm)), [100, 200]);
        assert_eq!((merged.count, merged.mean), (400, 125.0));
        assert_eq!(merged.law().validate(), Ok(()));
    }

    #[test]
    fn moments_make_a_law() {
        let times = Times::of_moments(10, 100_000.0, 20_000.0, (60_000, 300_000));
        assert!((times.at(500_000) as f64 - 98_058.0).abs() < 100.0, "{times:?}");
        assert_eq!(times.law().validate(), Ok(()));
    }
}
