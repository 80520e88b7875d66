//! What requests add up to, over all groups of tasks and by group.

use std::collections::{BTreeMap, BTreeSet};

use sim_core::{Histogram, SimTime};

use super::clock::VcpuClocks;
use crate::base::ids::{GroupId, TaskId};
use crate::base::record::{Event, Record};
use crate::trace::requests::{RequestPart, RequestSeen, Tracker};

/// The n of which the time to the n-th request is kept: powers of ten.
pub(super) const MILESTONES: usize = 7;

/// What the requests of a group, or of all, add up to in the measured phase.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestCounts {
    /// Requests that arrived from outside.
    pub(super) arrived: u64,
    /// Requests that ended.
    pub(super) ended: u64,
    /// Their latencies in nanoseconds.
    pub(super) latency: Histogram,
    pub(super) latency_sum_ps: u128,
    pub(super) latency_max_ps: u64,
    /// What their latencies consisted of.
    pub(super) parts_ps: [u128; RequestPart::ALL.len()],
    /// From the beginning of the phase to the end of the 1st, 10th, 100th and so on.
    pub(super) milestones_ps: [Option<u64>; MILESTONES],
    /// Integral of the requests in the system over time, in request-picoseconds.
    pub(super) in_system_ps: u128,
    in_system: u64,
    since: SimTime,
}

impl RequestCounts {
    fn settle(&mut self, now: SimTime) {
        let span = now.saturating_since(self.since).as_ps();
        self.since = now;
        self.in_system_ps += u128::from(self.in_system) * u128::from(span);
    }

    fn comes(&mut self, now: SimTime) {
        self.settle(now);
        self.in_system += 1;
    }

    fn leaves(&mut self, now: SimTime) {
        self.settle(now);
        self.in_system = self.in_system.saturating_sub(1);
    }

    fn count(&mut self, seen: &RequestSeen, measured: SimTime) {
        let latency = seen.latency();
        self.ended += 1;
        self.latency.record(latency.as_ns());
        self.latency_sum_ps += u128::from(latency.as_ps());
        self.latency_max_ps = self.latency_max_ps.max(latency.as_ps());
        for (part, span) in seen.parts.iter() {
            self.parts_ps[part as usize] += u128::from(span.as_ps());
        }
        let milestone = (0u32..).zip(&mut self.milestones_ps);
        for (_, at) in milestone.filter(|(power, _)| 10u64.pow(*power) == self.ended) {
            *at = Some(seen.end.saturating_since(measured).as_ps());
        }
    }

    fn begin(&mut self, now: SimTime) {
        *self = Self { in_system: self.in_system, since: now, ..Self::default() };
    }
}

/// Follows requests and tasks with an end.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests {
    tracker: Tracker,
    /// All groups together; nothing before the first request.
    pub(super) all: Option<RequestCounts>,
    /// Those groups that have requests.
    pub(super) groups: BTreeMap<GroupId, RequestCounts>,
    /// Those of them whose requests arrive before they begin.
    from_outside: BTreeSet<GroupId>,
    /// Tasks that will end, and when they did.
    pub(super) finite: BTreeMap<TaskId, Option<SimTime>>,
}

impl Requests {
    #[inline]
    pub(super) fn observe(
        &mut self,
        record: &Record,
        clocks: &VcpuClocks,
        measured: Option<SimTime>,
    ) {
        let (now, event) = (record.time, &record.event);
        match *event {
            Event::RequestArrive { group } => {
                self.from_outside.insert(group);
                for counts in self.of(group) {
                    counts.arrived += u64::from(measured.is_some());
                    counts.comes(now);
                }
            }
            Event::RequestBegin { group, .. } if !self.from_outside.contains(&group) => {
                for counts in self.of(group) {
                    counts.comes(now);
                }
            }
            Event::TaskPasses { task, .. } => {
                self.finite.insert(task, None);
            }
            Event::TaskEnd { task, .. } => {
                self.finite.insert(task, Some(now));
            }
            _ => {}
        }
        let Some(seen) = self.tracker.observe(now, event, clocks) else { return };
        for counts in self.of(seen.group) {
            counts.leaves(now);
            if let Some(measured) = measured {
                counts.count(&seen, measured);
            }
        }
    }

    /// The counts that a request of a group goes into.
    fn of(&mut self, group: GroupId) -> [&mut RequestCounts; 2] {
        [self.all.get_or_insert_default(), self.groups.entry(group).or_default()]
    }

    /// The measured phase begins; the clocks are about to forget what was before.
    pub(super) fn begin(&mut self, now: SimTime, clocks: &VcpuClocks) {
        self.tracker.before_restart(now, clocks);
        for counts in self.all.iter_mut().chain(self.groups.values_mut()) {
            counts.begin(now);
        }
    }

    /// Brings integrals up to the end.
    pub(super) fn settle(&mut self, end: SimTime) {
        for counts in self.all.iter_mut().chain(self.groups.values_mut()) {
            counts.settle(end);
        }
    }

    /// From the beginning of the phase to the end of the last task that has an end, when all have
    /// ended and the last one in the phase.
    pub(super) fn completion_ps(&self, measured: Option<SimTime>) -> Option<u64> {
        let ends: Option<Vec<SimTime>> = self.finite.values().copied().collect();
        let last = ends?.into_iter().max()?;
        Some(last.since(measured.filter(|begin| *begin <= last)?).as_ps())
    }
}
