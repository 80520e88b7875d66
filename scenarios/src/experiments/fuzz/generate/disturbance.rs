//! What happens to vCPUs meanwhile.

use std::collections::BTreeSet;

use models::base::named::Named;
use models::base::record::DisturbanceName;
use serde_json::{Value, json};

use crate::experiments::fuzz::draw::{Draw, MS, NS, US, written};
use sim_core::SimDuration;

/// In the order of time; one vCPU stays online.
pub(super) fn disturbances(draw: &Draw, vcpus: u64, end: u64) -> Vec<Value> {
    let mut number = draw.at("number");
    let number = match number.below(10) {
        0..=5 => 0,
        6..=8 => number.between(1, 4),
        _ => number.between(1, 12),
    };
    let mut times: Vec<SimDuration> =
        (0..number).map(|index| time(&draw.at("at").index(index as usize), end)).collect();
    times.sort_unstable();
    let mut offline = BTreeSet::new();
    let one = |(index, at): (usize, SimDuration)| {
        disturbance(&draw.index(index), at, vcpus, &mut offline)
    };
    times.into_iter().enumerate().map(one).collect()
}

/// What happens to handlers.
pub(super) const OF_HANDLER: [DisturbanceName; 3] = [
    DisturbanceName::HandlerDies,
    DisturbanceName::HandlerRestarts,
    DisturbanceName::DescriptorCloses,
];

fn time(draw: &Draw, end: u64) -> SimDuration {
    let mut at = draw.at("time");
    match at.below(6) {
        0 => SimDuration::ZERO,
        _ => SimDuration::from_ps(at.span(0, end - 1).as_ps().min(end - 1)),
    }
}

fn disturbance(draw: &Draw, at: SimDuration, vcpus: u64, offline: &mut BTreeSet<u64>) -> Value {
    let vcpu = draw.at("vcpu").below(vcpus);
    let mut kind = *draw.at("kind").pick(DisturbanceName::ALL);
    if kind == DisturbanceName::Offline {
        let others = offline.iter().filter(|other| **other != vcpu).count() as u64;
        if others + 1 >= vcpus {
            kind = DisturbanceName::Kick;
        } else {
            offline.insert(vcpu);
        }
    }
    if kind == DisturbanceName::Online {
        offline.remove(&vcpu);
    }
    let mut value = json!({ "at": written(at), "kind": kind.name() });
    if kind != DisturbanceName::MapWrite && !OF_HANDLER.contains(&kind) {
        value["vcpu"] = json!(vcpu);
    }
    let span = draw.at("span").span(NS, 5 * MS);
    if matches!(kind, DisturbanceName::Smi | DisturbanceName::MapWrite) {
        value["span"] = written(span);
    }
    let mut every = draw.at("every");
    if every.percent(30) {
        let gap = match every.percent(10) {
            true => every.span(US, 10 * US),
            false => every.span(20 * US, 20 * MS),
        };
        // Between two system management interrupts a vCPU runs.
        value["every"] = written(if kind == DisturbanceName::Smi { span + gap } else { gap });
    }
    value
}
