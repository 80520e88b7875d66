//! What is done to memory containers during a run.

use models::base::named::Named;
use models::config::{HostPaging, Lift};
use models::presets;
use serde_json::{Value, json};
use sim_core::SimDuration;

use super::device;
use super::object::{Object, give};
use super::vms::{Bounds, Vms};
use super::workload::Shape;
use crate::experiments::fuzz::draw::{Draw, MS, US, pages, written};

impl Bounds {
    fn of_host(shape: &Shape, vms: &Vms) -> Self {
        let low = shape.limit_pages;
        Self { low, high: (shape.memory_pages * vms.shared.max(1)).max(low) }
    }

    fn limit(self, draw: &mut Draw) -> u64 {
        match draw.percent(30) {
            true => self.low,
            false => self.low + draw.magnitude(0, self.high - self.low),
        }
    }
}

/// The `memory.high` of the host's container.
pub(super) fn high(draw: &mut Draw, shape: &Shape, vms: &Vms) -> Value {
    pages(Bounds::of_host(shape, vms).limit(draw))
}

/// The first limit of the host's container, and those that containers get until the run ends; also `memory.high`
/// if there may be such limits.
pub(super) fn limits(draw: &Draw, (shape, vms): (&Shape, &Vms), end: u64) -> (u64, Vec<Value>) {
    let host = Bounds::of_host(shape, vms);
    let low = host.low;
    let mut number = draw.at("number");
    if shape.kswapd().is_some() || !number.percent(20) {
        return (low, Vec::new());
    }
    let of_host = (vms.list.is_empty() || vms.shared > 0).then_some((None, host));
    let own = vms.contained.iter().map(|(name, bounds)| (Some(name.as_str()), *bounds));
    let containers: Vec<_> = of_host.into_iter().chain(own).collect();
    let time = |place| SimDuration::from_ps(draw.at("at").index(place).below(end));
    let mut times: Vec<SimDuration> = (0..number.between(1, 4) as usize).map(time).collect();
    times.sort_unstable();
    times.dedup();
    let one = |(place, at): (usize, SimDuration)| {
        let mut draw = draw.index(place);
        let &(vm, bounds) = draw.pick(&containers);
        let file = if shape.has_high() && draw.percent(40) { "high" } else { "limit" };
        let mut value = json!({ "at": written(at), file: pages(bounds.limit(&mut draw)) });
        if let Some(vm) = vm {
            value["vm"] = json!(vm);
        }
        value
    };
    let changes = times.into_iter().enumerate().map(one).collect();
    (host.limit(&mut draw.at("first")), changes)
}

/// What keeps memory of the host free.
pub(super) fn kswapd(draw: &Draw, (min, scale): (u64, u64), cpus: u64) -> Value {
    let mut object = Object::new();
    object.insert("min_free".into(), pages(min));
    object.insert("scale_factor".into(), json!(scale));
    give(&mut object, draw, "cpu", |draw| json!(draw.below(cpus)));
    Value::Object(object)
}

/// Whether agents have memory reclaimed, for which all of it must find room in the swap area.
pub(super) fn has_agents(shape: &Shape, vms: &Vms) -> bool {
    shape.has_agents() && (vms.list.is_empty() || vms.shared > 0)
}

/// An agent for the host's container.
pub(super) fn agents(draw: &Draw) -> Value {
    let mut object = Object::new();
    object.insert("every".into(), draw.at("every").written_span(100 * US, 20 * MS));
    give(&mut object, draw, "at", |draw| draw.written_span(0, 10 * MS));
    let mut ask = draw.at("ask");
    match ask.percent(50) {
        true => object.insert("size".into(), pages(ask.magnitude(1, 4096))),
        false => object.insert("share_ppm".into(), json!(ask.magnitude(1, 1_000_000))),
    };
    json!([Value::Object(object)])
}

/// Whether memory of the guests may be write-protected: `host` and all else say nothing that does not go with it.
pub(super) fn may_be_protected(object: &Object, vms: &[Value]) -> bool {
    let host = &object["host"];
    let kernel = host["kernel"].get("preset").unwrap_or(&host["kernel"]);
    let kernel = kernel.as_str().unwrap_or(presets::HOST_KERNEL);
    let old = ["linux-2.6.36", "linux-4.19"].contains(&kernel);
    let mirrored = host["paging"] == HostPaging::Shadow.word() || host["thp"] == true;
    let says = |text: &str, words: &[&str]| words.iter().any(|word| text.contains(word));
    let other = ["\"balloon\":", "\"guest_memfd\"", "\"stored\""];
    let guests = [object.get("guest"), object.get("workload")].into_iter().flatten().chain(vms);
    !old && !mirrored && !guests.map(Value::to_string).any(|text| says(&text, &other))
}

/// Memory of a virtual machine that is write-protected. A VMM that lifts before it saves makes a mistake that is found.
pub(super) fn write_protect(draw: &Draw, vm: Option<&str>, end: u64) -> Value {
    let mut object = Object::new();
    object.insert("at".into(), draw.at("at").written_span(0, end));
    give(&mut object, draw, "threads", |draw| json!(draw.between(1, 4)));
    if draw.at("saves").percent(70) {
        object.insert("sink".into(), device::uncompressed(&draw.at("sink")));
        give(&mut object, draw, "depth", |draw| json!(draw.magnitude(1, 1024)));
        give(&mut object, draw, "rate", |draw| pages(draw.magnitude(1, 1 << 20)));
        give(&mut object, draw, "lift", |draw| {
            json!(draw.pick(&[Lift::Saved, Lift::Copied]).name())
        });
    }
    if let Some(vm) = vm {
        object.insert("vm".into(), json!(vm));
    }
    json!([Value::Object(object)])
}
