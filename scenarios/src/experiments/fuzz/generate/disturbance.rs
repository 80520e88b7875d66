//! What happens to vCPUs meanwhile.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::experiments::fuzz::draw::{Draw, MS, NS, US, written};
use sim_core::SimDuration;

const KINDS: [&str; 10] = [
    "offline",
    "online",
    "smi",
    "kick",
    "memslot_change",
    "lapic_off",
    "lapic_on",
    "map_write",
    "refused_en",
    "wake_all_fails",
];

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

fn time(draw: &Draw, end: u64) -> SimDuration {
    let mut at = draw.at("time");
    match at.below(6) {
        0 => SimDuration::ZERO,
        _ => SimDuration::from_ps(at.span(0, end - 1).as_ps().min(end - 1)),
    }
}

fn disturbance(draw: &Draw, at: SimDuration, vcpus: u64, offline: &mut BTreeSet<u64>) -> Value {
    let vcpu = draw.at("vcpu").below(vcpus);
    let mut kind = *draw.at("kind").pick(&KINDS);
    if kind == "offline" {
        let others = offline.iter().filter(|other| **other != vcpu).count() as u64;
        if others + 1 >= vcpus {
            kind = "kick";
        } else {
            offline.insert(vcpu);
        }
    }
    if kind == "online" {
        offline.remove(&vcpu);
    }
    let mut value = json!({ "at": written(at), "kind": kind });
    if kind != "map_write" {
        value["vcpu"] = json!(vcpu);
    }
    let span = draw.at("span").span(NS, 5 * MS);
    if matches!(kind, "smi" | "map_write") {
        value["span"] = written(span);
    }
    let mut every = draw.at("every");
    if every.percent(30) {
        let gap = match every.percent(10) {
            true => every.span(US, 10 * US),
            false => every.span(20 * US, 20 * MS),
        };
        // Between two system management interrupts a vCPU runs.
        value["every"] = written(if kind == "smi" { span + gap } else { gap });
    }
    value
}
