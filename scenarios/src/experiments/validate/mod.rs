//! Published experiments: what was measured elsewhere, simulated, and held against it.
//!
//! An experiment is a file (`file`) in `scenarios/validation`: published numbers with their sources,
//! setups, each a scenario with changes, and a `formula` for each number. All setups run as one batch
//! (`run`); `results` has the rule by which rows and experiments are judged.

mod definition;
mod file;
mod formula;
pub mod library;
mod quantity;
mod read;
mod results;
mod run;
mod schema;
#[cfg(test)]
mod tests;

pub use self::definition::{Experiment, Kind, Measured, Parameter, Row, Setup, TOLERANCE};
pub use self::formula::Formula;
pub use self::results::{ExperimentResult, RowResult, RowVerdict, Tally, Verdict};
pub use self::run::run_experiments;
pub use self::schema::experiment_schema_json;
