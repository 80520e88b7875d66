//! Policies: built-in ones, and custom ones whose rules make sense.

use models::apf::Defect;
use models::apf::rules::{GuestMemfd, Mechanism, PARTS, ResolvedBy, Workers};
use models::config::Policy;
use models::presets::policies;
use serde_json::{Map, Value, json};

use super::workload::Shape;
use crate::experiments::fuzz::draw::Draw;

/// What the memory of a machine asks of its policies.
#[derive(Clone, Copy)]
pub(super) struct Memory {
    /// Regions are in guest_memfd, which only newer hosts have.
    memfd: bool,
    /// Regions are in several stores, whose handlers could not read one ring.
    stores: bool,
}

impl Memory {
    pub(super) fn of(shape: &Shape) -> Self {
        Self { memfd: shape.has_memfd(), stores: shape.named_stores() > 1 }
    }
}

pub(super) fn policies(draw: &Draw, memory: Memory) -> Vec<Value> {
    let fits = |name: &&str| policies::policy(name).is_some_and(|one| knows(&one, memory));
    let names: Vec<&str> = policies::policy_names().into_iter().filter(fits).collect();
    let number = *draw.at("number").pick(&[1, 1, 2, 2, 3]);
    let mut policies: Vec<Value> = Vec::new();
    for index in 0..number {
        let draw = draw.index(index);
        let mut form = draw.at("form");
        let policy = match form.percent(20) {
            true => custom(&draw, index, &names, memory),
            false => json!(form.pick(&names)),
        };
        if !policies.contains(&policy) {
            policies.push(policy);
        }
    }
    policies
}

fn knows(policy: &Policy, memory: Memory) -> bool {
    let rules = &policy.rules;
    let by_vmm =
        rules.workers == Workers::Workqueue && rules.resolved_by != ResolvedBy::Userfaultfd;
    (!memory.memfd || !policy.host_async || rules.guest_memfd != GuestMemfd::None)
        && (rules.resolved_by == ResolvedBy::Kernel || by_vmm)
        && (rules.resolved_by != ResolvedBy::Ring || !memory.stores)
}

fn custom(draw: &Draw, index: usize, names: &[&str], memory: Memory) -> Value {
    let mut base = draw.at("base");
    let name = *base.pick(names);
    let mut value = json!({ "name": format!("custom-{index}") });
    // A generation stands for its policy.
    let generation = name.strip_prefix("apf-").filter(|_| base.percent(50));
    value["base"] = json!(generation.unwrap_or(name));
    if let Some(policy) = policies::policy(name) {
        let set = settings(&draw.at("set"), &policy, memory);
        if !set.is_empty() {
            value["set"] = Value::Object(set);
        }
    }
    let mut defects = draw.at("defects");
    if defects.percent(40) {
        let mut names: Vec<&str> = Vec::new();
        for _ in 0..defects.between(1, 2) {
            let name = defects.pick(Defect::ALL).name();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        value["defects"] = json!(names);
    }
    value
}

/// Mechanisms that differ. One that cannot be combined with the others is left out.
fn settings(draw: &Draw, policy: &Policy, memory: Memory) -> Map<String, Value> {
    let mut rules = policy.rules;
    let mut set = Map::new();
    for index in 0..draw.at("number").between(0, 4) as usize {
        let mut draw = draw.index(index);
        let names: Vec<&str> = Mechanism::ALL.iter().map(|m| m.name()).chain(PARTS).collect();
        let name = *draw.pick(&names);
        let value = setting(&mut draw, name);
        let mut changed = rules;
        let fits = changed.set(name, &text(&value)).is_ok()
            && changed.incompatible().is_none()
            && knows(&Policy { rules: changed, ..policy.clone() }, memory);
        // A part and the whole are read in the order of their names.
        let alone = !name.starts_with("token") || !set.keys().any(|key| key.starts_with("token"));
        if fits && alone && !set.contains_key(name) {
            rules = changed;
            set.insert(name.to_owned(), value);
        }
    }
    set
}

/// A value of a mechanism or of a part of one.
fn setting(draw: &mut Draw, name: &str) -> Value {
    let mechanism = Mechanism::ALL.iter().find(|mechanism| mechanism.name() == name);
    let values = mechanism.map_or_else(Vec::new, |mechanism| mechanism.values());
    match name {
        _ if !values.is_empty() => match draw.pick(&values).to_string().as_str() {
            "true" => json!(true),
            "false" => json!(false),
            word => json!(word),
        },
        "cap" => json!(draw.magnitude(1, 65_536)),
        "ring" => json!(1_u64 << draw.between(0, 7)),
        "token" => {
            let id = draw.between(1, 31);
            let vcpu = draw.between(1, (32 - id).min(16));
            json!(format!("id:{id} vcpu:{vcpu}"))
        }
        "token_id_bits" => json!(draw.between(1, 31)),
        "token_vcpu_bits" => json!(draw.between(1, 16)),
        _ => json!(draw.magnitude(0, 16_383)),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
