//! Sweeps: one scenario with some of its fields changed, many times.
//!
//! A sweep is a file (`file`) or made from a command line (`words`); either is read to a
//! `spec`, which expands to numbered points. A point is the scenario's tree with values put into
//! it, resolved like any scenario. Points are run together (`run`).

mod axis;
mod changes;
mod collide;
mod definition;
mod file;
mod point;
pub(crate) mod range;
mod results;
mod run;
mod schema;
mod screening;
mod settings;
pub mod shard;
mod spec;
#[cfg(test)]
mod tests;
pub(crate) mod words;

pub use self::axis::{Axis, AxisKind};
pub(crate) use self::changes::settings;
pub use self::definition::{Laws, MAX_POINTS, Sweep, SweepOverrides};
pub(crate) use self::file::AnyValue;
pub use self::point::Point;
pub(crate) use self::point::{Base, Patch};
pub use self::results::{PointResult, SweepResult};
pub use self::run::run_sweep;
pub use self::schema::sweep_schema_json;
pub use self::screening::{
    AxisEffect, FEWEST_TRAJECTORIES, Screening, Sensitivity, SensitivityResult, TRAJECTORIES,
    run_screening,
};
use self::spec::Spec;
use crate::syntax::error::ScenarioError;

impl Sweep {
    /// Loads a sweep by path, or a built-in one by name, or makes one of a scenario and the axes
    /// of a command line.
    ///
    /// # Errors
    /// When there is none, when it cannot be read, when its content or the content of its scenario
    /// is wrong, or when a value is not valid at its point.
    pub fn load(path_or_name: &str, overrides: &SweepOverrides) -> Result<Self, ScenarioError> {
        let mut spec = Spec::load(path_or_name, &overrides.chosen())?;
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
        let mut spec = Spec::from_text(file, text, &overrides.chosen())?;
        spec.add(overrides)?;
        spec.sweep(&overrides.scenario)
    }
}
