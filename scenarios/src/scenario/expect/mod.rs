//! What a scenario's author expects of its results: `parse` reads one line of `expect`.

mod parse;

use std::fmt;

use models::trace::digest::DigestValue;
use models::trace::metrics::Unit;

pub(crate) use parse::parse;

/// One line of `expect`: as it is written, and what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// The line.
    pub text: String,
    /// What it says.
    pub claim: Claim,
}

/// What is expected.
#[derive(Clone, Debug, PartialEq)]
pub enum Claim {
    /// No policy, or not this one, violates an invariant; violations that the generation is known
    /// for count too.
    Clean {
        /// The policy; none for all of them.
        policy: Option<String>,
    },
    /// A policy breaks an invariant.
    Breaks {
        /// The invariant, as `INV-07`.
        invariant: String,
        /// Whether a weakness is expected; otherwise a violation, known or not.
        weakness: bool,
        /// The policy.
        policy: String,
    },
    /// The digest over all runs.
    Digest(DigestValue),
    /// A number lies where it should.
    Number {
        /// The metric.
        metric: String,
        /// Its unit.
        unit: Unit,
        /// The policy.
        policy: String,
        /// The policy below the line, where it is a ratio.
        against: Option<String>,
        /// Where.
        bound: Bound,
    },
}

/// Where a number should lie, in the metric's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// Below.
    Below(f64),
    /// At or below.
    AtMost(f64),
    /// Above.
    Above(f64),
    /// At or above.
    AtLeast(f64),
    /// Exactly there.
    Equal(f64),
    /// Anywhere else.
    Other(f64),
    /// Between two numbers, both included.
    Between(f64, f64),
}

impl Bound {
    /// Whether a number lies there.
    pub fn holds(self, value: f64) -> bool {
        match self {
            Self::Below(limit) => value < limit,
            Self::AtMost(limit) => value <= limit,
            Self::Above(limit) => value > limit,
            Self::AtLeast(limit) => value >= limit,
            Self::Equal(limit) => value == limit,
            Self::Other(limit) => value != limit,
            Self::Between(low, high) => (low..=high).contains(&value),
        }
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
