//! Spans of time in the data of presets.

use serde::{Deserialize, Deserializer, de};
use sim_core::SimDuration;

/// A span written with its unit, such as `"85us"`.
pub(super) fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SimDuration, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}
