//! A request that is over.

use sim_core::{SimDuration, SimTime};

use super::part::{RequestPart, RequestParts};
use crate::base::ids::{GroupId, TaskId};

/// What tells a request from all others: a task serves one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestKey {
    /// The task that served it.
    pub task: TaskId,
    /// When the task began.
    pub begin: SimTime,
}

/// A time in which a request was in one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestStretch {
    /// From when on.
    pub from: SimTime,
    /// What it was doing. The guest's kernel while its task is the current one counts as
    /// [`RequestPart::Cpu`] here: records do not say when it begins.
    pub part: RequestPart,
}

/// A request that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestSeen {
    /// The task, and when it began.
    pub key: RequestKey,
    /// The task's group.
    pub group: GroupId,
    /// How long it had waited for a task.
    pub waited: SimDuration,
    /// When it was over.
    pub end: SimTime,
    /// What the time went to.
    pub parts: RequestParts,
    /// Major faults of the task that began meanwhile.
    pub major_faults: u32,
    /// What happened when, of a request that is watched.
    pub stretches: Vec<RequestStretch>,
}

impl RequestSeen {
    /// From its arrival until it was over.
    pub fn latency(&self) -> SimDuration {
        self.waited + self.end.saturating_since(self.key.begin)
    }
}
