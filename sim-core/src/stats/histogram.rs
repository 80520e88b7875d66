//! Distributions of many values in little memory.

use hdrhistogram::Histogram as Hdr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Decimal digits to which a value is kept.
const DIGITS: u8 = 3;

/// Counts values to three significant digits, over the whole range of `u64`.
///
/// A thin layer over `hdrhistogram`, which fixes the precision and leaves nothing that can fail.
/// Grows with the largest value recorded (some 16 KiB a factor of 2000). The stored form is the
/// list of (value, count).
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    counts: Hdr<u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// An empty histogram.
    pub fn new() -> Self {
        let Ok(counts) = Hdr::new(DIGITS) else {
            unreachable!("hdrhistogram takes up to five digits");
        };
        Self { counts }
    }

    /// Counts one value, in any unit.
    pub fn record(&mut self, value: u64) {
        self.record_n(value, 1);
    }

    /// Counts the same value `n` times.
    pub fn record_n(&mut self, value: u64, n: u64) {
        // Cannot fail with a histogram that resizes itself up to 2^64-1.
        let recorded = self.counts.record_n(value, n);
        debug_assert!(recorded.is_ok(), "{value} was not recorded");
    }

    /// Adds all of another histogram's values.
    pub fn merge(&mut self, other: &Self) {
        let added = self.counts.add(&other.counts);
        debug_assert!(added.is_ok(), "histograms were not merged");
    }

    /// How many values were recorded.
    pub fn count(&self) -> u64 {
        self.counts.len()
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The smallest value at or above the given fraction of all values, to three digits; zero
    /// when nothing was recorded. 0.5 is the median, 1.0 the maximum.
    pub fn value_at_quantile(&self, quantile: f64) -> u64 {
        self.counts.value_at_quantile(quantile)
    }

    /// The smallest value, to three digits; zero when nothing was recorded.
    pub fn min(&self) -> u64 {
        if self.is_empty() { 0 } else { self.counts.min() }
    }

    /// The largest value, to three digits; zero when nothing was recorded.
    pub fn max(&self) -> u64 {
        self.counts.max()
    }

    /// The mean of values kept to three digits; zero when nothing was recorded. Keep a sum
    /// besides where the exact mean matters.
    pub fn mean(&self) -> f64 {
        self.counts.mean()
    }

    /// The recorded values in rising order with their counts, each the largest of those that
    /// three digits do not tell apart.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.counts.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value()))
    }

    /// The points of the cumulative distribution: value, and the fraction of all values up to
    /// it. The last fraction is 1.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, f64)> {
        let total = self.count() as f64;
        self.iter().scan(0, move |sum, (value, count)| {
            *sum += count;
            Some((value, *sum as f64 / total))
        })
    }
}

impl Extend<u64> for Histogram {
    fn extend<I: IntoIterator<Item = u64>>(&mut self, values: I) {
        for value in values {
            self.record(value);
        }
    }
}

impl FromIterator<u64> for Histogram {
    fn from_iter<I: IntoIterator<Item = u64>>(values: I) -> Self {
        let mut histogram = Self::new();
        histogram.extend(values);
        histogram
    }
}

impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Histogram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut histogram = Self::new();
        for (value, count) in Vec::<(u64, u64)>::deserialize(deserializer)? {
            histogram.record_n(value, count);
        }
        Ok(histogram)
    }
}
