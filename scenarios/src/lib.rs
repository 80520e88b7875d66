//! What a user writes: scenario files, and what becomes of them.
//!
//! A scenario is a JSON file with comments. It is read in three steps, each of which knows the place
//! of what it complains about: text to a tree of placed values (`tree`), tree to typed structs
//! ([`scenario::file`], by a serde deserializer of our own in `de`), structs to a checked [`Scenario`]
//! ([`scenario::resolve`]) with presets and defaults filled in. A scenario expands to a [plan](run::plan) of numbered
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
//! `scenarios/schema/scenario-1.json` ([`schema_json`]). Built-in scenarios are in [`scenario::library`].

pub mod experiments;
pub mod logs;
pub mod run;
pub mod scenario;
pub mod syntax;
pub mod zoo;

pub use experiments::anatomy::{
    AnatomyError, AnatomyReport, PickedFault, PolicyAnatomy, run_anatomy,
};
pub use experiments::crossover::{Crossover, CrossoverError, CrossoverQuestion, find_crossover};
pub use experiments::sweep::{Sweep, SweepOverrides, SweepResult, run_sweep};
pub use logs::check::{CheckError, CheckOptions, CheckReport, check, check_path};
pub use logs::fit::{FitError, FitOptions, FitReport, fit_path};
pub use run::files::write_file;
pub use run::folder::FolderLock;
pub use run::notes::{Note, NoteKind};
pub use run::plan::Plan;
pub use run::replay::{ReplayError, ReplayFile};
pub use run::results::{
    Comparison, FindingSummary, FindingVerdict, MetricSummary, PolicyResult, Published, Ratio,
    TaskSummary,
};
pub use run::runner::{Progress, RunOptions, run_comparison};
pub use run::store::RUNS_FILE;
pub use run::trace_file::explored_log;
pub use scenario::resolve::{Scenario, ScenarioOverrides};
pub use scenario::schema::{schema_json, sweep_schema_json};
pub use syntax::error::{Diagnostic, MAX_FILE_BYTES, RunnerError, ScenarioError, help_for_unknown};
pub use syntax::suggest::suggestion;
pub use syntax::visible::visible;

/// Version of the program, as results name it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Version and build, on two lines.
pub const LONG_VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\nbuild ", env!("APFSIM_BUILD"));

/// The build of the program: a hash over the sources that decide results, 32 hexadecimal digits.
/// Stored runs of another build are not believed.
pub const BUILD: &str = env!("APFSIM_BUILD");
