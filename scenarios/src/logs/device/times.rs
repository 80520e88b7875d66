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
/// Points are no nearer than this, but for those that keep the mean.
const NARROW: u32 = 50;
/// Of the requests between two percentiles no fewer than this share lie at either end, as far as the mean
/// leaves a choice.
const FEWEST: f64 = 0.01;
/// Assumption: near a percentile, up to this share of the way to the next one, times stay what they are
/// there. A steep rise at it would make it a matter of chance.
const FLAT: f64 = 0.05;
/// Assumption: how far the requests beyond the last percentile are on the way to the maximum, which is a single
/// request, on average. It gives way to the mean.
const LAST_RISE: f64 = 0.1;
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
        let ranked = Ranked::of(values);
        let at = |ppm: u32| ranked.at(ppm);
        let wanted: Vec<(u32, u64)> = match stated.is_empty() {
            true => USUAL.iter().map(|&ppm| (ppm, at(ppm))).collect(),
            false => stated,
        };
        let mut grid: Vec<u32> = GRID.iter().copied().chain(wanted.iter().map(|p| p.0)).collect();
        grid.sort_unstable();
        grid.dedup();
        let mut coarse = Vec::new();
        for pair in grid.windows(2) {
            between(&at, (pair[0], at(pair[0])), (pair[1], at(pair[1])), &mut coarse);
        }
        coarse.push((PPM, at(PPM)));
        let mut points = vec![coarse[0]];
        for pair in coarse.windows(2) {
            rise(&mut points, pair[1], ranked.part(pair[0], pair[1]));
        }
        let mean = sum / count as f64;
        Some(Self { count, mean, points, stated: wanted })
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

/// Values by rank.
struct Ranked {
    count: u64,
    /// How many are not above a value, the value, and the sum of those.
    below: Vec<(u64, u64, f64)>,
}

impl Ranked {
    fn of(values: &[(u64, u64)]) -> Self {
        let (mut count, mut sum, mut below) = (0, 0.0, Vec::with_capacity(values.len()));
        for &(value, n) in values.iter().filter(|(_, n)| *n > 0) {
            count += n;
            sum += value as f64 * n as f64;
            below.push((count, value, sum));
        }
        Self { count, below }
    }

    /// The value at a quantile.
    fn at(&self, ppm: u32) -> u64 {
        let wanted = u128::from(self.count) * u128::from(ppm);
        let wanted = wanted.div_ceil(PPM.into()).max(1) as u64;
        let place = self.below.partition_point(|(count, ..)| *count < wanted);
        self.below[place.min(self.below.len() - 1)].1
    }

    /// The sum of the values up to a quantile.
    fn sum(&self, ppm: u32) -> f64 {
        let wanted = self.count as f64 * f64::from(ppm) / f64::from(PPM);
        let place = self.below.partition_point(|(count, ..)| (*count as f64) < wanted);
        let (count, _, sum) = place.checked_sub(1).map_or((0, 0, 0.0), |at| self.below[at]);
        let next = self.below.get(place).map_or(0, |one| one.1);
        sum + (wanted - count as f64) * next as f64
    }

    /// How far the values between two points are on the way from the lower to the higher one, on average.
    fn part(&self, low: (u32, u64), high: (u32, u64)) -> f64 {
        let each = self.count as f64 * f64::from(high.0 - low.0) / f64::from(PPM);
        let mean = (self.sum(high.0) - self.sum(low.0)) / each.max(f64::MIN_POSITIVE);
        (mean - low.1 as f64) / (high.1 - low.1).max(1) as f64
    }
}

fn steep(low: (u32, u64), high: (u32, u64)) -> bool {
    high.1.saturating_mul(100) > low.1.saturating_mul(RISE)
}

