//! Which faults there were, and the records around those that are picked.

use sim_core::{SimDuration, SimTime};

use super::kept::{Kept, MOST, Timed};
use crate::base::abi::{StoppedAt, stopped_at};
use crate::base::ids::{Gfn, TaskId, VcpuId};
use crate::base::record::{Event, FaultPath, Phase, Record};

/// How long before the exit and after the retirement records are kept.
pub const LEAD: SimDuration = SimDuration::from_us(3);

/// A major fault that began and ended in the measured phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultSeen {
    /// The vCPU on which it began.
    pub vcpu: VcpuId,
    /// The task whose access it is.
    pub task: TaskId,
    /// The frame.
    pub gfn: Gfn,
    /// How the host first handled it.
    pub path: FaultPath,
    /// What was missing is a table of the guest's, which a walk needed.
    pub in_walk: bool,
    /// When the vCPU left guest mode for it; latencies count from here.
    pub begin: SimTime,
    /// When it was known to need I/O.
    pub known: SimTime,
    /// When the access went through.
    pub end: SimTime,
}

impl FaultSeen {
    /// The time from the exit until the access went through.
    pub fn latency(&self) -> SimDuration {
        self.end.saturating_since(self.begin)
    }

    /// The span of records that [`anatomy`](super::anatomy) needs.
    pub fn span(&self) -> (SimTime, SimTime) {
        let from = self.begin.as_ps().saturating_sub(LEAD.as_ps());
        let to = self.end.as_ps().saturating_add(LEAD.as_ps());
        (SimTime::from_ps(from), SimTime::from_ps(to))
    }

    /// Whether a task is the one that faulted.
    pub(super) fn is_own(&self, task: Option<TaskId>) -> bool {
        task == Some(self.task)
    }
}

/// Collects the major faults of a run.
///
/// When there are more than a million it keeps every second, fourth and so on, and the slowest.
#[derive(Clone, Debug)]
pub struct FaultLog {
    measuring: bool,
    /// When each vCPU last left guest mode for a fault.
    exits: Vec<Option<SimTime>>,
    /// Whether each vCPU's last fault was one in a walk.
    in_walk: Vec<bool>,
    /// Faults that have not ended; `end` is not valid yet.
    open: Vec<FaultSeen>,
    faults: Faults,
}

/// The faults of a run.
pub type Faults = Kept<FaultSeen>;

impl Timed for FaultSeen {
    fn order(&self) -> (u64, SimTime, TaskId) {
        (self.latency().as_ps(), self.begin, self.task)
    }
}

impl FaultLog {
    /// The log of a run with `vcpus` virtual processors, before its measured phase.
    pub fn new(vcpus: u16) -> Self {
        Self::keeping(vcpus, MOST)
    }

    /// As [`new`](Self::new), in the middle of the measured phase.
    pub(in crate::trace) fn measuring(vcpus: u16) -> Self {
        Self { measuring: true, ..Self::new(vcpus) }
    }

    pub(super) fn keeping(vcpus: u16, most: usize) -> Self {
        Self {
            measuring: false,
            exits: vec![None; usize::from(vcpus)],
            in_walk: vec![false; usize::from(vcpus)],
            open: Vec::new(),
            faults: Kept::keeping(most),
        }
    }

    /// Takes in the next records.
    pub fn observe(&mut self, records: &[Record]) {
        for &Record { time, event } in records {
            match event {
                Event::PhaseBegin { phase } => self.measuring = phase == Phase::Measure,
                Event::KvmExit { vcpu, reason } if reason.is_fault() => {
                    if let Some(exit) = self.exits.get_mut(vcpu.index()) {
                        *exit = Some(time);
                    }
                }
                Event::ShadowFault { vcpu, .. } => {
                    if let Some(in_walk) = self.in_walk.get_mut(vcpu.index()) {
                        *in_walk = false;
                    }
                }
                Event::KvmPageFault { vcpu, error_code, .. } => {
                    if let Some(in_walk) = self.in_walk.get_mut(vcpu.index()) {
                        *in_walk = stopped_at(error_code) == StoppedAt::Table;
                    }
                }
                Event::MajorFaultBegin { vcpu, task, gfn, path } if self.measuring => {
                    let in_walk = self.in_walk.get(vcpu.index()).is_some_and(|&in_walk| in_walk);
                    let exit = self.exits.get(vcpu.index()).copied().flatten();
                    let begin = exit.unwrap_or(time);
                    let (known, end) = (time, time);
                    let fault = FaultSeen { vcpu, task, gfn, path, in_walk, begin, known, end };
                    self.open.push(fault);
                }
                Event::MajorFaultEnd { task, gfn, .. } => {
                    let mut open = self.open.iter();
                    let place = open.position(|fault| fault.task == task && fault.gfn == gfn);
                    if let Some(place) = place {
                        let fault = self.open.swap_remove(place);
                        self.faults.add(FaultSeen { end: time, ..fault });
                    }
                }
                _ => {}
            }
        }
    }

    /// The faults so far.
    pub fn finish(&self) -> Faults {
        self.faults.clone()
    }
}

/// Keeps the records of some spans of a run.
#[derive(Clone, Debug, Default)]
pub struct Excerpts {
    spans: Vec<(SimTime, SimTime)>,
    kept: Vec<Vec<Record>>,
}

impl Excerpts {
    /// Will keep the records between each pair of times, both included.
    pub fn new(spans: &[(SimTime, SimTime)]) -> Self {
        Self { spans: spans.to_vec(), kept: vec![Vec::new(); spans.len()] }
    }

    /// Takes in the next records.
    pub fn observe(&mut self, records: &[Record]) {
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return };
        for (&(from, to), kept) in self.spans.iter().zip(&mut self.kept) {
            if last.time < from || first.time > to {
                continue;
            }
            let begin = records.partition_point(|record| record.time < from);
            let end = records.partition_point(|record| record.time <= to);
            kept.extend_from_slice(&records[begin..end]);
        }
    }

    /// The records of each span.
    pub fn finish(self) -> Vec<Vec<Record>> {
        self.kept
    }
}
