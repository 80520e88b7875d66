//! The windows of one run.

use serde::{Deserialize, Serialize};

/// Windows of a measured phase: as many as a plot can show apart.
pub const WINDOWS: u32 = 120;

/// A number of things over a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// Its integral over time, in picoseconds; stops at the largest `u64`, which 200 things reach
    /// in a window of a day.
    pub sum_ps: u64,
    /// Its largest value.
    pub max: u32,
}

/// What happened in one window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Units of work counted by workers. Work that was reported for a stretch over several windows
    /// is shared out by time.
    pub work: u64,
    /// Major faults that began.
    pub major_faults: u64,
    /// Time that vCPUs ran, in the guest or in the host, in picoseconds over all vCPUs.
    pub running_ps: u64,
    /// Time that vCPU threads were blocked in a fetch or in reclaim.
    pub stalled_ps: u64,
    /// Time that vCPUs were halted by the host.
    pub halted_ps: u64,
    /// Time that vCPUs were idle (HLT).
    pub idle_ps: u64,
    /// Time that vCPU threads waited for a processor.
    pub waiting_ps: u64,
    /// Outstanding items.
    pub outstanding: Level,
    /// Worker threads with an item.
    pub workers: Level,
    /// Requests in service at the swap device.
    pub in_flight: Level,
}

/// The windows of a run's measured phase.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeriesValues {
    /// Length of the measured phase, in picoseconds.
    pub span_ps: u64,
    /// The windows in order; fewer than [`WINDOWS`] when the run ended early.
    pub windows: Vec<Window>,
}

impl SeriesValues {
    /// Offset of the beginning of a window from the beginning of the phase, in picoseconds. That
    /// of the window after the last is the end.
    pub fn begin_ps(&self, index: usize) -> u64 {
        let ps = u128::from(self.span_ps) * index as u128 / u128::from(WINDOWS);
        u64::try_from(ps).unwrap_or(u64::MAX)
    }

    /// Length of a window in picoseconds. Lengths differ by one at most.
    pub fn length_ps(&self, index: usize) -> u64 {
        self.begin_ps(index + 1).saturating_sub(self.begin_ps(index))
    }
}
