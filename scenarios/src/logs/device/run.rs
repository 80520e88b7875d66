//! What was measured, whatever measured it.

use super::times::Times;

/// Requests that make a law: fewer have no 99th percentile.
pub(super) const LEAST: usize = 100;

/// Which way data go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From the device.
    Read,
    /// To the device.
    Write,
}

impl Direction {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::Read, Self::Write];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// Times of one direction and size.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measured {
    pub(super) direction: Direction,
    /// Pages of a request.
    pub(super) pages: u32,
    pub(super) times: Times,
}

/// A load of one depth, and what it measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Run {
    /// Requests under way at once.
    pub(super) depth: u32,
    pub(super) measured: Vec<Measured>,
    /// What a reader should know.
    pub(super) notes: Vec<String>,
}
