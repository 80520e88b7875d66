//! Several virtual machines: some as the scenario says, some with a guest, a workload and a container of their
//! own.

use models::apf::rules::ResolvedBy;
use models::config::Policy;
use models::presets::policies;
use serde_json::{Value, json};

use super::object::{Object, give};
use super::workload::Shape;
use super::{guest, workload};
use crate::experiments::fuzz::draw::{Draw, MS, US, pages};

/// Least and largest limit of a container.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) low: u64,
    pub(super) high: u64,
}

/// What is said of each, and what fields elsewhere have to know of them.
pub(super) struct Vms {
    pub(super) list: Vec<Value>,
    /// The name of one of them, its vCPUs and its groups.
    pub(super) named: Option<(String, u64)>,
    /// Containers of their own, by the name of their virtual machine.
    pub(super) contained: Vec<(String, Bounds)>,
    /// How many are in the host's container.
    pub(super) shared: u64,
    /// Swap that holds all of their memory.
    pub(super) swap_pages: u64,
}

/// Mostly none: there is one virtual machine, without a name.
pub(super) fn vms(draw: &Draw, shape: &mut Shape, compared: &[Value]) -> Vms {
    let mut vms =
        Vms { list: Vec::new(), named: None, contained: Vec::new(), shared: 0, swap_pages: 0 };
    let mut number = draw.at("number");
    if !number.percent(8) {
        return vms;
    }
    shape.is_beside_others();
    let shape = &*shape;
    for index in 0..number.between(1, 3) as usize {
        let draw = draw.index(index);
        let own = draw.at("own").percent(50).then(|| shape.another(&draw));
        vms.add(&draw, index, (shape, own.as_ref()), compared);
    }
    vms
}

impl Vms {
    fn add(
        &mut self,
        draw: &Draw,
        index: usize,
        (common, own): (&Shape, Option<&Shape>),
        compared: &[Value],
    ) {
        let shape = own.unwrap_or(common);
        let mut object = Object::new();
        object.insert("name".into(), json!(format!("v{index}")));
        let mut count = 1;
        give(&mut object, draw, "count", |draw| {
            count = draw.between(1, 3);
            json!(count)
        });
        if own.is_some() {
            object.insert("guest".into(), guest::guest(&draw.at("guest"), shape));
            object.insert("workload".into(), workload::workload(&draw.at("workload"), shape));
        }
        if own.is_some() || draw.at("container").percent(50) {
            object.insert("memory_limit".into(), pages(shape.limit_pages));
            if shape.other_pages > 0 {
                object.insert("other_resident".into(), pages(shape.other_pages));
            }
        } else {
            self.shared += count;
        }
        if common.has_high() && object.contains_key("memory_limit") {
            give(&mut object, draw, "memory_high", |_| pages(shape.limit_pages));
        }
        let mut policy = draw.at("policy");
        if policy.percent(25) {
            object.insert("policy".into(), own_policy(&mut policy, shape, compared));
        }
        give(&mut object, draw, "start", |draw| draw.written_span(US, 10 * MS));
        let number = if count == 1 { "" } else { "-1" };
        let name = format!("v{index}{number}");
        if object.contains_key("memory_limit") {
            let (low, high) = (shape.limit_pages, shape.memory_pages.max(shape.limit_pages));
            self.contained.push((name.clone(), Bounds { low, high }));
        }
        self.named.get_or_insert((name, shape.vcpus));
        self.swap_pages += count * shape.swap_pages.unwrap_or(0).max(shape.memory_pages);
        self.list.push(Value::Object(object));
    }
}

/// One that the host's kernel has together with those that are compared.
fn own_policy(draw: &mut Draw, shape: &Shape, compared: &[Value]) -> Value {
    let known: Option<Vec<Policy>> =
        compared.iter().map(|policy| policy.as_str().and_then(policies::policy)).collect();
    let kernel = |policy: &Policy| (policy.rules.workers, policy.rules.page_ready);
    let fits = |one: &Policy| {
        let same = |other: &Policy| !other.host_async || kernel(one) == kernel(other);
        known.as_ref().is_some_and(|known| known.iter().all(same))
            && !shape.has_memfd()
            && (one.rules.resolved_by != ResolvedBy::Ring || shape.named_stores() <= 1)
    };
    let names = policies::policy_names();
    let name = *draw.pick(&names);
    match policies::policy(name) {
        Some(one) if !one.host_async || fits(&one) => json!(name),
        _ if draw.percent(20) => json!({ "name": "own", "base": "sync" }),
        _ => json!("sync"),
    }
}
