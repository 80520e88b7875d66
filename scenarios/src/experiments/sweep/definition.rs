//! A sweep that was checked, and what a command line may say of one.

use sim_core::SimDuration;

use super::axis::Axis;
use super::point::Point;
use crate::scenario::resolve::ScenarioOverrides;
use crate::syntax::tree::Chosen;

/// Most points of a sweep.
pub const MAX_POINTS: usize = 10_000;

/// A sweep that was checked and can be run.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// Short name.
    pub name: String,
    /// One line that says which question it answers.
    pub title: String,
    /// What is varied; none when the points are variations.
    pub axes: Vec<Axis>,
    /// The points; never empty. Of a grid, the last axis changes fastest.
    pub points: Vec<Point>,
    /// Metrics that tables show instead of the median latency.
    pub metrics: Vec<String>,
    /// What is known of the workload, for laws drawn in plots.
    pub laws: Option<Laws>,
}

/// What is known of a workload in which one task faults beside one that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Laws {
    /// Time that the faulting task computes between two faults.
    pub compute: SimDuration,
}

/// What a command line may say of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SweepOverrides {
    /// Axes as `[NAME:]FIELD[,FIELD]=VALUES`, for a scenario that is no sweep.
    pub axes: Vec<String>,
    /// Fields for every point as `FIELD=VALUE`.
    pub set: Vec<String>,
    /// Metrics that tables show; none: those of the file.
    pub metrics: Vec<String>,
    /// Changes to every point, but for what its own values say.
    pub scenario: ScenarioOverrides,
}

impl SweepOverrides {
    /// The policies that are chosen.
    pub(super) fn chosen(&self) -> Chosen {
        Chosen::of(&self.scenario.policies, &self.set)
    }
}
