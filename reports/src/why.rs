//! Why a request or a fault took so long, as text and JSON: the chain of what it waited for, with who held
//! that.

use models::base::ids::{SyncId, TaskId, ThreadId};
use models::base::record::{BlockReason, IoKind};
use models::trace::why::{Cause, Doing, Link};
use scenarios::experiments::why::{Subject, WhyReport};
use serde_json::{Value, json};
use sim_core::SimDuration;

use crate::anatomy::{Offset, microseconds, parts_table, rounded, seconds, span as length};
use crate::format::grouped;
use crate::json::written;
use crate::page::{Grid, Page};
use crate::report::{Names, Report};

/// Links that are printed at most: the longest are shown, in the order of time.
const MOST_LINKS: usize = 40;
/// Causes of one kind that a link names.
const MOST_CAUSES: usize = 3;
/// Columns of the page.
const WIDTH: usize = 100;
/// Columns before the text of a link.
const WHAT: usize = 33;

impl Report for WhyReport {
    fn page(&self) -> Page {
        Page::verbatim(page(self))
    }

    fn object(&self) -> String {
        written(serde_json::to_string(&object(self)))
    }

    fn tables(&self) -> Vec<(&'static str, Grid)> {
        let mut grid = Grid::named(["offset_us", "for_us", "what", "because"]);
        for link in &self.chain.links {
            let (from, span) = (offset(self, link), ps(link.span()));
            let because: Vec<String> = link.causes.iter().map(|it| cause(self, it)).collect();
            grid.row(vec![exact(from), exact(span), doing(self, link), because.join("; ")]);
        }
        vec![("links", grid)]
    }

    fn names(&self) -> Names {
        Names { page: "why.txt", object: "why.json" }
    }
}

fn ps(span: SimDuration) -> Offset {
    Offset::try_from(span.as_ps()).unwrap_or(Offset::MAX)
}

/// From the begin of it all to the begin of a link.
fn offset(report: &WhyReport, link: &Link) -> Offset {
    ps(link.from.saturating_since(report.subject.begin()))
}

/// Picoseconds as microseconds, all digits.
fn exact(ps: Offset) -> String {
    format!("{}.{:06}", ps / 1_000_000, ps % 1_000_000)
}

fn page(report: &WhyReport) -> String {
    let latency = length(ps(report.subject.latency()));
    let about = if report.exact { "" } else { "about " };
    let (kind, what) = match &report.subject {
        Subject::Request(_) => ("request", String::new()),
        Subject::Fault(fault) => {
            let walk = if fault.in_walk { ", a page table" } else { "" };
            ("major fault", format!(" on page {:#x}{walk} ({})", fault.gfn.0, fault.path.name()))
        }
    };
    let task = task(report, report.chain.task);
    let faults = match (&report.subject, report.chain.faults.len()) {
        (Subject::Fault(_), _) => String::new(),
        (_, 1) => "; 1 major fault of its own".to_owned(),
        (_, count) => format!("; {count} major faults of its own"),
    };
    let begin = seconds(report.subject.begin().as_ps());
    let mut text = format!(
        "{}, {}: why a {kind} took {latency}\n{about}{} of {}; {task}{what}, from {begin} s on{faults}\n\n",
        report.scenario,
        report.policy,
        report.rank.name(),
        grouped(report.count as f64),
    );
    text.push_str(&links(report));
    text.push('\n');
    text.push_str(&parts(report));
    text.push_str(&format!(
        "\napfsim {} scenario {} ({}) policy {} seed {} digest {}\n",
        report.version,
        report.scenario,
        report.scenario_hash,
        report.policy,
        report.seed,
        report.digest
    ));
    text
}

/// A link as it is printed, rounded to hundredths of microseconds so that offsets and lengths agree.
fn printed(report: &WhyReport, link: &Link) -> (Offset, Offset) {
    let rounded = |ps: Offset| (ps + 5_000) / 10_000 * 10_000;
    let from = offset(report, link);
    let to = rounded(from + ps(link.span()));
    (rounded(from), to - rounded(from))
}

/// The links in order, short ones together where there are many.
fn links(report: &WhyReport) -> String {
    let links = &report.chain.links;
    let mut lengths: Vec<Offset> = links.iter().map(|link| ps(link.span())).collect();
    lengths.sort_unstable_by(|a, b| b.cmp(a));
    let least = lengths.get(MOST_LINKS - 1).copied().unwrap_or(0);
    let mut text =
        format!("{:>15} {:>15}  what it waited for, and why\n", "offset (us)", "for (us)");
    let mut left_out = (0_usize, 0);
    let flush = |text: &mut String, left_out: &mut (usize, Offset)| {
        if left_out.0 > 0 {
            let (count, length) = std::mem::take(left_out);
            let length = microseconds(length);
            text.push_str(&format!("{:>15} {length:>15}  {count} shorter ones\n", "..."));
        }
    };
    for link in links {
        let (from, span) = printed(report, link);
        if ps(link.span()) < least {
            left_out = (left_out.0 + 1, left_out.1 + span);
            continue;
        }
        flush(&mut text, &mut left_out);
        let (from, span) = (microseconds(from), microseconds(span));
        let mut line = doing(report, link);
        let because = because(report, link);
        if !because.is_empty() {
            line.push_str(&format!(": {because}"));
        }
        text.push_str(&lines(&format!("{from:>15} {span:>15}  "), &line));
    }
    flush(&mut text, &mut left_out);
    let total = microseconds(ps(report.subject.latency()));
    text.push_str(&format!("{:>15} {total:>15}  in all\n", ""));
    text
}

