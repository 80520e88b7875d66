//! Programs of tasks.

use models::config::{Pattern, Section, TracePlacement};
use serde_json::{Value, json};

use super::device::law;
use super::object::{Object, give, word};
use crate::experiments::fuzz::draw::{Draw, MS, NS, US, pages};

/// A region as programs use it.
pub(super) struct RegionShape {
    pub(super) name: String,
    pub(super) pages: u64,
    pub(super) prefill: bool,
    /// Its content is stored, in the store of this number or in none that has a name.
    pub(super) stored: Option<Option<u64>>,
    pub(super) in_memfd: bool,
    /// Whether programs may give its pages back.
    pub(super) may_go: bool,
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
    /// Requests arrive from outside.
    pub(super) are_served: bool,
}

pub(super) fn program(draw: &Draw, regions: &[RegionShape], passes: Passes) -> Value {
    let marks = !passes.are_requests;
    let writer = Writer { regions, marks, held: 0 };
    let mut ops = writer.body(draw, Inside::UserMode, 0);
    if passes.are_served {
        let at = draw.at("serve").below(ops.len() as u64 + 1) as usize;
        ops.insert(at, writer.serve(&draw.at("served")));
    }
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
/// has a cost, or one with such an operation in what is certainly done of it.
fn takes_time(op: &Value) -> bool {
    let costs = |field: &str| op[field].as_str().is_some_and(|time| !time.starts_with('0'));
    let any = |body: &Value| body.as_array().is_some_and(|body| body.iter().any(takes_time));
    match op["op"].as_str() {
        Some("once") => false,
        Some("replay") => true,
        Some("repeat") => op["times"].is_u64() && any(&op["body"]),
        Some("choose") => {
            let all = |of: &Vec<Value>| of.iter().all(|choice| any(&choice["body"]));
            op["of"].as_array().is_some_and(all)
        }
        _ => {
            let drawn = op["span"].is_object();
            drawn || costs("span") || costs("cost") || op["per_second"].is_u64() || any(&op["body"])
        }
    }
}

struct Writer<'a> {
    regions: &'a [RegionShape],
    /// Whether it may mark requests.
    marks: bool,
    /// How many locks are held.
    held: usize,
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
        let mut more = draw.at("more");
        if nest && more.percent(15) {
            return self.control(&more, inside, depth);
        }
        match (which.below(20), inside) {
            (0..=2, Inside::UserMode | Inside::Syscall) => {
                json!({ "op": "sleep", "span": time(&draw.at("span"), 20 * MS) })
            }
            (3, Inside::UserMode | Inside::Syscall) => json!({ "op": "call_all" }),
            (19, Inside::UserMode) => {
                let mut object = Object::new();
                object.insert("op".into(), json!("yield"));
                give(&mut object, draw, "cost", cost);
                Value::Object(object)
            }
            (18, Inside::UserMode) => self.discard(draw).unwrap_or_else(|| compute(draw)),
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
        let fits = |region: &&RegionShape| {
            inside != Inside::Section
                || (region.prefill || region.stored.is_some()) && !region.may_go
        };
        let regions: Vec<&RegionShape> = self.regions.iter().filter(fits).collect();
        if regions.is_empty() {
            return None;
        }
        let mut region = draw.at("region");
        // The first one is what does not fit into memory.
        let region = if region.percent(60) { regions[0] } else { *region.pick(&regions) };
        if draw.at("recorded").percent(8) {
            return Some(replay(&draw.at("recorded"), region));
        }
        let mut object = Object::new();
        object.insert("op".into(), json!("access"));
        object.insert("region".into(), json!(region.name));
        object.insert("pattern".into(), pattern(&mut draw.at("pattern"), region.pages));
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

    /// Part of a region that no section touches.
    fn discard(&self, draw: &Draw) -> Option<Value> {
        let free: Vec<_> = self.regions.iter().filter(|region| region.may_go).collect();
        let region = free.get(draw.at("region").below(free.len().max(1) as u64) as usize)?;
        let mut part = draw.at("part");
        let first = part.below(region.pages);
        let size = part.between(1, region.pages - first);
        let mut object = Object::new();
        object.insert("op".into(), json!("discard"));
        object.insert("region".into(), json!(region.name));
        give(&mut object, draw, "cost", cost);
        if part.percent(60) {
            object.insert("first".into(), pages(first));
            if part.percent(80) {
                object.insert("size".into(), pages(size));
            }
        }
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
        let inner = Writer { marks: false, ..*self };
        let mut body = inner.body(&draw.at("body"), Inside::UserMode, depth + 1);
        if body.is_empty() {
            body.push(compute(draw));
        }
        json!({ "op": "request", "body": body })
    }

    /// A request from outside; serving it takes time.
    fn serve(&self, draw: &Draw) -> Value {
        let mut request = self.request(draw, 0);
        request["op"] = json!("serve");
        let body = request["body"].as_array_mut();
        if let Some(body) = body.filter(|body| !body.iter().any(takes_time)) {
            body.push(compute(draw));
        }
        request
    }

    /// A body that takes time.
    fn timed_body(&self, draw: &Draw, inside: Inside, depth: u64) -> Vec<Value> {
        let mut body = self.body(draw, inside, depth);
        if !body.iter().any(takes_time) {
            body.push(compute(&draw.at("timed")));
        }
        body
    }

    /// What says where a program goes on, or has tasks wait for each other.
    fn control(&self, draw: &Draw, inside: Inside, depth: u64) -> Value {
        let mut which = draw.at("which");
        let body = draw.at("body");
        let waits = inside != Inside::Section;
        match which.below(9) {
            0 => {
                let body = self.timed_body(&body, inside, depth + 1);
                json!({ "op": "repeat", "times": which.magnitude(1, 40), "body": body })
            }
            1 => {
                let body = self.timed_body(&body, inside, depth + 1);
                json!({ "op": "repeat", "law": number_law(&mut which), "body": body })
            }
            2 => json!({ "op": "once", "body": self.body(&body, inside, depth + 1) }),
            3 => {
                let choice = |index: usize| {
                    let draw = body.index(index);
                    let weight = draw.at("weight").between(1, 10);
                    json!({ "weight": weight, "body": self.body(&draw, inside, depth + 1) })
                };
                let number = which.between(1, 4) as usize;
                json!({ "op": "choose", "of": (0..number).map(choice).collect::<Vec<_>>() })
            }
            4 => {
                let body = self.timed_body(&body, inside, depth + 1);
                json!({ "op": "until", "at": which.written_span(US, 20 * MS), "body": body })
            }
            5 if waits => {
                let inner = Writer { held: self.held + 1, ..*self };
                let (name, body) =
                    (format!("l{}", self.held), inner.body(&body, inside, depth + 1));
                json!({ "op": "lock", "name": name, "body": body })
            }
            6 if waits => {
                let parties = which.between(1, 3);
                json!({ "op": "barrier", "name": format!("b{parties}"), "parties": parties })
            }
            7 if waits => json!({ "op": "wait", "name": format!("s{}", which.below(2)) }),
            8 if waits => {
                let mut object = Object::new();
                object.insert("op".into(), json!("wake"));
                object.insert("name".into(), json!(format!("s{}", which.below(2))));
                give(&mut object, draw, "count", |draw| json!(draw.between(1, 3)));
                Value::Object(object)
            }
            _ => compute(draw),
        }
    }

    fn section(&self, draw: &Draw, depth: u64) -> Value {
        let kind = word::<Section>(&mut draw.at("kind"));
        let body = self.body(&draw.at("body"), Inside::Section, depth + 1);
        json!({ "op": "critical", "kind": kind, "body": body })
    }
}

/// A time of a program: mostly a constant.
fn time(draw: &Draw, most: u64) -> Value {
    let mut form = draw.at("form");
    match form.below(10) {
        0 | 1 => law(draw, form.below(7), 0),
        2 => {
            let (unit, n) = (form.written_span(NS, US), form.magnitude(1, 1000));
            json!({ "kind": "zipf", "unit": unit, "n": n, "exponent_milli": form.below(2000) })
        }
        _ => draw.at("constant").written_span(NS, most),
    }
}

/// A law of small numbers.
fn number_law(draw: &mut Draw) -> Value {
    match draw.below(7) {
        0 => json!({ "kind": "constant", "value": draw.below(5) }),
        1 => json!({ "kind": "uniform", "low": draw.below(3), "high": draw.between(3, 9) }),
        2 => json!({ "kind": "exponential", "mean": draw.below(9) }),
        3 => {
            let sigma = draw.below(1000);
            json!({ "kind": "log_normal", "median": draw.between(1, 9), "sigma_milli": sigma })
        }
        4 => {
            let shape = draw.between(1_500, 4_000);
            json!({ "kind": "pareto", "scale": draw.between(1, 4), "shape_milli": shape })
        }
        5 => {
            let exponent = draw.below(2000);
            json!({ "kind": "zipf", "n": draw.between(1, 20), "exponent_milli": exponent })
        }
        _ => {
            let points = json!([
                { "ppm": 0, "value": draw.below(3) },
                { "ppm": 1_000_000, "value": draw.between(3, 9) }
            ]);
            json!({ "kind": "empirical", "points": points })
        }
    }
}

/// A short trace of addresses over some pages of a region.
fn replay(draw: &Draw, region: &RegionShape) -> Value {
    let mut pages = draw.at("pages");
    let different = pages.magnitude(1, region.pages.min(200));
    let visit = |_| {
        let page = pages.below(different);
        if pages.percent(40) { format!("{page}w") } else { page.to_string() }
    };
    let visits: Vec<String> = (0..draw.at("visits").magnitude(1, 300)).map(visit).collect();
    let instruction = match draw.at("free").percent(15) {
        true => json!("0s"),
        false => draw.at("instruction").written_span(1, US),
    };
    let placement = word::<TracePlacement>(&mut draw.at("placement"));
    json!({
        "op": "replay", "region": region.name, "pages": visits.join(" "), "placement": placement,
        "instruction": instruction
    })
}

/// How an access to a region of so many pages chooses its page.
fn pattern(draw: &mut Draw, all: u64) -> Value {
    if draw.percent(65) {
        return word::<Pattern>(draw);
    }
    let part = |draw: &mut Draw| match draw.percent(50) {
        true => pages(draw.between(1, all)),
        false => json!("100%"),
    };
    let mut object = Object::new();
    let mut put = |name: &str, value: Value| object.insert(name.into(), value);
    let kind = *draw.pick(&["zipf", "hot_set", "strided", "chase", "moving"]);
    put("kind", json!(kind));
    match kind {
        "zipf" => drop(put("exponent_milli", json!(draw.below(2000)))),
        "hot_set" => {
            put("hot", part(draw));
            put("hot_ppm", json!(draw.magnitude(0, 1_000_000)));
            if draw.percent(50) {
                put("drift", json!(draw.magnitude(1, 10_000)));
            }
        }
        "strided" => drop(put("step", part(draw))),
        "moving" => {
            put("window", part(draw));
            put("every", json!(draw.magnitude(1, 10_000)));
        }
        _ => {}
    }
    if matches!(kind, "zipf" | "hot_set" | "moving") && draw.percent(30) {
        put("shuffled", json!(draw.percent(50)));
    }
    Value::Object(object)
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
