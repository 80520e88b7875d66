//! The guest.

use models::config::{
    EventPages, GuestPaging, Preemption, Processes, StealClock, TablePages, TimerKind, WakeTime,
};
use serde_json::{Value, json};

use super::object::{Object, flag, give, word};
use super::sched;
use super::workload::Shape;
use crate::experiments::fuzz::draw::{Draw, MS, SEC, US, pages};

pub(super) fn guest(draw: &Draw, shape: &Shape) -> Value {
    let mut object = Object::new();
    object.insert("kernel".into(), json!(shape.kernel));
    object.insert("vcpus".into(), json!(shape.vcpus));
    object.insert("memory".into(), pages(shape.memory_pages));
    give(&mut object, draw, "hz", |draw| match draw.below(6) {
        0 => json!(draw.magnitude(1, 10_000)),
        _ => json!(draw.pick(&[100, 250, 300, 1000])),
    });
    give(&mut object, draw, "sched", |draw| sched::sched(draw, &shape.kernel));
    give(&mut object, draw, "steal_clock", word::<StealClock>);
    give(&mut object, draw, "wake", word::<WakeTime>);
    give(&mut object, draw, "wake_delay", |draw| match draw.percent(85) {
        true => draw.written_span(0, 5 * MS),
        false => draw.written_span(0, SEC),
    });
    give(&mut object, draw, "timers", word::<TimerKind>);
    give(&mut object, draw, "send_always", flag);
    give(&mut object, draw, "balance_ticks", |draw| json!(draw.magnitude(1, 1_000_000_000)));
    give(&mut object, draw, "preemption", word::<Preemption>);
    give(&mut object, draw, "apic", |draw| {
        let mut apic = Object::new();
        for field in ["timer_exits", "eoi_exits", "ipi_exits"] {
            let mut field_draw = draw.at(field);
            if field_draw.percent(60) {
                apic.insert(field.into(), flag(&mut field_draw));
            }
        }
        Value::Object(apic)
    });
    give(&mut object, draw, "event_pages", word::<EventPages>);
    give(&mut object, draw, "table_levels", |draw| json!(draw.between(4, 5)));
    give(&mut object, draw, "table_pages", |draw| match shape.host_thp {
        // Huge pages of the host may be reclaimed whole.
        true => json!(TablePages::Reclaimable.name()),
        false => word::<TablePages>(draw),
    });
    if shape.balloon {
        object.insert("balloon".into(), balloon(&draw.at("balloon"), shape));
    }
    if shape.thp {
        object.insert("thp".into(), json!(true));
    }
    if shape.unpaged {
        object.insert("paging".into(), json!(GuestPaging::Off.name()));
    } else {
        give(&mut object, draw, "paging", |_| json!(GuestPaging::On.name()));
        give(&mut object, draw, "processes", |draw| match shape.several || shape.gives_back() {
            true => json!(Processes::One.name()),
            false => word::<Processes>(draw),
        });
        give(&mut object, draw, "pcid", flag);
    }
    Value::Object(object)
}

/// A balloon of some sizes, which reports what is free or not.
fn balloon(draw: &Draw, shape: &Shape) -> Value {
    let mut object = Object::new();
    let (mut at, mut targets) = (0, Vec::new());
    let mut next = draw.at("targets");
    for _ in 0..next.below(4) {
        at += next.magnitude(1, 2 * MS);
        if at < shape.end {
            let size = pages(next.below(shape.memory_pages + 1));
            targets.push(json!({ "at": format!("{at}ps"), "size": size }));
        }
    }
    if !targets.is_empty() {
        object.insert("targets".into(), Value::Array(targets));
    }
    give(&mut object, draw, "free_page_reporting", |draw| {
        let mut reporting = Object::new();
        let mut order = draw.at("order");
        if order.percent(80) {
            reporting.insert("order".into(), json!(order.below(11)));
        }
        let mut delay = draw.at("delay");
        if delay.percent(80) {
            reporting.insert("delay".into(), delay.written_span(US, 5 * MS));
        }
        Value::Object(reporting)
    });
    Value::Object(object)
}
