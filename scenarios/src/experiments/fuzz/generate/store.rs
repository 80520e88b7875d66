//! Stores, and the threads of the VMM that bring their pages.

use models::config::{Advice, Install, PlainExits, Process, Waking};
use models::presets;
use serde_json::{Value, json};

use super::device;
use super::object::{Object, give, word};
use super::program::RegionShape;
use super::workload::{Shape, store_name};
use crate::experiments::fuzz::draw::{Draw, MS, pages};

pub(super) fn store(draw: &Draw, index: usize, own: bool, (cpus, shape): (u64, &Shape)) -> Value {
    let mut object = Object::new();
    object.insert("name".into(), json!(store_name(index as u64)));
    if own {
        object.insert("device".into(), device::uncompressed(&draw.at("device")));
    }
    // Several virtual machines need not have the same regions in it.
    let is_here =
        |region: &&RegionShape| region.stored == Some(Some(index as u64)) && !shape.several;
    let stored: Vec<&RegionShape> = shape.regions.iter().filter(is_here).collect();
    let mut answered = draw.at("answered");
    if answered.percent(50) {
        object.insert("handler".into(), handler(&draw.at("handler"), own, cpus, &stored));
    } else {
        give(&mut object, draw, "advice", word::<Advice>);
        give(&mut object, draw, "read_ahead", |draw| match draw.percent(10) {
            true => pages(draw.magnitude(0, 4096)),
            false => pages(draw.magnitude(0, 64)),
        });
    }
    Value::Object(object)
}

/// Threads that bring the pages of a store.
fn handler(draw: &Draw, has_device: bool, cpus: u64, stored: &[&RegionShape]) -> Value {
    let mut object = Object::new();
    let few =
        |draw: &mut Draw| if draw.percent(5) { draw.magnitude(1, 256) } else { draw.between(1, 4) };
    give(&mut object, draw, "readers", |draw| json!(few(draw)));
    give(&mut object, draw, "installers", |draw| match draw.percent(40) {
        true => json!(0),
        false => json!(few(draw)),
    });
    give(&mut object, draw, "batch", |draw| json!(draw.magnitude(1, 1024)));
    give(&mut object, draw, "waking", word::<Waking>);
    give(&mut object, draw, "descriptors", |draw| json!(few(draw)));
    give(&mut object, draw, "cpus", |draw| {
        let places = draw.between(1, 3);
        (0..places).map(|_| json!(draw.below(cpus))).collect()
    });
    give(&mut object, draw, "around", |draw| pages(1 << draw.below(10)));
    give(&mut object, draw, "prefetch", |draw| prefetch(draw, stored));
    give(&mut object, draw, "process", word::<Process>);
    give(&mut object, draw, "install", word::<Install>);
    give(&mut object, draw, "plain_exits", word::<PlainExits>);
    give(&mut object, draw, "remove_events", |draw| json!(draw.percent(50)));
    if !stored.is_empty() && draw.at("poisons").percent(25) {
        give(&mut object, draw, "poison", |draw| part(draw, stored));
    }
    if !has_device {
        let mut latency = draw.at("latency");
        object.insert("latency".into(), latency.written_span(0, 10 * MS));
    }
    Value::Object(object)
}

/// Whether a host's kernel has UFFDIO_POISON.
pub(super) fn has_poison(kernel: &Value) -> bool {
    let name = kernel.get("preset").unwrap_or(kernel);
    let old = ["linux-2.6.36", "linux-4.19", "linux-5.10", "linux-5.15", "linux-6.1"];
    name.as_str().map_or_else(|| !old.contains(&presets::HOST_KERNEL), |name| !old.contains(&name))
}

/// A host whose stores give all of their pages.
pub(super) fn without_poison(host: &mut Value) {
    let stores = host.get_mut("stores").and_then(Value::as_array_mut);
    for store in stores.into_iter().flatten() {
        if let Some(handler) = store.get_mut("handler").and_then(Value::as_object_mut) {
            handler.remove("poison");
        }
    }
}

/// Handlers as a balloon beside them has to have them: they hear of what it gives back, in memory of the VMM's own.
pub(super) fn beside_balloon(host: &mut Value) {
    let stores = host.get_mut("stores").and_then(Value::as_array_mut);
    for store in stores.into_iter().flatten() {
        let Some(handler) = store.get_mut("handler").and_then(Value::as_object_mut) else {
            continue;
        };
        handler.remove("remove_events");
        let shared = [Install::Continue, Install::Stores].map(Install::name);
        let is_shared = |install: &Value| install.as_str().is_some_and(|it| shared.contains(&it));
        if handler.get("install").is_some_and(is_shared) {
            handler.remove("install");
        }
    }
}

/// What is brought before anybody misses it.
fn prefetch(draw: &Draw, stored: &[&RegionShape]) -> Value {
    let mut object = Object::new();
    give(&mut object, draw, "threads", |draw| json!(draw.between(1, 4)));
    give(&mut object, draw, "batch", |draw| pages(draw.magnitude(1, 512)));
    give(&mut object, draw, "rate", |draw| pages(draw.magnitude(1_000, 1 << 22)));
    give(&mut object, draw, "before_start", |draw| json!(draw.percent(50)));
    if !stored.is_empty() {
        give(&mut object, draw, "regions", |draw| json!([draw.pick(stored).name]));
        give(&mut object, draw, "pages", |draw| part(draw, stored));
    }
    Value::Object(object)
}

/// Some pages of a region.
fn part(draw: &mut Draw, stored: &[&RegionShape]) -> Value {
    let region = *draw.pick(stored);
    let first = draw.below(region.pages);
    let pages = draw.between(1, region.pages - first);
    json!([{ "region": region.name, "first": first, "pages": pages }])
}
