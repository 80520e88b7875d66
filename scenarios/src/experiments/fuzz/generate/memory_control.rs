//! What is done to memory containers during a run.

use serde_json::{Value, json};
use sim_core::SimDuration;

use super::vms::{Bounds, Vms};
use super::workload::Shape;
use crate::experiments::fuzz::draw::{Draw, pages, written};

impl Bounds {
    fn limit(self, draw: &mut Draw) -> u64 {
        match draw.percent(30) {
            true => self.low,
            false => self.low + draw.magnitude(0, self.high - self.low),
        }
    }
}

/// The first limit of the host's container, and those that containers get until the run ends.
pub(super) fn limits(draw: &Draw, shape: &Shape, vms: &Vms, end: u64) -> (u64, Vec<Value>) {
    let low = shape.limit_pages;
    let host = Bounds { low, high: (shape.memory_pages * vms.shared.max(1)).max(low) };
    let mut number = draw.at("number");
    if !number.percent(20) {
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
        let mut value = json!({ "at": written(at), "limit": pages(bounds.limit(&mut draw)) });
        if let Some(vm) = vm {
            value["vm"] = json!(vm);
        }
        value
    };
    let changes = times.into_iter().enumerate().map(one).collect();
    (host.limit(&mut draw.at("first")), changes)
}
