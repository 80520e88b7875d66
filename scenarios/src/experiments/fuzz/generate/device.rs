//! Swap devices and laws of service times.

use models::presets;
use serde_json::{Value, json};

use super::object::{Object, give};
use crate::experiments::fuzz::draw::{Draw, MS, NS, SEC, US};
use crate::scenario::resolve::device_lines;

/// Laws inside each other.
const MAX_DEPTH: u64 = 2;

pub(super) fn device(draw: &Draw) -> Value {
    let mut kind = draw.at("form");
    let names = presets::device_names();
    match kind.below(12) {
        0..=2 => json!(kind.pick(&names)),
        3..=4 => preset(draw, kind.pick(&names).as_str()),
        5 => whole(draw, "constant"),
        6 => whole(draw, "ram"),
        7 => whole(draw, "hdd"),
        8 => whole(draw, "zram"),
        9 => whole(draw, "volume"),
        _ => whole(draw, "channels"),
    }
}

/// Whether requests of a device are work of whoever submits them.
pub(super) fn is_compressed(device: &Value) -> bool {
    let preset = device.as_str().or_else(|| device["preset"].as_str());
    let preset = preset.and_then(presets::device);
    // Changes of a preset may make it so, or not so any more.
    let written = device["synchronous"].as_bool();
    let preset = preset.is_some_and(|preset| {
        preset.config.is_work_of_submitter() && written.is_none_or(|copies| copies)
    });
    preset || device["kind"] == "zram" || written == Some(true)
}

/// Whether a device is memory.
pub(super) fn is_memory(device: &Value) -> bool {
    let preset = device.as_str().or_else(|| device["preset"].as_str());
    let preset = preset.and_then(presets::device);
    preset.is_some_and(|preset| preset.config.is_memory())
        || device["kind"] == "zram"
        || device["kind"] == "ram"
}

/// A device of any other kind.
pub(super) fn uncompressed(draw: &Draw) -> Value {
    let device = device(draw);
    if is_compressed(&device) { whole(draw, "channels") } else { device }
}

/// Mostly what devices take, now and then next to nothing or very long.
fn latency(draw: &mut Draw) -> Value {
    match draw.below(30) {
        0 => draw.written_span(1, NS),
        1 => draw.written_span(100 * MS, 100 * SEC),
        _ => draw.written_span(US, 10 * MS),
    }
}

/// A whole description.
fn whole(draw: &Draw, kind: &str) -> Value {
    let mut object = Object::new();
    object.insert("kind".into(), json!(kind));
    fields(&mut object, draw, kind, true);
    Value::Object(object)
}

/// A preset with some of its own fields changed.
fn preset(draw: &Draw, name: &str) -> Value {
    let mut object = Object::new();
    object.insert("preset".into(), json!(name));
    if let Some(preset) = presets::device(name) {
        fields(&mut object, draw, device_lines(&preset.config).0, false);
    }
    Value::Object(object)
}

/// The fields of a kind; in a whole description those that must be there are.
fn fields(object: &mut Object, draw: &Draw, kind: &str, whole: bool) {
    let mut must = |name: &str, value: fn(&mut Draw) -> Value| {
        let mut field = draw.at(name);
        if whole || field.given() {
            object.insert(name.into(), value(&mut field));
        }
    };
    match kind {
        "constant" => {
            must("read_latency", latency);
            must("write_latency", latency);
        }
        "channels" => {
            must("channels", number_of_channels);
            must("read", |draw| service(draw, 0));
            must("write", |draw| service(draw, 0));
            give(object, draw, "per_page", |draw| draw.written_span(0, MS));
            // Depths end at the number of channels, where that is said.
            if let Some(channels) = object.get("channels").and_then(Value::as_u64) {
                by_depth(object, draw, "read_at_depth", channels);
                by_depth(object, draw, "write_at_depth", channels);
            }
        }
        "ram" => {
            must("latency", latency);
            must("copy_per_page", |draw| draw.written_span(NS, MS));
            give(object, draw, "synchronous", |draw| json!(draw.percent(50)));
        }
        "zram" => {
            must("decompress", work);
            must("compress", work);
            must("ratio_milli", |draw| json!(draw.between(1000, 8000)));
            // So much that everything finds room.
            give(object, draw, "mem_limit", |draw| json!(format!("{}GiB", draw.between(64, 1024))));
        }
        "volume" => {
            must("read", |draw| service(draw, 0));
            must("write", |draw| service(draw, 0));
            must("iops", |draw| json!(draw.magnitude(100, 1_000_000)));
            must("throughput", |draw| json!(format!("{}MiB", draw.magnitude(1, 4096))));
            give(object, draw, "burst_iops", |draw| json!(draw.between(1_000_000, 2_000_000)));
            give(object, draw, "credits", |draw| json!(draw.magnitude(1, 100_000)));
            if object.contains_key("credits") {
                give(object, draw, "credits_at_start", |_| json!(1));
            }
        }
        _ => {
            must("seek_base", |draw| draw.written_span(0, 20 * MS));
            must("seek_sqrt", |draw| draw.written_span(0, 20 * MS));
            must("rotation", |draw| draw.written_span(NS, 20 * MS));
            must("transfer_per_page", |draw| draw.written_span(NS, MS));
            must("swap_span_ppm", |draw| json!(draw.magnitude(1, 1_000_000)));
            give(object, draw, "controller", |draw| draw.written_span(0, MS));
            give(object, draw, "elevator", elevator);
        }
    }
}

