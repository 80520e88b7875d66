//! The anatomy of faults for programs.

use models::trace::anatomy::{Anatomy, Lane};
use scenarios::{AnatomyReport, PickedFault, PolicyAnatomy};
use serde::Serialize;

use crate::anatomy::{Offset, actor, groups, happens, offset, task};

/// The report as one JSON object on one line. Times are picoseconds: offsets count from the
/// moment when the vCPU left guest mode for the fault.
pub(crate) fn anatomy(report: &AnatomyReport) -> String {
    super::written(serde_json::to_string(&Document::of(report)))
}

#[derive(Serialize)]
struct Document<'a> {
    scenario: &'a str,
    title: &'a str,
    version: &'a str,
    scenario_hash: &'a str,
    seed: u64,
    duration_s: f64,
    vcpus: u16,
    policies: Vec<Policy<'a>>,
}

#[derive(Serialize)]
struct Policy<'a> {
    policy: &'a str,
    digest: String,
    major_faults: u64,
    faults: Vec<Fault>,
}

#[derive(Serialize)]
struct Fault {
    pick: &'static str,
    rank: u64,
    exact: bool,
    task: String,
    vcpu: u16,
    gfn: u64,
    path: &'static str,
    in_walk: bool,
    begin_ps: u64,
    known_offset_ps: Offset,
    latency_ps: u64,
    parts: Vec<Part>,
    lanes: Lanes,
    steps: Vec<Step>,
}

#[derive(Serialize)]
struct Part {
    part: &'static str,
    ps: u64,
}

#[derive(Serialize)]
struct Lanes {
    task: Vec<Span>,
    others: Vec<Span>,
    vcpu: Vec<Span>,
    item: Vec<Span>,
    device: Vec<Span>,
}

#[derive(Serialize)]
struct Span {
    from_ps: Offset,
    to_ps: Offset,
    state: String,
}

#[derive(Serialize)]
struct Step {
    offset_ps: Offset,
    actor: String,
    records: Vec<&'static str>,
    text: String,
}

impl<'a> Document<'a> {
    fn of(report: &'a AnatomyReport) -> Self {
        Self {
            scenario: &report.scenario,
            title: &report.title,
            version: &report.version,
            scenario_hash: &report.scenario_hash,
            seed: report.seed,
            duration_s: report.duration.as_secs_f64(),
            vcpus: report.vcpus,
            policies: report.policies.iter().map(|policy| Policy::of(report, policy)).collect(),
        }
    }
}

impl<'a> Policy<'a> {
    fn of(report: &AnatomyReport, policy: &'a PolicyAnatomy) -> Self {
        Self {
            policy: &policy.policy,
            digest: policy.digest.to_string(),
            major_faults: policy.faults,
            faults: policy.picked.iter().map(|picked| Fault::of(report, picked)).collect(),
        }
    }
}

impl Fault {
    fn of(report: &AnatomyReport, picked: &PickedFault) -> Self {
        let PickedFault { pick, rank, exact, anatomy } = picked;
        let fault = &anatomy.fault;
        let part = |(part, span): (models::trace::anatomy::Part, sim_core::SimDuration)| Part {
            part: part.name(),
            ps: span.as_ps(),
        };
        // Programs get every step.
        let steps = groups(anatomy).map(|group| Step {
            offset_ps: offset(anatomy, group[0].time),
            actor: actor(group[0].actor),
            records: group.iter().map(|step| step.event.name()).collect(),
            text: happens(report, anatomy, group),
        });
        Self {
            pick: pick.name(),
            rank: *rank,
            exact: *exact,
            task: task(report, fault.task),
            vcpu: fault.vcpu.0,
            gfn: fault.gfn.0,
            path: fault.path.name(),
            in_walk: fault.in_walk,
            begin_ps: fault.begin.as_ps(),
            known_offset_ps: offset(anatomy, fault.known),
            latency_ps: fault.latency().as_ps(),
            parts: anatomy.parts.iter().map(part).collect(),
            lanes: Lanes::of(report, anatomy),
            steps: steps.collect(),
        }
    }
}

impl Lanes {
    fn of(report: &AnatomyReport, anatomy: &Anatomy) -> Self {
        let lanes = &anatomy.lanes;
        Self {
            task: spans(anatomy, &lanes.task, |state| state.name().into()),
            others: spans(anatomy, &lanes.others, |other| task(report, other)),
            vcpu: spans(anatomy, &lanes.vcpu, |state| state.name().into()),
            item: spans(anatomy, &lanes.item, |state| state.name().into()),
            device: spans(anatomy, &lanes.device, |state| state.name().into()),
        }
    }
}

fn spans<S: Copy>(anatomy: &Anatomy, lane: &Lane<S>, name: impl Fn(S) -> String) -> Vec<Span> {
    let span = |&(from, to, state)| Span {
        from_ps: offset(anatomy, from),
        to_ps: offset(anatomy, to),
        state: name(state),
    };
    lane.spans.iter().map(span).collect()
}
