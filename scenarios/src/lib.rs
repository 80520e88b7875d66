//! What a user writes: scenario files, and what becomes of them.
//!
//! A scenario is a JSON file with comments. It is read in three steps, each of which knows the place
//! of what it complains about: text to a tree of placed values (`tree`), tree to typed structs
//! ([`mod@file`], by a serde deserializer of our own in `de`), structs to a checked [`Scenario`]
//! ([`resolve`]) with presets and defaults filled in. A scenario expands to a [`plan`] of numbered
//! independent runs, and [`run_comparison`] runs them on several threads and sums them up in a
//! [`Comparison`].
//!
//! ```no_run
//! use scenarios::{RunOptions, Scenario, run_comparison};
//!
//! let scenario = Scenario::load("smoke")?;
//! let comparison = run_comparison(&scenario, &RunOptions::default(), &|_| {})?;
//! for ratio in &comparison.ratios {
//!     let _ = (&ratio.policy, &ratio.metric, ratio.mean);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The file format is documented in `docs/scenario-format.md`, and as a schema in
//! `scenarios/schema/scenario-1.json` ([`schema_json`]). Built-in scenarios are in [`library`].

pub mod anatomy;
mod canonical;
pub mod check;
pub mod checksum;
pub mod crossover;
mod de;
mod error;
pub mod expect;
pub mod file;
mod files;
pub mod fit;
mod folder;
pub mod fuzz;
pub mod library;
mod notes;
mod patch;
pub mod plan;
pub mod replay;
pub mod resolve;
pub mod results;
mod runner;
mod schema;
mod store;
mod stored;
mod suggest;
mod summary;
pub mod sweep;
mod trace_file;
mod tree;
pub mod units;
mod visible;
pub mod zoo;

pub use anatomy::{AnatomyError, AnatomyReport, PickedFault, PolicyAnatomy, run_anatomy};
pub use check::{CheckError, CheckOptions, CheckReport, check, check_path};
pub use crossover::{Crossover, CrossoverError, CrossoverQuestion, find_crossover};
pub use error::{Diagnostic, MAX_FILE_BYTES, RunnerError, ScenarioError, help_for_unknown};
pub use files::write_file;
pub use fit::{FitError, FitOptions, FitReport, fit_path};
pub use folder::FolderLock;
pub use notes::{Note, NoteKind};
pub use plan::Plan;
pub use replay::{ReplayError, ReplayFile};
pub use resolve::{Scenario, ScenarioOverrides};
pub use results::{
    Comparison, FindingSummary, FindingVerdict, MetricSummary, PolicyResult, Published, Ratio,
    TaskSummary,
};
pub use runner::{Progress, RunOptions, run_comparison};
pub use schema::{schema_json, sweep_schema_json};
pub use store::RUNS_FILE;
pub use suggest::suggestion;
pub use sweep::{Sweep, SweepOverrides, SweepResult, run_sweep};
pub use trace_file::explored_log;
pub use visible::visible;

/// Version of the program, as results name it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Version and build, on two lines.
pub const LONG_VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\nbuild ", env!("APFSIM_BUILD"));

/// The build of the program: a hash over the sources that decide results, 32 hexadecimal digits.
/// Stored runs of another build are not believed.
pub const BUILD: &str = env!("APFSIM_BUILD");
