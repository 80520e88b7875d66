//! Random scenarios, valid by construction: what [`crate::scenario::resolve`] asks is known here.
//!
//! One file an object of the scenario file. **Every field, every name and every value of the schema
//! comes up**: a test walks the schema and says which one does not.

mod device;
mod disturbance;
mod guest;
mod host;
mod memory_control;
mod object;
mod policy;
mod program;
mod sched;
mod store;
mod vms;
mod workload;

use models::base::record::DisturbanceName;
use models::trace::metrics;
use serde_json::{Value, json};

use self::object::Object;
use super::draw::{Draw, MS, SEC, US, written};

/// The scenario of a seed.
pub(super) fn scenario(seed: u64) -> Value {
    let draw = Draw::new(seed);
    let duration = duration(&mut draw.at("duration"));
    let mut warmup = draw.at("warmup");
    let warmup = if warmup.given() { warmup.span(0, 5 * MS) } else { Default::default() };
    let end = (duration + warmup).as_ps();
    let mut shape = workload::Shape::draw(&draw);
    shape.end = end;
    let policies = policy::policies(&draw.at("policies"), policy::Memory::of(&shape));
    let vms = vms::vms(&draw.at("vms"), &mut shape, &policies);
    if !vms.list.is_empty() {
        shape.holds(vms.shared, vms.swap_pages);
    }
    let mut object = Object::new();
    object.insert("format".into(), json!(1));
    object.insert("name".into(), json!(format!("fuzz-{seed}")));
    object.insert("title".into(), json!(format!("Does seed {seed} agree with itself?")));
    if draw.at("$schema").given() {
        object.insert("$schema".into(), json!("scenario-1.json"));
    }
    object.insert("host".into(), host::host(&draw.at("host"), (&shape, &vms), end));
    object.insert("guest".into(), guest::guest(&draw.at("guest"), &shape));
    object.insert("workload".into(), workload::workload(&draw.at("workload"), &shape));
    let vm = vms.named.as_ref();
    let vcpus = vm.map_or(shape.vcpus, |(_, vcpus)| *vcpus);
    let mut disturbances = disturbance::disturbances(&draw.at("disturbances"), vcpus, end);
    // A guest without paging has no SMI.
    disturbances.retain(|one| !shape.unpaged || one["kind"] != DisturbanceName::Smi.name());
    // Handlers die of the only virtual machine, if it has some and no policy lets it answer faults.
    let answers = policies
        .iter()
        .chain(&vms.list)
        .map(Value::to_string)
        .any(|policy| ["user-exit", "resolved_by"].iter().any(|word| policy.contains(word)));
    let dies = vm.is_none() && !answers && has_handler(&object);
    let poisons = !answers && store::has_poison(&object["host"]["kernel"]);
    if !poisons && let Some(host) = object.get_mut("host") {
        store::without_poison(host);
    }
    let mut named = vms.list.clone();
    if answers && has_handlers(&object) {
        let guests = named.iter_mut().filter_map(|vm| vm.get_mut("guest"));
        guests.chain(object.get_mut("guest")).for_each(without_balloon);
    }
    if shape.balloon
        && let Some(host) = object.get_mut("host")
    {
        store::beside_balloon(host);
    }
    let protects = draw.at("write_protect");
    if !answers
        && memory_control::may_be_protected(&object, &named)
        && protects.at("given").percent(30)
        && let Some(host) = object.get_mut("host").and_then(Value::as_object_mut)
    {
        let vm = vm.map(|(vm, _)| vm.as_str());
        host.insert("write_protect".into(), memory_control::write_protect(&protects, vm, end));
    }
    let of_handler =
        |one: &Value| disturbance::OF_HANDLER.iter().any(|kind| one["kind"] == kind.name());
    disturbances.retain(|one| dies || !of_handler(one));
    if let Some((vm, _)) = vm {
        disturbances.iter_mut().for_each(|disturbance| disturbance["vm"] = json!(vm));
    }
    if !disturbances.is_empty() {
        object.insert("disturbances".into(), Value::Array(disturbances));
    }
    let names: Vec<String> = policies.iter().map(name_of).collect();
    if !vms.list.is_empty() {
        object.insert("vms".into(), Value::Array(named));
    }
    object.insert("policies".into(), Value::Array(policies));
    object.insert("duration".into(), written(duration));
    if !warmup.is_zero() {
        object.insert("warmup".into(), written(warmup));
    }
    rest(&draw, &mut object, &names, vm.map(|(vm, _)| vm.as_str()));
    Value::Object(object)
}

