//! What a user reads: tables, JSON and CSV, plots.
//!
//! Everything here takes a finished result and renders it; no result is computed. A [`Report`] says
//! what a result has to show, [`formats`] how that is printed and written, and [`write_all`] puts all
//! of it into a folder.
//!
//! ```
//! use reports::{Compared, formats};
//! use scenarios::{RunOptions, Scenario, run_comparison};
//! use sim_core::SimDuration;
//!
//! let mut scenario = Scenario::load("smoke")?;
//! scenario.duration = SimDuration::from_ms(20);
//! let comparison = run_comparison(&scenario, &RunOptions::default(), &|_| {})?;
//! let report = Compared::brief(&comparison);
//! let table = formats::find("table").and_then(|format| format.print(&report));
//! assert!(table.expect("every report has a page").contains("apf-v7-2010"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod anatomy;
mod check;
mod comparison;
mod crossover;
mod device_fit;
mod diff;
pub mod explored;
mod fit;
#[cfg(test)]
mod fixture;
mod format;
pub mod formats;
pub mod fuzz;
pub mod html;
pub mod invariants;
mod json;
pub mod junit;
mod keep;
mod measure;
pub mod metrics;
mod notes;
pub mod page;
mod pages;
pub mod plot;
mod quantity;
mod report;
mod requests;
pub mod resolved;
pub mod rules;
mod runs;
mod sensitivity;
pub mod suite;
mod sweep;
mod table;
pub mod validation;
mod why;
mod write;
pub mod zoo;

pub use comparison::Compared;
pub use keep::{keep, start_over};
pub use report::{Names, Report};
pub use write::{ReportError, write_all, write_scenario};
