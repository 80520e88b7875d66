//! Estimators.
//!
//! What a simulated system does over time is counted exactly, in integers; what independent runs
//! say about it is an `f64` with an interval. Only the four operations and the square root are
//! used, which IEEE 754 defines to the last bit, so estimates too are equal on every machine.

mod histogram;
mod paired;
mod replications;
mod time_weighted;

pub use histogram::Histogram;
pub use paired::{PairedDifferences, RatioEstimate, paired_ratio};
pub use replications::{Estimate, Replications, student_t_975};
pub use time_weighted::TimeWeightedMean;

#[cfg(test)]
mod tests;
