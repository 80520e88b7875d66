//! What a user reads: tables, JSON and CSV, plots.
//!
//! Everything here takes a finished [`Comparison`](scenarios::Comparison) and renders it; no
//! result is computed. [`table`] is for mails and terminals, [`json`] for programs, [`plot`] for
//! papers, and [`write_all`] puts all of them into a folder. [`sweep`] and [`crossover`] do the same
//! for many comparisons.

mod anatomy;
pub mod check;
pub mod crossover;
pub mod fit;
#[cfg(test)]
mod fixture;
mod format;
pub mod json;
pub mod metrics;
mod notes;
pub mod plot;
pub mod sweep;
pub mod table;
mod write;

pub use write::{ReportError, write_all, write_anatomy, write_check, write_fit, write_scenario};
