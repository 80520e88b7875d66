//! Sweeps on several machines: each runs a part, and the parts are merged.
//!
//! The folder of a part is that of a sweep that was interrupted, in which only the runs of the part
//! were done, and a file beside them ([`file`]) that says which part of which sweep it is. So a
//! part that was killed goes on like any sweep, and merging is to put all runs into one place and
//! to sum up a sweep of which nothing is left to run. What tells parts to run is somebody else's
//! scheduler.

mod error;
mod file;
mod merge;
mod run;
#[cfg(test)]
mod tests;

pub use self::error::ShardError;
pub use self::file::{SHARD_FILE, SweepCommand};
pub use self::merge::{merge_sweep, merge_with_sweep};
pub use self::run::{SweepShard, run_sweep_shard};
