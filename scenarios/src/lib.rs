//! What a user writes: scenario files, and what becomes of them.
//!
//! A scenario is a JSON file with comments. It is read in three steps, each of which knows the place
//! of what it complains about: text to a tree of placed values ([`syntax`]), tree to typed structs
//! ([`scenario::file`]), structs to a checked [`Scenario`] ([`scenario::resolve`]) with presets and
//! defaults filled in. A scenario expands to a [plan](run::plan) of numbered independent runs, and
//! [`run_comparison`] runs them on several threads and sums them up in a [`Comparison`].
//! [`experiments`], [`logs`] and [`zoo`] ask more of runs; none of the three is known to what is
//! below.
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
//! `scenarios/schema/scenario-1.json` ([`schema_json`]). Built-in scenarios are in
//! [`scenario::library`].

pub mod experiments;
pub mod logs;
pub mod run;
pub mod scenario;
pub mod syntax;
mod version;
pub mod zoo;

pub use experiments::anatomy::{
    AnatomyError, AnatomyReport, PickedFault, PolicyAnatomy, run_anatomy,
};
pub use experiments::crossover::{Crossover, CrossoverError, CrossoverQuestion, find_crossover};
pub use experiments::request_anatomy::{
    PickedRequest, PolicyRequests, RequestAnatomyError, RequestReport, run_request_anatomy,
};
pub use experiments::sweep::shard::{
    ShardError, SweepCommand, SweepShard, merge_sweep, run_sweep_shard,
};
pub use experiments::sweep::{
    Screening, SensitivityResult, Sweep, SweepOverrides, SweepResult, run_screening, run_sweep,
    sweep_schema_json,
};
pub use experiments::validate::experiment_schema_json;
pub use logs::check::{CheckError, CheckOptions, CheckReport, check, check_path};
pub use logs::device::{DeviceFitError, DeviceFitOptions, DeviceFitReport, fit_device};
pub use logs::explored::explored_log;
pub use logs::fit::{FitError, FitOptions, FitReport, fit_path};
pub use run::error::RunnerError;
pub use run::files::write_file;
pub use run::folder::{FolderLock, RUNS_FILE, start_over};
pub use run::plan::Plan;
pub use run::replay::{ReplayError, ReplayFile};
pub use run::results::{
    Comparison, FindingSummary, FindingVerdict, MetricSummary, Note, NoteKind, PolicyResult, Ratio,
    TaskSummary,
};
pub use run::runner::{Progress, RunOptions, Stop, run_comparison};
pub use run::shard::{NoShard, Shard, ShardRuns};
pub use scenario::published::Published;
pub use scenario::resolve::{Scenario, ScenarioOverrides};
pub use scenario::schema::schema_json;
pub use syntax::error::{Diagnostic, MAX_FILE_BYTES, ScenarioError, help_for_unknown};
pub use syntax::suggest::suggestion;
pub use syntax::units::Bytes;
pub use syntax::visible::visible;
pub use version::{BUILD, LONG_VERSION, VERSION};
