//! Programs of tasks.

use models::config::{Pattern, Section};
use serde_json::{Value, json};

use super::object::{Object, give, word};
use crate::experiments::fuzz::draw::{Draw, MS, NS, US};

/// A region as programs use it.
pub(super) struct RegionShape {
    pub(super) name: String,
    pub(super) pages: u64,
    pub(super) prefill: bool,
    pub(super) in_memfd: bool,
}

/// Where an operation stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    UserMode,
    Syscall,
    Section,
}

/// Bodies inside each other; the format allows eight.
const MAX_DEPTH: u64 = 4;

/// What a group says of the passes of its program.
#[derive(Clone, Copy)]
pub(super) struct Passes {
    pub(super) are_requests: bool,
    pub(super) have_an_end: bool,
}

pub(super) fn program(draw: &Draw, regions: &[RegionShape], passes: Passes) -> Value {
    let writer = Writer { regions, marks: !passes.are_requests };
    let mut ops = writer.body(draw, Inside::UserMode, 0);
    let mut end = draw.at("end");
    if end.percent(25) && !passes.are_requests && !passes.have_an_end {
        ops.push(json!({ "op": "count", "per_second": units(&mut end) }));
    }
    if !ops.iter().any(takes_time) {
        ops.push(json!({ "op": "compute", "span": end.written_span(NS, 100 * US) }));
    }
    Value::Array(ops)
}

fn units(draw: &mut Draw) -> u64 {
    draw.magnitude(1, 1_000_000_000_000)
}

/// Whether an operation takes time for certain: one whose time or rate must not be zero, one that
/// has a cost, or one with such an operation in its body.
fn takes_time(op: &Value) -> bool {
    let costs = |field: &str| op[field].as_str().is_some_and(|time| !time.starts_with('0'));
    let body = || op["body"].as_array().is_some_and(|body| body.iter().any(takes_time));
    costs("span") || costs("cost") || op["per_second"].is_u64() || body()
}

struct Writer<'a> {
    regions: &'a [RegionShape],
    /// Whether it may mark requests.
    marks: bool,
}

impl Writer<'_> {
    fn body(&self, draw: &Draw, inside: Inside, depth: u64) -> Vec<Value> {
        let mut number = draw.at("number");
        let least = u64::from(inside == Inside::Section);
        let most = match (number.below(12), inside) {
            (0, _) => 6,
            (_, Inside::UserMode) => 3,
            _ => 2,
        };
        let number = number.between(least, most) as usize;
        (0..number).map(|index| self.op(&draw.index(index), inside, depth)).collect()
    }

    fn op(&self, draw: &Draw, inside: Inside, depth: u64) -> Value {
        let mut which = draw.at("op");
        let nest = depth < MAX_DEPTH;
        match (which.below(20), inside) {
            (0..=2, Inside::UserMode | Inside::Syscall) => {
                json!({ "op": "sleep", "span": draw.at("span").written_span(NS, 20 * MS) })
            }
            (3, Inside::UserMode | Inside::Syscall) => json!({ "op": "call_all" }),
            (19, Inside::UserMode) => {
                let mut object = Object::new();
                object.insert("op".into(), json!("yield"));
                give(&mut object, draw, "cost", cost);
                Value::Object(object)
            }
            (4..=8, Inside::UserMode) if nest => self.syscall(draw, depth),
            (4..=8, Inside::Syscall) | (4..=5, Inside::Section) if nest => {
                self.section(draw, depth)
            }
            (9, Inside::UserMode) if nest && self.marks => self.request(draw, depth),
            (9..=11, _) => compute(draw),
            _ => self.access(draw, inside).unwrap_or_else(|| compute(draw)),
        }
    }

    fn access(&self, draw: &Draw, inside: Inside) -> Option<Value> {
        let fits = |region: &&RegionShape| inside != Inside::Section || region.prefill;
        let regions: Vec<&RegionShape> = self.regions.iter().filter(fits).collect();
        if regions.is_empty() {
            return None;
        }
        let mut region = draw.at("region");
        // The first one is what does not fit into memory.
        let region = if region.percent(60) { regions[0] } else { *region.pick(&regions) };
        let mut object = Object::new();
        object.insert("op".into(), json!("access"));
        object.insert("region".into(), json!(region.name));
        object.insert("pattern".into(), word::<Pattern>(&mut draw.at("pattern")));
        let mut write = draw.at("write");
        if write.percent(60) {
            object.insert("write".into(), json!(write.percent(70)));
        }
        let mut cost = draw.at("cost");
        let cost = match cost.below(10) {
            0 => json!("0s"),
            1 => cost.written_span(1, NS),
            2 => cost.written_span(US, MS),
            _ => cost.written_span(10 * NS, 20 * US),
        };
        object.insert("cost".into(), cost);
        Some(Value::Object(object))
    }

    fn syscall(&self, draw: &Draw, depth: u64) -> Value {
        let mut object = Object::new();
        object.insert("op".into(), json!("syscall"));
        give(&mut object, draw, "name", |_| json!("read"));
        object.insert("cost".into(), cost(&mut draw.at("cost")));
        give(&mut object, draw, "return_cost", cost);
        let body = self.body(&draw.at("body"), Inside::Syscall, depth + 1);
        if !body.is_empty() {
            object.insert("body".into(), Value::Array(body));
        }
        Value::Object(object)
    }

    fn request(&self, draw: &Draw, depth: u64) -> Value {
        let inner = Writer { regions: self.regions, marks: false };
        let mut body = inner.body(&draw.at("body"), Inside::UserMode, depth + 1);
        if body.is_empty() {
            body.push(compute(draw));
        }
        json!({ "op": "request", "body": body })
    }

    fn section(&self, draw: &Draw, depth: u64) -> Value {
        let kind = word::<Section>(&mut draw.at("kind"));
        let body = self.body(&draw.at("body"), Inside::Section, depth + 1);
        json!({ "op": "critical", "kind": kind, "body": body })
    }
}

fn cost(draw: &mut Draw) -> Value {
    match draw.percent(15) {
        true => json!("0s"),
        false => draw.written_span(NS, 50 * US),
    }
}

fn compute(draw: &Draw) -> Value {
    let mut span = draw.at("span");
    let span = match span.below(20) {
        0 => span.written_span(1, NS),
        1 => span.written_span(10 * MS, 1000 * MS),
        _ => span.written_span(100 * NS, 10 * MS),
    };
    json!({ "op": "compute", "span": span })
}
