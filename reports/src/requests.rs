//! The anatomy of requests: what the latency of a slow one consists of, and what it did when.

use models::trace::requests::{RequestPart, RequestSeen};
use scenarios::{PickedRequest, PolicyRequests, RequestReport};
use serde_json::{Value, json};

use crate::anatomy::{Offset, microseconds, parts_table, rounded, seconds, span};
use crate::format::grouped;
use crate::json::written;
use crate::page::{Column, Grid, Page};
use crate::report::{Names, Report};

/// Stretches of a request that are printed at most: the longest are shown, in the order of time.
const MOST_STRETCHES: usize = 60;

impl Report for RequestReport {
    fn page(&self) -> Page {
        Page::verbatim(page(self))
    }

    fn object(&self) -> String {
        written(serde_json::to_string(&object(self)))
    }

    fn tables(&self) -> Vec<(&'static str, Grid)> {
        vec![("requests", grid(self))]
    }

    fn names(&self) -> Names {
        Names { page: "requests.txt", object: "requests.json" }
    }
}

fn page(report: &RequestReport) -> String {
    let cpus = if report.vcpus == 1 { "vCPU" } else { "vCPUs" };
    let mut text = format!(
        "{}: anatomy of requests\n{} {cpus}, {} simulated, first replication of seed {}\n",
        report.scenario, report.vcpus, report.duration, report.seed
    );
    let picks = report.policies.iter().flat_map(|policy| &policy.picked).map(|it| it.pick);
    let mut picks: Vec<_> = picks.collect();
    picks.sort_unstable();
    picks.dedup();
    for pick in picks {
        for policy in &report.policies {
            for picked in policy.picked.iter().filter(|picked| picked.pick == pick) {
                text.push('\n');
                text.push_str(&one(report, policy, picked));
            }
        }
    }
    for policy in report.policies.iter().filter(|policy| policy.picked.is_empty()) {
        text.push_str(&format!("\n{}: no request ended in the measured time\n", policy.policy));
    }
    text.push_str(&format!(
        "\napfsim {} scenario {} ({}) seed {}",
        report.version, report.scenario, report.scenario_hash, report.seed
    ));
    for policy in &report.policies {
        text.push_str(&format!("\n  {} digest {}", policy.policy, policy.digest));
    }
    text + "\n"
}

fn one(report: &RequestReport, policy: &PolicyRequests, picked: &PickedRequest) -> String {
    let request = &picked.request;
    let about = if picked.exact { "" } else { "about " };
    let plural = if request.major_faults == 1 { "" } else { "s" };
    let mut text = format!(
        "{}, {}: {} ({about}{} of {} requests are not slower)\n{}, from {} s on, {} major fault{plural}\n\n",
        policy.policy,
        picked.pick.name(),
        span(ps(request.latency())),
        grouped(picked.rank as f64),
        grouped(policy.requests as f64),
        task(report, request),
        seconds(arrival(request)),
        request.major_faults,
    );
    text.push_str(&parts(request));
    text.push('\n');
    text.push_str(&stretches(request));
    text
}

fn ps(span: sim_core::SimDuration) -> Offset {
    Offset::try_from(span.as_ps()).unwrap_or(Offset::MAX)
}

/// When it arrived, in picoseconds.
fn arrival(request: &RequestSeen) -> u64 {
    request.key.begin.as_ps().saturating_sub(request.waited.as_ps())
}

fn task(report: &RequestReport, request: &RequestSeen) -> String {
    let task = request.key.task;
    report.tasks.get(task.index()).cloned().unwrap_or_else(|| format!("task {}", task.0))
}

/// The parts that took time. What is printed adds up to the latency that is printed.
fn parts(request: &RequestSeen) -> String {
    let some = request.parts.iter().filter(|(_, span)| !span.is_zero());
    parts_table(&rounded(some.map(|(part, span)| (part.name(), span))))
}

/// From when to when it was in which state, counted from its arrival, in picoseconds.
fn spans(request: &RequestSeen) -> Vec<(Offset, Offset, RequestPart)> {
    let zero = Offset::try_from(arrival(request)).unwrap_or(Offset::MAX);
    let at = |time: sim_core::SimTime| Offset::try_from(time.as_ps()).unwrap_or(Offset::MAX) - zero;
    let mut spans = Vec::new();
    if !request.waited.is_zero() {
        spans.push((0, ps(request.waited), RequestPart::Queue));
    }
    for (place, stretch) in request.stretches.iter().enumerate() {
        let end = request.stretches.get(place + 1).map_or(request.end, |next| next.from);
        spans.push((at(stretch.from), at(end), stretch.part));
    }
    spans.retain(|(from, to, _)| from < to);
    spans
}

fn stretches(request: &RequestSeen) -> String {
    let all = spans(request);
    let mut lengths: Vec<Offset> = all.iter().map(|(from, to, _)| to - from).collect();
    lengths.sort_unstable_by(|a, b| b.cmp(a));
    let least = lengths.get(MOST_STRETCHES - 1).copied().unwrap_or(0);
    let mut text = format!("{:>15} {:>15}  what it did\n", "offset (us)", "for (us)");
    let mut left_out = (0_usize, 0);
    let flush = |text: &mut String, left_out: &mut (usize, Offset)| {
        if left_out.0 > 0 {
            let (count, length) = std::mem::take(left_out);
            let length = microseconds(length);
            text.push_str(&format!("{:>15} {length:>15}  {count} shorter stretches\n", "..."));
        }
    };
    for (from, to, part) in all {
        if to - from < least {
            left_out = (left_out.0 + 1, left_out.1 + to - from);
            continue;
        }
        flush(&mut text, &mut left_out);
        let (offset, length) = (microseconds(from), microseconds(to - from));
        text.push_str(&format!("{offset:>15} {length:>15}  {}\n", doing(part)));
    }
    flush(&mut text, &mut left_out);
    text
}