/// A text behind a head, broken between words.
fn lines(head: &str, text: &str) -> String {
    let mut all = String::new();
    let mut line = head.to_owned();
    let mut empty = true;
    for word in text.split(' ') {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            all.push_str(&format!("{line}\n"));
            (line, empty) = (" ".repeat(WHAT + 2), true);
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    all + &line + "\n"
}

/// What all links of a kind come to.
fn parts(report: &WhyReport) -> String {
    let mut sums: Vec<(&'static str, SimDuration)> = Vec::new();
    for link in &report.chain.links {
        let name = name(link.doing);
        match sums.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum = SimDuration::from_ps(sum.as_ps() + link.span().as_ps()),
            None => sums.push((name, link.span())),
        }
    }
    parts_table(&rounded(sums.into_iter()))
}

fn name(doing: Doing) -> &'static str {
    match doing {
        Doing::Request(part) => part.name(),
        Doing::Fault(_, part) => part.name(),
    }
}

/// What happens in a link, and of which fault of several it is.
fn doing(report: &WhyReport, link: &Link) -> String {
    match (link.doing, &report.subject) {
        (Doing::Fault(number, part), Subject::Request(_)) => {
            let fault = report.chain.faults.get(number);
            let page = fault.map_or_else(String::new, |fault| {
                format!("page {:#x} ({}), ", fault.gfn.0, fault.path.name())
            });
            format!("{page}{}", part.name())
        }
        (doing, _) => name(doing).to_owned(),
    }
}

/// The causes that are named, the others as a number.
fn because(report: &WhyReport, link: &Link) -> String {
    let mut told: Vec<String> = Vec::new();
    let mut kinds: Vec<(std::mem::Discriminant<Cause>, usize)> = Vec::new();
    let mut left_out = 0;
    for it in &link.causes {
        let kind = std::mem::discriminant(it);
        let count = match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => {
                *count += 1;
                *count
            }
            None => {
                kinds.push((kind, 1));
                1
            }
        };
        if count <= MOST_CAUSES { told.push(cause(report, it)) } else { left_out += 1 }
    }
    if left_out > 0 {
        told.push(format!("and {left_out} more"));
    }
    told.join("; ")
}

fn cause(report: &WhyReport, cause: &Cause) -> String {
    let of = |span: &SimDuration| length(ps(*span));
    match cause {
        Cause::Serves { task: who, span } => {
            format!("{} served another request, {}", task(report, *who), of(span))
        }
        Cause::Task { task: who, span } => {
            format!("{} had the vCPU, {}", task(report, *who), of(span))
        }
        Cause::Asleep { reason, page, task: who, span } => {
            let whose = who.map(|who| format!(" of {}", task(report, who))).unwrap_or_default();
            let page = page.map(|gfn| format!(" for page {:#x}{whose}", gfn.0)).unwrap_or_default();
            format!("the vCPU {}{page}, {}", asleep(*reason), of(span))
        }
        Cause::Read { pages, queued, service } => {
            let queued = match queued.is_zero() {
                true => String::new(),
                false => format!(" after {} in the queue", of(queued)),
            };
            format!("a read of {} took {}{queued}", pages_of(u64::from(*pages)), of(service))
        }
        Cause::Ahead { op, requests, pages } => {
            let what = if *op == IoKind::Read { "read" } else { "write" };
            let plural = if *requests == 1 { "" } else { "s" };
            format!("{requests} other {what}{plural} ({}) went first", pages_of(*pages))
        }
        Cause::Worker { worker, span, .. } => {
            format!("worker {} was at other work, {}", worker.0, of(span))
        }
        Cause::Reclaim { passes, done, span } => {
            let plural = if *passes == 1 { "pass" } else { "passes" };
            format!(
                "{passes} {plural} of reclaim ({} looked at, {} freed, {} to be written), {}",
                done.scanned,
                done.freed,
                done.written,
                of(span)
            )
        }
        Cause::MapLock { thread: who, write, span } => {
            let who = who.map_or_else(|| "another thread".to_owned(), |who| thread(report, who));
            let how = if *write { "writing" } else { "reading" };
            format!("{who} had the memory map for {how}, {}", of(span))
        }
        Cause::Sync { on } => sync(report, *on),
        Cause::Thread { thread: who, processor, span } => {
            format!("{} had processor {}, {}", thread(report, *who), processor.0, of(span))
        }
        Cause::Handler { thread: who, span } => {
            format!(
                "{} slept for the contents, or their `latency`, {}",
                thread(report, *who),
                of(span)
            )
        }
        Cause::Exit { reason, times: 1 } => format!("exit {}", reason.name()),
        Cause::Exit { reason, times } => format!("{times} exits {}", reason.name()),
    }
}

