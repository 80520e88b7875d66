//! The text that is hashed, a line for each value.

use std::fmt::{Display, Write as _};

use sim_core::SimDuration;
use xxhash_rust::xxh3::xxh3_128;

/// Lines of `name=value`. Times are in picoseconds.
#[derive(Default)]
pub(super) struct Form(String);

impl Form {
    pub(super) fn line(&mut self, name: &str, value: impl Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{name}={value}");
    }

    pub(super) fn time(&mut self, name: &str, span: SimDuration) {
        self.line(name, span.as_ps());
    }

    pub(super) fn lines(&self) -> Vec<(String, String)> {
        let pair =
            |line: &str| line.split_once('=').map(|(name, value)| (name.into(), value.into()));
        self.0.lines().filter_map(pair).collect()
    }

    pub(super) fn hash(&self) -> String {
        format!("{:032x}", xxh3_128(self.0.as_bytes()))
    }
}
