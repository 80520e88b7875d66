//! What happens between a major fault and the access that ends it, from records.
//!
//! Two passes over the same run: [`FaultLog`] collects the latencies, of which faults are picked;
//! [`Excerpts`] keeps the records from exit to retirement of the picked ones; [`anatomy`] turns
//! those into lanes (who does what when), steps, and the parts of the latency. A run gives the
//! same records every time, so the second pass meets the faults of the first.

mod detail;
mod device;
mod faults;
mod kept;
mod lane;
mod lanes;
mod parts;
mod steps;
#[cfg(test)]
mod tests;
mod vmm;
mod works;

pub use self::detail::{Anatomy, anatomy};
pub use self::device::DeviceState;
pub use self::faults::{Excerpts, FaultLog, FaultSeen, Faults, LEAD};
pub use self::kept::{Kept, Pick, Timed};
pub use self::lane::Lane;
pub use self::lanes::{ItemState, Lanes, TaskActivity, VcpuState};
pub use self::parts::{Part, Parts};
pub use self::steps::{Actor, Step};