/// Whether a store has threads of the VMM.
fn has_handlers(object: &Object) -> bool {
    let mut stores = object["host"]["stores"].as_array().into_iter().flatten();
    stores.any(|store| store.get("handler").is_some())
}

/// A guest has no balloon.
fn without_balloon(guest: &mut Value) {
    if let Some(guest) = guest.as_object_mut() {
        guest.remove("balloon");
    }
}

/// Whether threads of the VMM bring the pages of some region.
fn has_handler(object: &Object) -> bool {
    let stores = object["host"]["stores"].as_array().into_iter().flatten();
    let mut handled = stores.filter(|store| store.get("handler").is_some());
    let regions = || object["workload"]["regions"].as_array().into_iter().flatten();
    handled.any(|store| regions().any(|region| region.get("store") == Some(&store["name"])))
}

/// Longer than a few ticks of the slower kernels; what is too long is shortened later.
fn duration(draw: &mut Draw) -> sim_core::SimDuration {
    match draw.below(20) {
        0 => draw.span(1, US),
        1 => draw.span(100 * MS, 3 * SEC),
        _ => draw.span(500 * US, 60 * MS),
    }
}

/// What says how often it is run and what is shown.
fn rest(draw: &Draw, object: &mut Object, policies: &[String], vm: Option<&str>) {
    let mut seed = draw.at("seed");
    if seed.given() {
        object.insert("seed".into(), json!(seed.magnitude(0, u64::MAX)));
    }
    let mut replications = draw.at("replications");
    if replications.given() {
        object.insert("replications".into(), json!(replications.between(1, 3)));
    }
    let mut baseline = draw.at("baseline");
    if baseline.given() {
        object.insert("baseline".into(), json!(baseline.pick(policies)));
    }
    let mut measure = draw.at("measure");
    if measure.given() {
        let metric = *measure.pick(&metrics::names());
        let of_group = metric.starts_with("request") && measure.percent(50);
        let by_vm = metrics::find(metric).is_some_and(|kind| kind.by_vm);
        let whose = match vm {
            Some(vm) if by_vm && measure.percent(50) => format!("[{vm}]"),
            Some(vm) if of_group => format!("[{vm}:t0]"),
            None if of_group => "[t0]".to_owned(),
            _ => String::new(),
        };
        object.insert("measure".into(), json!(format!("{metric}{whose}")));
    }
    let mut published = draw.at("published");
    if published.given() {
        let metric = *published.pick(&metrics::names());
        let mut line = json!({
            "policy": policies[0],
            "metric": metric,
            "mean": published.below(1000) as f64 / 8.0,
            "source": "nowhere"
        });
        if published.percent(50) {
            line["stderr"] = json!(0.5);
        }
        object.insert("published".into(), json!([line]));
    }
    let mut expected = draw.at("expect");
    if expected.given() {
        let (first, last) = (&policies[0], &policies[policies.len() - 1]);
        let mut lines =
            vec![format!("major_faults {first} in 0 .. 1000000"), "invariants clean".to_owned()];
        if first != last {
            lines.push(format!("work_total {first}/{last} >= 0"));
        }
        object.insert("expect".into(), json!([expected.pick(&lines)]));
    }
}

fn name_of(policy: &Value) -> String {
    let name = policy.as_str().or_else(|| policy["name"].as_str());
    name.unwrap_or_default().to_owned()
}
