//! Sweeps: one scenario with some of its fields changed, many times.
//!
//! A sweep is a file ([`mod@file`]) or made from a command line ([`words`]); either is read to a
//! [`spec`], which expands to numbered points. A point is the scenario's tree with values put into
//! it, resolved like any scenario. Points are run together ([`run`]).

mod axis;
mod collide;
mod file;
mod point;
pub(crate) mod range;
mod results;
mod run;
mod spec;
#[cfg(test)]
mod tests;
pub(crate) mod words;

use sim_core::SimDuration;

pub use self::axis::{Axis, AxisKind};
pub(crate) use self::file::SweepFile;
pub use self::point::Point;
pub(crate) use self::point::{Base, Patch};
pub use self::results::{PointResult, SweepResult};
pub use self::run::run_sweep;
use self::spec::Spec;
use crate::scenario::resolve::ScenarioOverrides;
use crate::syntax::error::ScenarioError;

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
    /// Axes as `FIELD[,FIELD]=VALUES`, for a scenario that is no sweep.
    pub axes: Vec<String>,
    /// Fields for every point as `FIELD=VALUE`.
    pub set: Vec<String>,
    /// Metrics that tables show; none: those of the file.
    pub metrics: Vec<String>,
    /// Changes to every point, but for what its own values say.
    pub scenario: ScenarioOverrides,
}

impl Sweep {
    /// Loads a sweep by path, or a built-in one by name, or makes one of a scenario and the axes
    /// of a command line.
    ///
    /// # Errors
    /// When there is none, when it cannot be read, when its content or the content of its scenario
    /// is wrong, or when a value makes no sense at its point.
    pub fn load(path_or_name: &str, overrides: &SweepOverrides) -> Result<Self, ScenarioError> {
        let mut spec = Spec::load(path_or_name)?;
        spec.add(overrides)?;
        spec.sweep(&overrides.scenario)
    }

    /// Reads a sweep from text; `file` is its name in messages, and the scenario that it names is
    /// looked for beside it.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn from_str(
        file: &str,
        text: &str,
        overrides: &SweepOverrides,
    ) -> Result<Self, ScenarioError> {
        let mut spec = Spec::from_text(file, text)?;
        spec.add(overrides)?;
        spec.sweep(&overrides.scenario)
    }
}
