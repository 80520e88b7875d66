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