/// Points between those that are known, so that the law has the mean that was measured. Nothing is known of
/// the times between two percentiles, and a straight line from 50 us to 4 ms would double the mean of a
/// device whose slow requests are rare. All steep lines are taken to be on average the same part of the way up,
/// the last one, to the maximum, only if the mean is met in no other way.
fn with_mean(points: &[(u32, u64)], mean: f64) -> Vec<(u32, u64)> {
    let (mut certain, mut inner, mut last) = (0.0, 0.0, 0.0);
    for pair in points.windows(2) {
        let share = f64::from(pair[1].0 - pair[0].0) / f64::from(PPM);
        let (low, high) = (pair[0].1 as f64, pair[1].1 as f64);
        match (steep(pair[0], pair[1]), pair[1].0 == PPM) {
            (false, _) => certain += share * f64::midpoint(low, high),
            (true, true) => {
                certain += share * low;
                last += share * (high - low);
            }
            (true, false) => {
                certain += share * low;
                inner += share * (high - low);
            }
        }
    }
    let (mut part, mut end) = (0.5, LAST_RISE);
    if mean > 0.0 && inner > 0.0 {
        part = ((mean - certain - end * last) / inner).clamp(FEWEST, 1.0 - FEWEST);
    }
    if mean > 0.0 && last > 0.0 {
        let rest = (mean - certain - part * inner) / last;
        // What is met already, but for rounding, stays.
        end = if (rest - end).abs() < 1e-9 { end } else { rest.clamp(0.0, 1.0 - FEWEST) };
    }
    let mut bent = vec![points[0]];
    for pair in points.windows(2) {
        rise(&mut bent, pair[1], if pair[1].0 == PPM { end } else { part });
    }
    bent
}

/// Goes on to a point, which is steep: a part of the way up on average, and as flat as that allows at both
/// ends.
fn rise(points: &mut Vec<(u32, u64)>, high: (u32, u64), part: f64) {
    let Some(&low) = points.last().filter(|low| steep(**low, high)) else {
        points.push(high);
        return;
    };
    let width = f64::from(high.0 - low.0);
    let part = part.clamp(0.0, 1.0);
    // Less than a millionth of all requests is at the maximum: it is lower for it.
    if high.0 == PPM && part * width < 1.0 {
        let most = low.1 as f64 + (high.1 - low.1) as f64 * part * width * 2.0;
        points.extend([(PPM - 1, low.1), (PPM, (most as u64).min(high.1))]);
        return;
    }
    // Where it leaves the lower one and where it reaches the higher one, as shares of the way.
    let flat = FLAT.min(part / 2.0).min((1.0 - part) / 2.0);
    let (leaves, reaches) = match part <= 0.5 {
        true => (1.0 + flat - 2.0 * part, 1.0 - flat),
        false => (flat, 2.0 * (1.0 - part) - flat),
    };
    let place = |share: f64| low.0 + (share * width).round().clamp(0.0, width) as u32;
    let leaves = place(leaves);
    points.extend([(leaves, low.1), (place(reaches).max(leaves), high.1), high]);
    points.dedup();
}

/// The points from one to the next, without the last: more of them where the values rise.
fn between(
    at: &impl Fn(u32) -> u64,
    low: (u32, u64),
    high: (u32, u64),
    points: &mut Vec<(u32, u64)>,
) {
    if steep(low, high) && high.0 - low.0 > NARROW {
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
        assert_eq!([999_800, 999_900].map(|ppm| times.at(ppm)), [150, 275]);
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

    /// A request in a hundred thousand takes 200 000 times as long as the others: that is most of the mean.
    #[test]
    fn the_rarest_requests_leave_the_mean() {
        for rare in [1, 4, 40, 4_000] {
            let values = [(55, 3_000_000), (60, 800_000), (12_000_000, rare)];
            let times = Times::of_values(&values, Vec::new()).unwrap();
            let got = times.law().mean_hint().unwrap() as f64 / 1000.0;
            assert!((got / times.mean - 1.0).abs() < 0.01, "{rare}: {} {got}", times.mean);
        }
        let stated = vec![(10_000, 50), (500_000, 56), (990_000, 60), (999_900, 80)];
        for mean in [58.0, 400.0, 1_100.0] {
            let times = Times::of_percentiles(1000, mean, (40, 12_000_000), stated.clone());
            let got = times.unwrap().law().mean_hint().unwrap() as f64 / 1000.0;
            assert!((got / mean - 1.0).abs() < 0.02, "{mean} {got}");
        }
    }

    /// A percentile at the foot of a cliff is no matter of chance: a run of a million requests has its 99.5th
    /// percentile up to 210 millionths off, by three standard errors.
    #[test]
    fn no_cliff_is_at_a_percentile() {
        let stated =
            vec![(500_000, 43_264), (990_000, 90_624), (995_000, 129_536), (999_000, 4_046_848)];
        let times = Times::of_percentiles(33_564, 58_975.0, (35_488, 23_377_655), stated).unwrap();
        for ppm in [994_790, 995_000, 995_190] {
            assert!(times.at(ppm).abs_diff(129_536) < 1_300, "{ppm}: {}", times.at(ppm));
        }
    }
}
