//! Laws of service times.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::syntax::units::Span;

/// A service time: a constant such as `"85us"`, or a law.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(untagged)]
pub enum ServiceTime {
    /// Always the same.
    Name(Span),
    /// A law; `kind` says which.
    Inline(LawFile),
}

/// A law of service times.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "tagged by kind", rename_all = "snake_case")]
#[schemars(rename = "LawFile", tag = "kind")]
pub enum LawFile {
    /// Always the same.
    Constant {
        /// The time.
        value: Span,
    },
    /// Every time from `low` to `high` equally likely.
    Uniform {
        /// The lowest.
        low: Span,
        /// The highest.
        high: Span,
    },
    /// Exponential.
    Exponential {
        /// The mean.
        mean: Span,
    },
    /// `median * e^(sigma Z)`, Z standard normal.
    LogNormal {
        /// The median.
        median: Span,
        /// Standard deviation of the logarithm, in thousandths: 0 to 10000.
        sigma_milli: u64,
    },
    /// P(X > x) = (scale / x)^shape from `scale` on.
    Pareto {
        /// The lowest time.
        scale: Span,
        /// The shape in thousandths, not zero.
        shape_milli: u64,
    },
    /// Ranks from 1 to `n`, rank k in proportion to k^-exponent, times `unit`; of programs only.
    Zipf {
        /// The time of the first rank.
        unit: Span,
        /// The highest rank.
        n: u64,
        /// The exponent in thousandths: 0 to 20000.
        exponent_milli: u64,
    },
    /// Quantiles with straight lines between them.
    Empirical {
        /// Points from 0 to 1000000 ppm, neither probabilities nor values falling.
        points: Vec<QuantileFile>,
    },
    /// One of several laws, drawn anew for every value.
    Mixture {
        /// The laws with their weights.
        parts: Vec<PartFile>,
    },
}

/// A law of whole numbers.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "tagged by kind", rename_all = "snake_case")]
#[schemars(rename = "NumberLawFile", tag = "kind")]
pub enum NumberLawFile {
    /// Always the same.
    Constant {
        /// The number.
        value: u64,
    },
    /// Every number from `low` to `high` equally likely.
    Uniform {
        /// The lowest.
        low: u64,
        /// The highest.
        high: u64,
    },
    /// Exponential, rounded.
    Exponential {
        /// The mean.
        mean: u64,
    },
    /// `median * e^(sigma Z)`, Z standard normal.
    LogNormal {
        /// The median.
        median: u64,
        /// Standard deviation of the logarithm, in thousandths: 0 to 10000.
        sigma_milli: u64,
    },
    /// P(X > x) = (scale / x)^shape from `scale` on.
    Pareto {
        /// The lowest number.
        scale: u64,
        /// The shape in thousandths, not zero.
        shape_milli: u64,
    },
    /// Ranks from 1 to `n`, rank k in proportion to k^-exponent.
    Zipf {
        /// The highest rank.
        n: u64,
        /// The exponent in thousandths: 0 to 20000.
        exponent_milli: u64,
    },
    /// Quantiles with straight lines between them.
    Empirical {
        /// Points from 0 to 1000000 ppm, neither probabilities nor values falling.
        points: Vec<NumberQuantileFile>,
    },
}

/// A point of an empirical law of whole numbers.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `ppm` and `value`")]
pub struct NumberQuantileFile {
    /// Probability of a number up to `value`, in millionths.
    pub ppm: u64,
    /// The number.
    pub value: u64,
}

/// A point of an empirical law.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `ppm` and `value`")]
pub struct QuantileFile {
    /// Probability of a time up to `value`, in millionths.
    pub ppm: u64,
    /// The time.
    pub value: Span,
}

/// A part of a mixture.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `weight` and `law`")]
pub struct PartFile {
    /// How often, in relation to the other parts.
    pub weight: u64,
    /// The law.
    pub law: ServiceTime,
}
