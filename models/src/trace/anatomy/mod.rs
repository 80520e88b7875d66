//! What happens between a major fault and the access that ends it, from records.
//!
//! Two passes over the same run: [`FaultLog`] collects the latencies, of which faults are picked;
//! [`Excerpts`] keeps the records from exit to retirement of the picked ones; [`anatomy`] turns
//! those into lanes (who does what when), steps, and the parts of the latency. A run gives the
//! same records every time, so the second pass meets the faults of the first.

mod device;
mod faults;
mod lanes;
mod parts;
mod steps;
#[cfg(test)]
mod tests;

use sim_core::{SimDuration, SimTime};

pub use self::device::DeviceState;
pub use self::faults::{Excerpts, FaultLog, FaultSeen, Faults, Pick};
pub use self::lanes::{ItemState, Lane, Lanes, TaskActivity, VcpuState};
pub use self::parts::{Part, Parts};
pub use self::steps::{Actor, Step};
use crate::base::ids::TaskId;
use crate::base::record::Record;

/// How long before the exit and after the retirement records are kept.
pub const LEAD: SimDuration = SimDuration::from_us(3);

/// One fault in detail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anatomy {
    /// Which fault.
    pub fault: FaultSeen,
    /// Who does what when, from [`LEAD`] before the exit to [`LEAD`] after the retirement.
    pub lanes: Lanes,
    /// What happens to the fault, in order.
    pub steps: Vec<Step>,
    /// What the latency consists of; the spans add up to it.
    pub parts: Parts,
}

impl Anatomy {
    /// Where the lanes end.
    pub fn lanes_end(&self) -> SimTime {
        self.fault.span().1
    }
}

impl FaultSeen {
    /// The time from the exit until the access went through.
    pub fn latency(&self) -> SimDuration {
        self.end.saturating_since(self.begin)
    }

    /// The span of records that [`anatomy`] needs.
    pub fn span(&self) -> (SimTime, SimTime) {
        let from = self.begin.as_ps().saturating_sub(LEAD.as_ps());
        let to = self.end.as_ps().saturating_add(LEAD.as_ps());
        (SimTime::from_ps(from), SimTime::from_ps(to))
    }

    /// Whether a task is the one that faulted.
    fn is_own(&self, task: Option<TaskId>) -> bool {
        task == Some(self.task)
    }
}

/// The anatomy of a fault of a machine with `vcpus` virtual processors, from the records of
/// [`FaultSeen::span`].
pub fn anatomy(vcpus: u16, fault: &FaultSeen, records: &[Record]) -> Anatomy {
    let (lanes, reads) = lanes::follow(vcpus, fault, records);
    let parts = parts::parts(fault, &lanes);
    let steps = steps::steps(vcpus, fault, &reads, records);
    Anatomy { fault: *fault, lanes, steps, parts }
}
