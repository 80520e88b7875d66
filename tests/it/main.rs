//! All tests of the program and across the crates in one binary, as linking takes longer than running
//! most of them. `cargo test --test it docs::tutorial` runs one module.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod arms;
mod arrows;
mod check;
mod commands;
mod determinism;
mod docs;
#[cfg(feature = "external-tests")]
mod external;
#[cfg(feature = "external-tests")]
mod external_report;
#[cfg(feature = "external-tests")]
mod external_timeline;
mod guest;
mod kit;
mod sizes;
#[cfg(feature = "external-tests")]
mod slurm;
mod tidy;
mod workers;
