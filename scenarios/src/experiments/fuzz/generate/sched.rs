//! Schedulers with changes.

use models::config::SchedParams;
use models::presets;
use serde_json::{Value, json};

use super::object::{Object, flag, give};
use crate::experiments::fuzz::draw::{Draw, MS, US, written};

/// Changes to the scheduler of `kernel`, or of another kernel.
pub(super) fn sched(draw: &Draw, kernel: &str) -> Value {
    let mut object = Object::new();
    let mut other = draw.at("kernel");
    let mut name = kernel.to_owned();
    if other.given() {
        name.clone_from(other.pick(&presets::guest_kernel_names()));
        object.insert("kernel".into(), json!(name));
    }
    match presets::guest_kernel(&name).map(|kernel| kernel.sched(1)) {
        Some(SchedParams::Cfs(_)) => cfs(draw, &mut object),
        Some(SchedParams::Eevdf(_)) => eevdf(draw, &mut object),
        None => {}
    }
    give(&mut object, draw, "wakeup_preemption", flag);
    Value::Object(object)
}

fn cfs(draw: &Draw, object: &mut Object) {
    let mut slices = draw.at("slices");
    if slices.given() {
        // The one must not be shorter than the other, whatever the preset says.
        let (a, b) = (slices.span(US, 100 * MS), slices.span(US, 100 * MS));
        object.insert("min_granularity".into(), written(a.min(b)));
        object.insert("latency".into(), written(a.max(b)));
    }
    give(object, draw, "wakeup_granularity", |draw| draw.written_span(0, 50 * MS));
    give(object, draw, "sleeper_credit", |draw| draw.written_span(0, 50 * MS));
}

fn eevdf(draw: &Draw, object: &mut Object) {
    give(object, draw, "base_slice", |draw| draw.written_span(US, 100 * MS));
    give(object, draw, "run_to_parity", flag);
    give(object, draw, "place_lag", flag);
    give(object, draw, "delay_dequeue", flag);
    give(object, draw, "preempt_short", flag);
}
