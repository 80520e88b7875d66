//! Requests of applications: how long each took, and what the time went to.
//!
//! A request lies between `request_begin` and `request_end` of a task; where it had to wait for a task,
//! its latency begins with its arrival. `Tracker` follows open requests and divides each moment among
//! [`RequestPart`]s, so that the parts add up to the latency to the picosecond. Metrics and the
//! anatomy of requests read the same tracker.

mod log;
mod part;
mod seen;
#[cfg(test)]
mod tests;
mod tracker;

pub use self::log::{RequestLog, Requests};
pub use self::part::{RequestPart, RequestParts};
pub use self::seen::{RequestKey, RequestSeen, RequestStretch};
pub(in crate::trace) use self::tracker::Tracker;
