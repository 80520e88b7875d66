//! The links of a request or a fault.

use sim_core::{SimDuration, SimTime};

use super::cause::{Cause, Causes, Doing};
use super::scene::Scene;
use crate::base::ids::TaskId;
use crate::base::record::Record;
use crate::trace::anatomy::{Anatomy, FaultLog, FaultSeen, Part, anatomy};
use crate::trace::requests::{RequestPart, RequestSeen};

/// A stretch of time in which one thing is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// From when.
    pub from: SimTime,
    /// To when, which is where the next link begins.
    pub to: SimTime,
    /// What happens.
    pub doing: Doing,
    /// Who or what is behind it.
    pub causes: Vec<Cause>,
}

impl Link {
    /// How long it is.
    pub fn span(&self) -> SimDuration {
        self.to.saturating_since(self.from)
    }
}

/// From the arrival of a request, or the begin of a fault, to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The task.
    pub task: TaskId,
    /// The links, in order and without a gap.
    pub links: Vec<Link>,
    /// The faults that come up in it.
    pub faults: Vec<FaultSeen>,
}

/// Why a request took so long. `request` is one that was watched, `scene` holds what goes on from
/// its arrival to its end.
pub fn of_request(request: &RequestSeen, scene: &Scene) -> Chain {
    let task = request.key.task;
    let faults = faults_of(task, request.key.begin, request.end, scene);
    let causes = Causes { scene, task, group: Some(request.group), faults: &faults };
    let mut links = Vec::new();
    let mut add = |from: SimTime, to: SimTime, doing: Doing| {
        if from < to {
            links.push(Link { from, to, doing, causes: causes.of(from, to, doing) });
        }
    };
    let begin = request.key.begin;
    let arrival = SimTime::from_ps(begin.as_ps().saturating_sub(request.waited.as_ps()));
    add(arrival, begin, Doing::Request(RequestPart::Queue));
    for (place, stretch) in request.stretches.iter().enumerate() {
        let end = request.stretches.get(place + 1).map_or(request.end, |next| next.from);
        match stretch.part {
            RequestPart::Device => {
                for (from, to, doing) in own_page(&faults, stretch.from, end) {
                    add(from, to, doing);
                }
            }
            part => add(stretch.from, end, Doing::Request(part)),
        }
    }
    Chain { task, links, faults: faults.into_iter().map(|anatomy| anatomy.fault).collect() }
}

/// Why a fault took so long. `scene` holds what goes on around it.
pub fn of_fault(fault: &FaultSeen, scene: &Scene) -> Chain {
    let faults = [shown(fault, scene)];
    let causes = Causes { scene, task: fault.task, group: None, faults: &faults };
    let spans = faults[0].chain.spans.iter();
    let link = |&(from, to, part): &(SimTime, SimTime, Part)| {
        let doing = Doing::Fault(0, part);
        Link { from, to, doing, causes: causes.of(from, to, doing) }
    };
    Chain { task: fault.task, links: spans.map(link).collect(), faults: vec![*fault] }
}

/// The faults of a task that begin and end within a span.
fn faults_of(task: TaskId, from: SimTime, to: SimTime, scene: &Scene) -> Vec<Anatomy> {
    let mut log = FaultLog::measuring(scene.vcpus);
    log.observe(scene.records());
    let all = log.finish();
    let own = all.iter().filter(|it| it.task == task && it.begin >= from && it.end <= to);
    let mut own: Vec<FaultSeen> = own.copied().collect();
    own.sort_by_key(|fault| (fault.begin, fault.end));
    own.iter().map(|fault| shown(fault, scene)).collect()
}

fn shown(fault: &FaultSeen, scene: &Scene) -> Anatomy {
    let (from, to) = fault.span();
    anatomy(scene.vcpus, fault, between(scene.records(), from, to))
}

/// The records from one moment to another, both included.
fn between(records: &[Record], from: SimTime, to: SimTime) -> &[Record] {
    let first = records.partition_point(|record| record.time < from);
    let end = records.partition_point(|record| record.time <= to);
    &records[first..end]
}

/// A stretch of waiting for an own page, divided as its fault is. What no fault covers stays what it is.
fn own_page(faults: &[Anatomy], from: SimTime, to: SimTime) -> Vec<(SimTime, SimTime, Doing)> {
    let mut links = Vec::new();
    let mut at = from;
    for (number, fault) in faults.iter().enumerate() {
        for &(begin, end, part) in &fault.chain.spans {
            let (begin, end) = (begin.max(at), end.min(to));
            if begin >= end {
                continue;
            }
            links.push((at, begin, Doing::Request(RequestPart::Device)));
            links.push((begin, end, Doing::Fault(number, part)));
            at = end;
        }
    }
    links.push((at, to, Doing::Request(RequestPart::Device)));
    links
}
