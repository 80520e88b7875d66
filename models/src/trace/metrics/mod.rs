//! Metrics: what the records of the measured phase add up to.
//!
//! The measured phase lies between `phase_begin` *measure* and *end*. Who is blocked, what is
//! outstanding and the like is followed from the first record on; counts and integrals start
//! with the phase. Models emit `task_run` at phase boundaries, so that no stretch crosses one.

pub(in crate::trace) mod clock;
mod collector;
mod fairness;
mod faults;
mod find;
mod given_back;
mod kind;
mod list;
mod lock_waits;
mod notices;
mod reclaim;
mod request_list;
mod requests;
#[cfg(test)]
mod tests;
mod totals;
mod traffic;
mod user_faults;
mod values;
mod vmm_list;

pub use self::collector::Metrics;
pub use self::find::{find, find_for, names};
pub use self::kind::{Better, Block, MetricKind, Unit};
pub use self::list::{METRICS, WORK_TOTAL};
pub use self::values::{GroupMetrics, Metric, MetricValues, TaskMetrics, VmMetrics};
