//! What a run does over time: the measured phase in equal windows.
//!
//! A consumer of records beside the metrics, on which nothing else depends. All arithmetic is in
//! integers, and nothing is lost between windows: sums over the windows are the metrics' totals.

mod collector;
#[cfg(test)]
mod tests;
mod values;

pub use self::collector::{Follow, Series};
pub use self::values::{Level, SeriesValues, WINDOWS, Window};
