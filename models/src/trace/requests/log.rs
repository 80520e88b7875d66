//! The requests of a run, one by one.

use sim_core::SimTime;

use super::seen::{RequestKey, RequestSeen};
use super::tracker::Tracker;
use crate::base::ids::TaskId;
use crate::base::record::{Event, Phase, Record};
use crate::trace::anatomy::{Kept, Timed};
use crate::trace::metrics::clock::{State, VcpuClocks};

/// Requests that a log keeps at most; some 200 bytes each.
const MOST: usize = 1 << 18;

impl Timed for RequestSeen {
    fn order(&self) -> (u64, SimTime, TaskId) {
        (self.latency().as_ps(), self.key.begin, self.key.task)
    }
}

/// Collects the requests that end in the measured phase, and keeps what the watched ones did.
#[derive(Clone, Debug)]
pub struct RequestLog {
    measuring: bool,
    clocks: VcpuClocks,
    tracker: Tracker,
    watched: Vec<RequestKey>,
    found: Vec<RequestSeen>,
    seen: Kept<RequestSeen>,
}

impl RequestLog {
    /// The log of a run with `vcpus` virtual processors from its begin on; of these requests it says
    /// what happened when.
    pub fn new(vcpus: u16, watched: Vec<RequestKey>) -> Self {
        Self {
            measuring: false,
            clocks: VcpuClocks::new(vcpus),
            tracker: Tracker::watching(watched.clone()),
            watched,
            found: Vec::new(),
            seen: Kept::keeping(MOST),
        }
    }

    /// Takes in the next records.
    pub fn observe(&mut self, records: &[Record]) {
        for &Record { time, event } in records {
            if let Event::PhaseBegin { phase } = event {
                self.measuring = phase == Phase::Measure;
            }
            if let Event::RequestBegin { vcpu, .. } = event
                && self.clocks.state(vcpu) != Some(State::Guest)
            {
                // Its entry may lie before the first record: a program runs in guest mode.
                self.clocks.observe(time, Event::KvmEntry { vcpu });
            }
            self.clocks.observe(time, event);
            let seen = self.tracker.observe(time, &event, &self.clocks);
            let Some(seen) = seen.filter(|_| self.measuring) else { continue };
            if self.watched.contains(&seen.key) {
                self.found.push(seen.clone());
            }
            self.seen.add(RequestSeen { stretches: Vec::new(), ..seen });
        }
    }

    /// The requests so far.
    pub fn finish(&self) -> Requests {
        Requests { all: self.seen.clone(), watched: self.found.clone() }
    }
}

/// The requests of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requests {
    /// All of them; many are thinned out.
    pub all: Kept<RequestSeen>,
    /// The watched ones, with what they did when, in order of their ends.
    pub watched: Vec<RequestSeen>,
}