fn pages_of(pages: u64) -> String {
    if pages == 1 { "1 page".to_owned() } else { format!("{} pages", grouped(pages as f64)) }
}

fn asleep(reason: BlockReason) -> &'static str {
    match reason {
        BlockReason::Hlt => "was idle",
        BlockReason::ApfHalt => "was halted",
        BlockReason::Fetch => "was stalled",
        BlockReason::Reclaim => "waited for write-back",
        BlockReason::MapLock => "waited for the memory map",
        BlockReason::Throttle => "waited to be let write",
        BlockReason::High => "slept for memory beyond memory.high",
        BlockReason::Stopped => "was stopped by the VMM",
    }
}

fn task(report: &WhyReport, task: TaskId) -> String {
    report.tasks.get(task.index()).cloned().unwrap_or_else(|| format!("task {}", task.0))
}

fn sync(report: &WhyReport, on: SyncId) -> String {
    let name = report.syncs.get(on.index()).cloned();
    name.map_or_else(|| format!("for {on}"), |name| format!("for `{name}`"))
}

/// vCPUs first, then threads of the VMM that answer faults, then workers.
fn thread(report: &WhyReport, thread: ThreadId) -> String {
    let behind = thread.0.checked_sub(u32::from(report.vcpus));
    let Some(number) = behind else { return format!("vCPU {}", thread.0) };
    let named = report.threads.get(number as usize);
    named.cloned().unwrap_or_else(|| format!("worker {number}"))
}

fn object(report: &WhyReport) -> Value {
    let link = |link: &Link| {
        let fault = match link.doing {
            Doing::Fault(number, _) => report.chain.faults.get(number),
            Doing::Request(_) => None,
        };
        json!({
            "offset_ps": offset(report, link),
            "ps": ps(link.span()),
            "what": name(link.doing),
            "page": fault.map(|fault| fault.gfn.0),
            "because": link.causes.iter().map(|it| cause_object(report, it)).collect::<Vec<_>>(),
        })
    };
    let fault = |fault: &models::trace::anatomy::FaultSeen| {
        json!({
            "gfn": fault.gfn.0,
            "path": fault.path.name(),
            "in_walk": fault.in_walk,
            "begin_ps": fault.begin.as_ps(),
            "ps": fault.latency().as_ps(),
        })
    };
    json!({
        "scenario": report.scenario,
        "version": report.version,
        "scenario_hash": report.scenario_hash,
        "seed": report.seed,
        "policy": report.policy,
        "digest": report.digest.to_string(),
        "of": match report.subject { Subject::Request(_) => "request", Subject::Fault(_) => "fault" },
        "rank": report.rank.name(),
        "count": report.count,
        "exact": report.exact,
        "task": task(report, report.chain.task),
        "begin_ps": report.subject.begin().as_ps(),
        "latency_ps": report.subject.latency().as_ps(),
        "faults": report.chain.faults.iter().map(fault).collect::<Vec<_>>(),
        "links": report.chain.links.iter().map(link).collect::<Vec<_>>(),
    })
}

fn cause_object(report: &WhyReport, it: &Cause) -> Value {
    let mut object = match it {
        Cause::Serves { task: who, span } => {
            json!({ "serves": task(report, *who), "ps": ps(*span) })
        }
        Cause::Task { task: who, span } => json!({ "task": task(report, *who), "ps": ps(*span) }),
        Cause::Asleep { reason, page, task: who, span } => json!({
            "asleep": reason.name(),
            "page": page.map(|gfn| gfn.0),
            "of": who.map(|who| task(report, who)),
            "ps": ps(*span),
        }),
        Cause::Read { pages, queued, service } => {
            json!({ "read": pages, "queued_ps": ps(*queued), "ps": ps(*service) })
        }
        Cause::Ahead { op, requests, pages } => {
            json!({ "ahead": op.name(), "requests": requests, "pages": pages })
        }
        Cause::Worker { worker, item, span } => {
            json!({ "worker": worker.0, "item": item.0, "ps": ps(*span) })
        }
        Cause::Reclaim { passes, done, span } => json!({
            "reclaim": passes,
            "scanned": done.scanned,
            "freed": done.freed,
            "written": done.written,
            "ps": ps(*span),
        }),
        Cause::MapLock { thread: who, write, span } => json!({
            "map_lock": who.map(|who| thread(report, who)),
            "write": write,
            "ps": ps(*span),
        }),
        Cause::Sync { on } => json!({ "sync": report.syncs.get(on.index()) }),
        Cause::Thread { thread: who, processor, span } => {
            json!({ "thread": thread(report, *who), "processor": processor.0, "ps": ps(*span) })
        }
        Cause::Handler { thread: who, span } => {
            json!({ "handler": thread(report, *who), "ps": ps(*span) })
        }
        Cause::Exit { reason, times } => json!({ "exit": reason.name(), "times": times }),
    };
    object["text"] = json!(cause(report, it));
    object
}