/// What a stretch is called. Records do not say when the kernel begins to have a vCPU.
fn doing(part: RequestPart) -> &'static str {
    match part {
        RequestPart::Cpu => "runs (own program and guest kernel)",
        other => other.name(),
    }
}

fn grid(report: &RequestReport) -> Grid {
    let mut columns: Vec<Column> =
        ["policy", "pick", "task", "latency_us", "major_faults"].map(Column::left).into();
    columns.extend(RequestPart::ALL.map(|part| Column::left(part.name())));
    let mut grid = Grid::new(columns);
    for policy in &report.policies {
        for picked in &policy.picked {
            let request = &picked.request;
            let mut row = vec![
                policy.policy.clone(),
                picked.pick.name().to_owned(),
                task(report, request),
                exact(ps(request.latency())),
                request.major_faults.to_string(),
            ];
            row.extend(request.parts.iter().map(|(_, span)| exact(ps(span))));
            grid.row(row);
        }
    }
    grid
}

/// Picoseconds as microseconds, all digits.
fn exact(ps: Offset) -> String {
    format!("{}.{:06}", ps / 1_000_000, ps % 1_000_000)
}

fn object(report: &RequestReport) -> Value {
    let picked = |picked: &PickedRequest| {
        let request = &picked.request;
        let parts = request.parts.iter().filter(|(_, span)| !span.is_zero());
        let parts = parts.map(|(part, span)| json!({ "part": part.name(), "ps": span.as_ps() }));
        let stretches = spans(request).into_iter().map(
            |(from, to, part)| json!({ "offset_ps": from, "ps": to - from, "what": doing(part) }),
        );
        json!({
            "pick": picked.pick.name(),
            "rank": picked.rank,
            "exact": picked.exact,
            "task": task(report, request),
            "arrival_ps": arrival(request),
            "waited_ps": request.waited.as_ps(),
            "latency_ps": request.latency().as_ps(),
            "major_faults": request.major_faults,
            "parts": parts.collect::<Vec<_>>(),
            "stretches": stretches.collect::<Vec<_>>(),
        })
    };
    let policy = |policy: &PolicyRequests| {
        json!({
            "policy": policy.policy,
            "digest": policy.digest.to_string(),
            "requests": policy.requests,
            "picked": policy.picked.iter().map(picked).collect::<Vec<_>>(),
        })
    };
    json!({
        "scenario": report.scenario,
        "title": report.title,
        "version": report.version,
        "scenario_hash": report.scenario_hash,
        "seed": report.seed,
        "duration_s": report.duration.as_secs_f64(),
        "vcpus": report.vcpus,
        "policies": report.policies.iter().map(policy).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use models::base::ids::{GroupId, TaskId};
    use models::trace::anatomy::Pick;
    use models::trace::digest::DigestValue;
    use models::trace::requests::{RequestKey, RequestParts, RequestStretch};
    use sim_core::{SimDuration, SimTime};

    use super::*;

    fn at(ns: u64) -> SimTime {
        SimTime::from_ps(ns * 1_000)
    }

    /// 2.5 us of waiting, 10.004 us of its own, 500.004 us for its page, and no more.
    fn report() -> RequestReport {
        let part = |part, ns| (part, SimDuration::from_ns(ns));
        let parts = [
            part(RequestPart::Queue, 2_500),
            part(RequestPart::Cpu, 10_004),
            part(RequestPart::Device, 500_004),
        ];
        let stretch = |ns, part| RequestStretch { from: at(ns), part };
        let request = RequestSeen {
            key: RequestKey { task: TaskId(1), begin: at(1_000_002_500) },
            group: GroupId(0),
            waited: SimDuration::from_ns(2_500),
            end: at(1_000_512_508),
            parts: RequestParts::of(&parts),
            major_faults: 1,
            stretches: vec![
                stretch(1_000_002_500, RequestPart::Cpu),
                stretch(1_000_010_000, RequestPart::Device),
                stretch(1_000_510_004, RequestPart::Cpu),
            ],
        };
        assert_eq!(request.parts.total(), request.latency());
        let picked = vec![PickedRequest { pick: Pick::P99, rank: 99, exact: true, request }];
        let policy = |policy: &str, picked| PolicyRequests {
            policy: policy.to_owned(),
            digest: DigestValue(7),
            requests: 100,
            picked,
        };
        RequestReport {
            scenario: "kv".to_owned(),
            title: "Why?".to_owned(),
            version: "0.1.0".to_owned(),
            scenario_hash: "0".repeat(32),
            seed: 1,
            duration: SimDuration::from_secs(2),
            vcpus: 1,
            tasks: vec!["main".to_owned(), "server".to_owned()],
            policies: vec![policy("sync", picked), policy("halt", Vec::new())],
        }
    }

    #[test]
    fn a_request_in_text() {
        insta::assert_snapshot!(page(&report()));
    }

    #[test]
    fn parts_and_stretches_of_the_object_add_up() {
        let value = object(&report());
        let picked = &value["policies"][0]["picked"][0];
        for list in ["parts", "stretches"] {
            let spans = picked[list].as_array().unwrap().iter();
            let sum: u64 = spans.map(|it| it["ps"].as_u64().unwrap()).sum();
            assert_eq!(sum, picked["latency_ps"].as_u64().unwrap(), "{list}");
        }
        let row = grid(&report());
        assert!(!row.is_empty());
    }
}
