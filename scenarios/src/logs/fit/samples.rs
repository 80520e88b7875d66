//! Spans of time, counted in bounded memory.

use sim_core::Histogram;

/// Nanoseconds of a microsecond, in which most logs print times.
const MICROSECOND: u64 = 1000;
/// How far from the median a span may be, besides half of it, to count for the centre: the two
/// roundings of a log in whole microseconds.
const ROUNDING: f64 = 1000.0;

/// Spans of one kind, in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Samples {
    counts: Histogram,
}

impl Samples {
    /// Counts a span.
    pub(crate) fn record(&mut self, ns: u64) {
        self.counts.record(ns);
    }

    /// The spans themselves.
    pub(crate) fn counts(&self) -> &Histogram {
        &self.counts
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.counts.count()
    }

    /// What there is to know of them, where there are any. `whole_us`: the log's times are whole
    /// microseconds.
    pub(crate) fn summary(&self, whole_us: bool) -> Option<Summary> {
        if self.counts.is_empty() {
            return None;
        }
        let at = |quantile| self.quantile(quantile, whole_us);
        let p50 = at(0.5);
        Some(Summary {
            count: self.count(),
            p1: at(0.01),
            p5: at(0.05),
            p50,
            p90: at(0.9),
            p99: at(0.99),
            centre: self.centre(p50, whole_us),
        })
    }

    /// The value below which a share of the spans lies. Where times are whole microseconds, spans
    /// of one microsecond are taken as spread over it: a median of many spans knows more digits
    /// than each of them.
    pub(crate) fn quantile(&self, quantile: f64, whole_us: bool) -> f64 {
        let wanted = quantile * self.count() as f64;
        let mut below = 0.0;
        let mut last = 0.0;
        for (value, count) in self.counts.iter() {
            let (value, count) = (unrounded(value, whole_us), count as f64);
            last = value;
            if below + count >= wanted {
                if !whole_us {
                    return value;
                }
                let width = MICROSECOND as f64;
                let inside = (wanted - below) / count;
                return (value - width / 2.0 + width * inside).max(0.0);
            }
            below += count;
        }
        last
    }

    /// The mean of the spans around the median. Whole microseconds do not bias it, and what came
    /// between (an interrupt, another thread) is left out.
    fn centre(&self, p50: f64, whole_us: bool) -> f64 {
        let reach = p50 / 2.0 + ROUNDING;
        let (mut sum, mut spans) = (0.0, 0.0);
        for (value, count) in self.counts.iter() {
            let value = unrounded(value, whole_us);
            if (value - p50).abs() <= reach {
                sum += value * count as f64;
                spans += count as f64;
            }
        }
        if spans > 0.0 { sum / spans } else { p50 }
    }
}

/// A value that the histogram keeps to three digits, as the log had it.
fn unrounded(value: u64, whole_us: bool) -> f64 {
    if whole_us {
        ((value + MICROSECOND / 2) / MICROSECOND * MICROSECOND) as f64
    } else {
        value as f64
    }
}

/// Spans of one kind summed up, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// How many.
    pub count: u64,
    /// First percentile.
    pub p1: f64,
    /// Fifth percentile.
    pub p5: f64,
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Mean of those around the median.
    pub centre: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[(u64, u64)]) -> Samples {
        let mut samples = Samples::default();
        for &(value, count) in values {
            samples.counts.record_n(value, count);
        }
        samples
    }

    #[test]
    fn whole_microseconds_are_spread() {
        let samples = of(&[(5000, 70), (6000, 30)]);
        let summary = samples.summary(true).expect("there are some");
        assert!((summary.centre - 5300.0).abs() < 1.0, "{summary:?}");
        assert!((summary.p50 - 5214.0).abs() < 1.0, "{summary:?}");
        assert_eq!(samples.summary(false).expect("there are some").p50, 5003.0);
    }

    #[test]
    fn the_centre_leaves_out_what_came_between() {
        let summary = of(&[(5000, 90), (60_000, 10)]).summary(true).expect("there are some");
        assert!((summary.centre - 5000.0).abs() < 1.0, "{summary:?}");
        assert_eq!(of(&[]).summary(true), None);
    }
}
