//! Trace monitors: they read records and say whether the protocol's invariants held.
//!
//! A monitor follows from its invariant's sentence in [`catalogue`], never from a model: it
//! borrows types from the models and no logic, or the same mistake would hide twice. Each file
//! holds one family of invariants; [`MonitorSet`] sends each record to those that it concerns.

mod area;
pub mod catalogue;
mod config;
mod dispatch;
mod faults;
mod finding;
mod halts;
mod interrupts;
mod items;
mod lapic;
pub mod log;
mod messages;
mod notices;
mod observed;
mod remembered;
mod seen;
mod set;
mod sleepers;
mod spins;
mod works;

pub use catalogue::{
    CATALOGUE, Family, InTrace, Invariant, InvariantId, Kind, ParseInvariantError, Severity,
};
pub use config::{Losses, MonitorConfig};
pub use finding::{Finding, Verdict, Witness};
pub use set::MonitorSet;
