//! Laws as a user writes them, and what can be wrong with one.

use serde::{Deserialize, Serialize};

/// The largest `sigma_milli` of a lognormal: its 95th percentile is 10^7 times its median.
pub const SIGMA_MILLI_MAX: u32 = 10_000;
/// The largest `exponent_milli` of a Zipf law.
pub const ZIPF_EXPONENT_MILLI_MAX: u32 = 20_000;
/// The largest `n` of a Zipf law.
pub const ZIPF_N_MAX: u64 = 1 << 48;
/// One, in parts per million: the last probability of an empirical table.
pub const PPM: u32 = 1_000_000;

/// A law for whole numbers. In its stored form `kind` names the law in snake case.
///
/// ```
/// use sim_core::{Distribution, RandomStreams};
///
/// // Nine reads in ten take 80 us, the others 1 ms on average (in picoseconds).
/// let law: Distribution = serde_json::from_str(r#"{
///     "kind": "mixture",
///     "parts": [
///         [9, {"kind": "constant", "value": 80000000}],
///         [1, {"kind": "exponential", "mean": 1000000000}]
///     ]
/// }"#).unwrap();
/// assert_eq!(law.mean_hint(), Some(172_000_000));
/// let sampler = law.sampler().unwrap();
/// let mut stream = RandomStreams::new(1).stream("reads");
/// let picoseconds = sampler.sample(&mut stream);
/// # let _ = picoseconds;
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Distribution {
    /// Always `value`.
    Constant {
        /// The value.
        value: u64,
    },
    /// Every number from `low` to `high`, both included, equally likely.
    Uniform {
        /// The lowest value.
        low: u64,
        /// The highest value.
        high: u64,
    },
    /// The time between events of a Poisson process.
    Exponential {
        /// The mean; zero gives always zero.
        mean: u64,
    },
    /// `median * e^(sigma Z)` with Z standard normal.
    LogNormal {
        /// The median.
        median: u64,
        /// The standard deviation of the logarithm, in thousandths; at most
        /// [`SIGMA_MILLI_MAX`].
        sigma_milli: u32,
    },
    /// P(X > x) = (scale / x)^shape from `scale` on.
    Pareto {
        /// The lowest value.
        scale: u64,
        /// The shape in thousandths, not zero. There is a mean above 1000 and a variance above
        /// 2000.
        shape_milli: u32,
    },
    /// Ranks from 1 to `n`, rank k in proportion to k^-exponent.
    Zipf {
        /// The highest rank, from one to [`ZIPF_N_MAX`].
        n: u64,
        /// The exponent in thousandths, at most [`ZIPF_EXPONENT_MILLI_MAX`]; zero makes all
        /// ranks equally likely.
        exponent_milli: u32,
    },
    /// A table of quantiles, with straight lines between them.
    Empirical {
        /// Pairs (probability in parts per million, value): the first at 0 and the last at
        /// [`PPM`], neither probabilities nor values falling. Two pairs of one value put a lump
        /// there; two of one probability leave a gap.
        points: Vec<(u32, u64)>,
    },
    /// One of several laws, drawn anew for every value.
    Mixture {
        /// Pairs (weight, law). Weights need not add up to anything, but not all may be zero.
        parts: Vec<(u32, Distribution)>,
    },
}

/// What is wrong with a distribution.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DistributionError {
    /// A uniform law without values.
    #[error("uniform: low ({low}) exceeds high ({high})")]
    EmptyRange {
        /// As given.
        low: u64,
        /// As given.
        high: u64,
    },
    /// A field that must not be zero is.
    #[error("{kind}: {field} must not be zero")]
    Zero {
        /// The law.
        kind: &'static str,
        /// Its field.
        field: &'static str,
    },
    /// A field exceeds what the arithmetic holds.
    #[error("{kind}: {field} is {value}, more than {max}")]
    TooLarge {
        /// The law.
        kind: &'static str,
        /// Its field.
        field: &'static str,
        /// As given.
        value: u64,
        /// The largest value.
        max: u64,
    },
    /// An empirical table that does not span all probabilities.
    #[error("empirical: points must begin at 0 ppm and end at 1000000 ppm")]
    Span,
    /// An empirical table that falls.
    #[error("empirical: point {index} ({ppm} ppm, {value}) lies below the one before it")]
    Falling {
        /// Which point, counted from zero.
        index: usize,
        /// Its probability.
        ppm: u32,
        /// Its value.
        value: u64,
    },
    /// A mixture of nothing.
    #[error("mixture: there is no part with a weight above zero")]
    NoParts,
    /// One part of a mixture is wrong.
    #[error("mixture: part {index}: {source}")]
    Part {
        /// Which part, counted from zero.
        index: usize,
        /// What is wrong with it.
        source: Box<DistributionError>,
    },
}
