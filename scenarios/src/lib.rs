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
//! # Examples
//!
//! A built-in scenario, shortened, under all its policies:
//!
//! ```
//! use scenarios::{RunOptions, Scenario, run_comparison};
//! use sim_core::SimDuration;
//!
//! let mut scenario = Scenario::load("smoke")?;
//! scenario.duration = SimDuration::from_ms(50);
//! let comparison = run_comparison(&scenario, &RunOptions::default(), &|_| {})?;
//! let gain = comparison.ratio("apf-v7-2010", "work_total").expect("work is counted");
//! assert!(gain.mean > 1.0, "{}", gain.mean);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Parts of one's own: a machine whose device is another one, a policy that may have four faults outstanding, and a
//! sink, which sees every record of the run:
//!
//! ```
//! use std::ops::ControlFlow;
//!
//! use models::base::record::{Event, Record};
//! use models::config::{DeviceConfig, RamConfig};
//! use models::machine::{self, RunSettings};
//! use models::presets::policies;
//! use scenarios::Scenario;
//! use sim_core::SimDuration;
//!
//! let mut scenario = Scenario::load("smoke")?;
//! scenario.machine.host.device = DeviceConfig::Ram(RamConfig {
//!     latency: SimDuration::from_us(200),
//!     copy_per_page: SimDuration::from_us(1),
//!     synchronous: false,
//! });
//! let mut policy = policies::policy("apf-v7-2010").expect("it is built in");
//! policy.rules.cap = 4;
//!
//! let (mut not_present, mut ready) = (0, 0);
//! let mut sink = |records: &[Record]| {
//!     for record in records {
//!         match record.event {
//!             Event::KvmAsyncPfNotPresent { .. } => not_present += 1,
//!             Event::KvmAsyncPfReady { .. } => ready += 1,
//!             _ => {}
//!         }
//!     }
//!     ControlFlow::Continue(())
//! };
//! let settings = RunSettings { duration: SimDuration::from_ms(50), ..RunSettings::default() };
//! let prefix = machine::prefill(&scenario.machine, 7, &settings)?;
//! let output = machine::run_observed(&prefix, &policy, &settings, Some(&mut sink))?;
//! assert!(not_present > 100 && ready <= not_present, "{not_present} {ready}");
//! assert!(output.findings.iter().all(|finding| finding.count == 0));
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
    SHARD_FILE, ShardError, SweepCommand, SweepShard, merge_sweep, merge_with_sweep,
    run_sweep_shard,
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
pub use logs::pages::{AroundRow, PageOrder, PagesError, PagesOptions, PagesReport, pages_of_log};
pub use run::error::RunnerError;
pub use run::files::{read_named, read_text, write_file};
pub use run::folder::{FolderLock, RUNS_FILE, SCENARIO_FILE, keep_scenario, start_over};
pub use run::plan::Plan;
pub use run::replay::{ReplayError, ReplayFile};
pub use run::results::{
    Comparison, FindingSummary, FindingVerdict, MetricSummary, Note, NoteKind, PolicyResult, Ratio,
    TaskSummary,
};
pub use run::runner::{Claim, Progress, RunOptions, Stop, run_comparison};
pub use run::shard::{NoShard, Shard, ShardRuns};
pub use scenario::kept::{KeptFile, KeptScenario};
pub use scenario::published::Published;
pub use scenario::resolve::{Scenario, ScenarioOverrides};
pub use scenario::schema::schema_json;
pub use syntax::error::{Diagnostic, MAX_FILE_BYTES, ScenarioError, help_for_unknown};
pub use syntax::suggest::suggestion;
pub use syntax::units::Bytes;
pub use syntax::visible::visible;
pub use version::{BUILD, LONG_VERSION, VERSION};
