//! Numbers of invariants, and the weight of a breach: the protocol's own checks, the monitors and the
//! explorer speak of the same.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The stable number of an invariant, printed as `INV-07`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvariantId(pub u8);

impl fmt::Display for InvariantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("INV-{:02}", self.0))
    }
}

/// A text that names no invariant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of an invariant; names look like `INV-07`")]
pub struct ParseInvariantError(String);

impl FromStr for InvariantId {
    type Err = ParseInvariantError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix("INV-")
            .filter(|digits| digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .map(Self)
            .ok_or_else(|| ParseInvariantError(text.to_owned()))
    }
}

impl Serialize for InvariantId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for InvariantId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// What a breach of an invariant means for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The protocol is broken: the run fails.
    Violation,
    /// A corner that kernels in use show too, and that costs time: reported, and the run goes on.
    Weakness,
}

impl Severity {
    /// The severity as a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Violation => "violation",
            Self::Weakness => "weakness",
        }
    }
}
