//! How a machine is run, besides what.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sim_core::{QueueKind, SimDuration, SimTime};

use crate::apf::Defects;
use crate::trace::requests::RequestKey;
use crate::trace::series::Follow;

/// How to run, besides what.
#[derive(Clone, Debug)]
pub struct RunSettings {
    /// The event queue.
    pub queue: QueueKind,
    /// Whether vCPUs run ahead; off, every operation is an event of its own.
    pub skip: bool,
    /// Time between the start barrier and the measured phase.
    pub warmup: SimDuration,
    /// Length of the measured phase.
    pub duration: SimDuration,
    /// Mistakes to be made by the protocol, besides those of the policy.
    pub defects: Defects,
    /// Whether to keep every record, 48 bytes each.
    pub keep_records: bool,
    /// What to follow of the measured phase over time.
    pub series: Follow,
    /// What else to look at.
    pub watch: Watch,
    /// Most events of the prefill, and most of the run after it; none for no bound. A run that needs
    /// more has no result. What follows the end of a run is held to the same number; see
    /// [`crate::machine::RunOutput::afterwards_cut`].
    pub events: Option<u64>,
    /// By which whoever asked for the run ends it.
    pub stop: Option<Stop>,
}

/// Ends runs that are under way, from another thread. It is looked at before every step, so that a run ends soon
/// however little happens in it; a run that it ends has no result.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Ends the runs, soon.
    pub fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the runs shall end.
    #[inline]
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl PartialEq for Stop {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Stop {}

/// What a run is to tell about single faults or requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Watch {
    /// Nothing.
    #[default]
    Nothing,
    /// Which major faults there were.
    Faults,
    /// Which requests there were, and what these did when.
    Requests(Vec<RequestKey>),
    /// The records of these spans, both ends included.
    Excerpts(Vec<(SimTime, SimTime)>),
}

impl Default for RunSettings {
    fn default() -> Self {
        Self {
            queue: QueueKind::default(),
            skip: true,
            warmup: SimDuration::ZERO,
            duration: SimDuration::from_secs(1),
            defects: Defects::none(),
            keep_records: false,
            series: Follow::Nothing,
            watch: Watch::Nothing,
            events: None,
            stop: None,
        }
    }
}
