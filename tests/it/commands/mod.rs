//! The commands from outside.

mod anatomy;
mod begin;
mod change;
mod cli;
mod diff;
mod explore;
mod fit;
mod fit_device;
mod fit_pages;
mod fuzz;
mod invariants;
mod kept;
mod precision;
mod replay;
mod report;
mod rules;
mod settings;
pub(crate) mod shard;
mod shell;
mod stored;
mod sweep;
mod told;
mod trace;
mod validate;
mod zoo;