fn number_of_channels(draw: &mut Draw) -> Value {
    json!(match draw.below(3) {
        0 => draw.magnitude(1, 65_536),
        _ => draw.between(1, 8),
    })
}

/// Laws at one or two depths.
fn by_depth(object: &mut Object, draw: &Draw, field: &str, channels: u64) {
    let mut of = draw.at(field);
    if channels < 2 || !of.given() {
        return;
    }
    let first = of.between(2, channels);
    let second = of.between(2, channels);
    let depths = if first < second { vec![first, second] } else { vec![first] };
    let law = |(index, depth): (usize, &u64)| {
        let time = service(&of.index(index).at("time"), 0);
        json!({ "depth": depth, "time": time })
    };
    let laws: Vec<Value> = depths.iter().enumerate().map(law).collect();
    object.insert(field.into(), json!(laws));
}

fn elevator(draw: &mut Draw) -> Value {
    let mut object = Object::new();
    give(&mut object, draw, "read_expire", |draw| draw.written_span(1, SEC));
    give(&mut object, draw, "write_expire", |draw| draw.written_span(1, 10 * SEC));
    give(&mut object, draw, "fifo_batch", |draw| json!(draw.magnitude(1, 1_000_000)));
    give(&mut object, draw, "writes_starved", |draw| json!(draw.magnitude(1, 1_000_000)));
    Value::Object(object)
}

/// A service time: a constant or a law.
fn service(draw: &Draw, depth: u64) -> Value {
    let mut form = draw.at("form");
    if form.percent(40) {
        return latency(&mut form);
    }
    law(draw, form.below(if depth < MAX_DEPTH { 7 } else { 6 }), depth)
}

/// Work of a processor: laws without heavy tails.
pub(super) fn work(draw: &mut Draw) -> Value {
    let which = [0, 1, 2, 5][draw.at("form").below(4) as usize];
    law(draw, which, MAX_DEPTH)
}

pub(super) fn law(draw: &Draw, which: u64, depth: u64) -> Value {
    let mut of = draw.at("law");
    match which {
        0 => json!({ "kind": "constant", "value": latency(&mut of) }),
        1 => {
            let (a, b) = (of.span(1, 20 * MS), of.span(1, 20 * MS));
            json!({ "kind": "uniform", "low": a.min(b).to_string(), "high": a.max(b).to_string() })
        }
        2 => json!({ "kind": "exponential", "mean": latency(&mut of) }),
        3 => {
            let sigma = if of.percent(10) { 10_000 } else { 1_500 };
            let median = latency(&mut of);
            let sigma = of.between(0, sigma);
            json!({ "kind": "log_normal", "median": median, "sigma_milli": sigma })
        }
        4 => {
            let (scale, heavy) = (latency(&mut of), of.percent(10));
            let shape = if heavy { of.between(1, 500) } else { of.between(500, 8_000) };
            json!({ "kind": "pareto", "scale": scale, "shape_milli": shape })
        }
        5 => empirical(&mut of),
        _ => {
            let part = |index: usize| {
                let mut part = of.index(index);
                let weight = part.between(1, 100);
                json!({ "weight": weight, "law": service(&part.at("law"), depth + 1) })
            };
            let parts = draw.at("parts").between(1, 3) as usize;
            json!({ "kind": "mixture", "parts": (0..parts).map(part).collect::<Vec<_>>() })
        }
    }
}

fn empirical(draw: &mut Draw) -> Value {
    let between = draw.below(3) as usize;
    let mut ppm: Vec<u64> = (0..between).map(|_| draw.between(1, 999_999)).collect();
    ppm.extend([0, 1_000_000]);
    ppm.sort_unstable();
    let mut values: Vec<_> = ppm.iter().map(|_| draw.span(NS, 20 * MS)).collect();
    values.sort_unstable();
    let point = |(ppm, value): (&u64, &sim_core::SimDuration)| json!({ "ppm": ppm, "value": value.to_string() });
    let points: Vec<Value> = ppm.iter().zip(&values).map(point).collect();
    json!({ "kind": "empirical", "points": points })
}
