//! One fault in detail.

use sim_core::SimTime;

use super::faults::FaultSeen;
use super::lane::Lane;
use super::lanes::{self, Lanes};
use super::parts::{self, Part, Parts};
use super::steps::{self, Step};
use crate::base::record::Record;

/// One fault in detail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anatomy {
    /// Which fault.
    pub fault: FaultSeen,
    /// Who does what when, from [`LEAD`](super::LEAD) before the exit to [`LEAD`](super::LEAD) after the retirement.
    pub lanes: Lanes,
    /// What happens to the fault, in order.
    pub steps: Vec<Step>,
    /// What it waits for when, from begin to end without a gap.
    pub chain: Lane<Part>,
    /// What the latency consists of; the spans add up to it.
    pub parts: Parts,
}

impl Anatomy {
    /// Where the lanes end.
    pub fn lanes_end(&self) -> SimTime {
        self.fault.span().1
    }
}

/// The anatomy of a fault of a machine with `vcpus` virtual processors, from the records of
/// [`FaultSeen::span`].
pub fn anatomy(vcpus: u16, fault: &FaultSeen, records: &[Record]) -> Anatomy {
    let (lanes, reads) = lanes::follow(vcpus, fault, records);
    let chain = parts::chain(fault, &lanes);
    let parts = parts::parts(&chain);
    let steps = steps::steps(vcpus, fault, &reads, records);
    Anatomy { fault: *fault, lanes, steps, chain, parts }
}
