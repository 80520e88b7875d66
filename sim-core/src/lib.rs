//! The discrete-event kernel. It knows nothing of what is simulated.

pub mod time;

pub use time::{Cycles, Frequency, ParseUnitError, SimDuration, SimTime};
