//! For terminals and mails.

use models::monitors::log::{
    ClocksDiffer, LogFinding, LogSurvey, SpinCause, Stall, StoryLine, VcpuSurvey,
};
use models::monitors::{Invariant, Verdict};
use scenarios::CheckReport;
use scenarios::logs::check::{HandlerSurvey, SkippedKind};
use sim_core::Histogram;

use super::backports::table as backports;
use super::left_out::left_out;
use super::words::{counted, number, overall, span, word};
use crate::page::{Column, Grid, wrapped};

/// Events that are listed by name.
const MAX_EVENTS: usize = 24;
/// Stalls that are told.
const MAX_STALLS: usize = 16;
/// vCPUs that are listed.
const MAX_VCPUS: usize = 64;

/// The verdict, what led to it, and what was counted and measured.
pub(super) fn table(report: &CheckReport) -> String {
    let blocks = [
        head(report),
        verdicts(report),
        stalls(&report.survey),
        stories(report),
        backports(report),
        open_cases(report),
        pfaults(report),
        left_out(report),
        faults(&report.survey),
        spins(&report.survey),
        latencies(&report.survey),
        handler(report.handler.as_ref()),
        order(report),
        events(report),
    ];
    let blocks: Vec<String> = blocks.into_iter().filter(|block| !block.is_empty()).collect();
    blocks.join("\n")
}

fn head(report: &CheckReport) -> String {
    let shown = match &report.rules {
        Some(rules) => format!("{rules}, as its head says"),
        None if report.kernels_shown => report.kernels.to_owned(),
        None => format!("{} (assumed: no event shows it)", report.kernels),
    };
    let about = match report.source.as_str() {
        "text" => format!("{} events in {} lines", number(report.events), number(report.lines)),
        file => format!("{} events of {file}, numbered as lines are", number(report.events)),
    };
    let about = format!("{about}, {}; kernel: {shown}", span(report.survey.span));
    let mut text = wrapped(&report.name, 0, 0) + &wrapped(&about, 0, 0);
    if report.pfaults.is_some() {
        let other = "This is a log of an s390 host. Its guests are told of missing pages by \
                     pfault, another protocol than the one of x86, whose promises are not \
                     modelled: beginnings and ends are paired by their tokens.";
        text.push_str(&wrapped(other, 0, 0));
    } else if !report.has_faults {
        text.push_str(&wrapped(&no_faults(report), 0, 0));
    }
    if let Some(clocks) = report.survey.clocks {
        text.push_str(&wrapped(&differ(&clocks), 0, 0));
    }
    let cut = report.skipped.iter().any(|one| one.kind == SkippedKind::BrokenCompression);
    let as_far = if cut { ", of what is there: the compressed file is cut off" } else { "" };
    text.push_str(&format!("\nVerdict: {}{as_far}\n", overall(report)));
    text
}

fn differ(clocks: &ClocksDiffer) -> String {
    format!(
        "The clocks of the processors differ: line {} of processor {} has an earlier time than its \
         cause, line {} of processor {}, by {}{}. What rests on the order of events is not judged; \
         record with `echo mono > trace_clock`, `trace-cmd record -C mono` or `perf record -k \
         mono`.",
        clocks.effect,
        clocks.behind,
        clocks.cause,
        clocks.ahead,
        span(clocks.ns),
        match clocks.count {
            1 => String::new(),
            count => format!(", the most of {}", number(count)),
        }
    )
}

/// Why no asynchronous fault was seen. Where much could not be read, nothing is concluded.
fn no_faults(report: &CheckReport) -> String {
    let unread = |kind: SkippedKind| {
        let of_kind = report.skipped.iter().filter(|skipped| skipped.kind == kind);
        of_kind.map(|skipped| skipped.count).sum::<u64>()
    };
    let (lines, fields) = (unread(SkippedKind::NoEvent), unread(SkippedKind::BadFields));
    if fields == 0 && lines.saturating_mul(10) < report.events {
        if report.survey.page_faults {
            return "No asynchronous page fault is in this log, though there are second-stage \
                    faults (kvm_page_fault): the host refuses asynchronous ones (sync), found \
                    every page without waiting, or kvm_async_pf_* and kvm_try_async_get_page were \
                    not recorded."
                .to_owned();
        }
        return "No asynchronous page fault is in this log: the host refuses them (sync), nothing \
                faulted, or kvm_async_pf_* and kvm_try_async_get_page were not recorded."
            .to_owned();
    }
    format!(
        "Nothing can be concluded from this log: {} no lines of a trace (has a program wrapped or \
         cut them?), and the fields of {} are not readable. See below.",
        counted(lines, "line is", "lines are"),
        counted(fields, "event", "events")
    )
}

/// The faults of an s390 host.
fn pfaults(report: &CheckReport) -> String {
    let Some(all) = &report.pfaults else { return String::new() };
    let mut grid = Grid::new(vec![Column::left("pfault"), Column::right("times")]);
    for (name, count) in [
        ("begun", all.begun),
        ("done", all.done),
        ("open at the end of the log", all.open_count),
        ("may have ended where events were lost", all.uncertain),
        ("done, of faults from before", all.unknown),
    ] {
        if count > 0 {
            grid.row(vec![format!("  {name}"), number(count)]);
        }
    }
    let mut text = grid.render();
    for one in &all.open {
        let line = format!(
            "open: token {}, thread {}, since line {}, for {}",
            one.token,
            one.thread,
            one.line,
            span(one.age)
        );
        text.push_str(&wrapped(&line, 2, 4));
    }
    text
}

fn verdicts(report: &CheckReport) -> String {
    if report.findings.is_empty() {
        return String::new();
    }
    let mut grid = Grid::new(vec![
        Column::left("Invariant"),
        Column::left("verdict"),
        Column::right("times"),
        Column::right("open cases"),
        Column::left("title"),
    ]);
    for finding in &report.findings {
        let some = |count: u64| if count == 0 { String::new() } else { number(count) };
        let open = finding.unjudged.iter().map(|one| one.count).sum();
        let title = match finding.verdict {
            Verdict::Undecided { missing } => advice(report, missing),
            _ => Invariant::find(finding.id).map_or("", |line| line.title).to_owned(),
        };
        grid.row(vec![
            format!("  {}", finding.id),
            word(finding.verdict).to_owned(),
            some(finding.count),
            some(open),
            title,
        ]);
    }
    grid.render()
}

/// What to record. Where requests are announced, and completed or not, a host that never gives page
/// ready looks like one of which it is not recorded.
fn advice(report: &CheckReport, missing: &str) -> String {
    let there = |name: &str| report.counts.iter().any(|one| one.name.ends_with(name));
    let announced = there("kvm_async_pf_not_present");
    match missing {
        "kvm_async_pf_ready" if announced => {
            format!("none in the log: record {missing}, or it never came")
        }
        "kvm_async_pf_completed" if announced => {
            format!("none in the log: record {missing}, or no page came")
        }
        _ => format!("record {missing}"),
    }
}

/// Each breach with the lines that led to it, the worst first.
fn stories(report: &CheckReport) -> String {
    let of = |wanted: Verdict| report.findings.iter().filter(move |one| one.verdict == wanted);
    let order = [Verdict::Violation, Verdict::KnownViolation, Verdict::Weakness];
    let texts: Vec<String> = order.into_iter().flat_map(of).map(story).collect();
    texts.join("\n")
}

/// What stands still or goes round, each with the lines around it.
fn stalls(survey: &LogSurvey) -> String {
    let one = |stall: &Stall| {
        wrapped(&format!("stall at line {}: {}", stall.line, stall.message), 0, 2)
            + &story_lines(&stall.story)
    };
    let mut texts: Vec<String> = survey.stalls.iter().take(MAX_STALLS).map(one).collect();
    if survey.stalls.len() > MAX_STALLS {
        texts.push(format!("and {} more stalls\n", survey.stalls.len() - MAX_STALLS));
    }
    texts.join("\n")
}

fn story(finding: &LogFinding) -> String {
    let Some(first) = &finding.first else { return String::new() };
    let times = match finding.count {
        1 => String::new(),
        count => format!(", {} times, first", number(count)),
    };
    let line = format!(
        "{} {}{times} at line {}: {}",
        word(finding.verdict),
        finding.id,
        first.line,
        first.message
    );
    wrapped(&line, 0, 2) + &story_lines(&first.story)
}

fn story_lines(story: &[StoryLine]) -> String {
    let mut text = String::new();
    for line in story {
        let micros = line.ns / 1000;
        let line = format!(
            "{:>8} {:>6}.{:06} {}",
            line.line,
            micros / 1_000_000,
            micros % 1_000_000,
            line.text
        );
        text.push_str(&wrapped(&line, 4, 28));
    }
    text
}

fn open_cases(report: &CheckReport) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        for open in &finding.unjudged {
            let line = format!(
                "{}: {}: {}",
                finding.id,
                counted(open.count, "case", "cases"),
                open.reason
            );
            text.push_str(&wrapped(&line, 2, 4));
        }
    }
    if text.is_empty() { text } else { format!("Open cases\n{text}") }
}

fn faults(survey: &LogSurvey) -> String {
    let busy = |one: &&VcpuSurvey| {
        one.tries + one.told + one.halted + one.repeated + one.ready + one.wake_alls > 0
    };
    let mut grid = Grid::new(vec![
        Column::left("vCPU"),
        Column::right("tries"),
        Column::right("told"),
        Column::right("halted"),
        Column::right("repeated"),
        Column::right("at cap"),
        Column::right("other sync"),
        Column::right("ready"),
        Column::right("wake-all"),
        Column::right("most"),
    ]);
    let vcpus: Vec<&VcpuSurvey> = survey.vcpus.iter().filter(busy).collect();
    for one in vcpus.iter().take(MAX_VCPUS) {
        let number_of = one.id.map_or_else(|| "?".to_owned(), |id| id.to_string());
        let mut cells = vec![format!("  VM {} vcpu{number_of} ({})", one.vm, one.pid)];
        cells.extend(
            [one.tries, one.told, one.halted, one.repeated, one.at_cap, one.refused].map(number),
        );
        cells.extend([one.ready, one.wake_alls, one.most as u64].map(number));
        grid.row(cells);
    }
    let mut text = grid.render();
    if vcpus.len() > MAX_VCPUS {
        text.push_str(&format!("  and {} more\n", vcpus.len() - MAX_VCPUS));
    }
    let unsure: u64 = vcpus.iter().map(|one| one.unsure).sum();
    if survey.told_by_ready > 0 {
        let note = format!(
            "No kvm_inj_exception is in this log: that the guest was told of {} is seen from their \
             page ready (its interrupt or acknowledgement), as since Linux 5.9.",
            counted(survey.told_by_ready, "request", "requests")
        );
        text.push_str(&wrapped(&note, 2, 2));
    }
    if survey.table_faults > 0 {
        let note = format!(
            "Of {} (kvm_page_fault), {} stopped a walk at a table of the guest's; {} of those went \
             asynchronous.",
            counted(
                survey.table_faults + survey.final_faults,
                "second-stage fault",
                "second-stage faults"
            ),
            number(survey.table_faults),
            number(survey.table_requests),
        );
        text.push_str(&wrapped(&note, 2, 2));
    }
    if unsure > 0 {
        let note = format!(
            "No exception is in this log: {} that count as halted may have been told. Record \
             kvm_inj_exception, or kvm_apic_accept_irq and kvm_msr.",
            counted(unsure, "request", "requests")
        );
        text.push_str(&wrapped(&note, 2, 2));
    }
    text
}

fn spins(survey: &LogSurvey) -> String {
    let mut text = String::new();
    for one in &survey.spins {
        let what = if one.cause == SpinCause::Hlt { "HLT exits" } else { "faults" };
        let line = format!(
            "{}: {}, {} {what}, first at line {}: {}",
            one.vcpu,
            counted(one.count, "spin", "spins"),
            number(one.turns),
            one.line,
            one.cause.text()
        );
        text.push_str(&wrapped(&line, 2, 4));
    }
    if text.is_empty() { text } else { format!("Halts that did not halt\n{text}") }
}

fn latencies(survey: &LogSurvey) -> String {
    times("Time", &survey.course.total.latencies.named())
}

/// What the VMM did about missing pages.
fn handler(survey: Option<&HandlerSurvey>) -> String {
    let Some(all) = survey else { return String::new() };
    let mut grid = Grid::new(vec![Column::left("userfaultfd"), Column::right("times")]);
    for (name, count) in [
        ("lookups that must not wait", all.lookups),
        ("messages", all.messages),
        ("messages read", all.read),
        ("calls that install pages", all.copies),
        ("pages installed", all.installed),
        ("pages that nobody had asked for", all.unasked),
        ("pages that were there (EEXIST)", all.there),
        ("calls that failed otherwise", all.failed),
        ("messages open at the end of the log", all.open),
        ("of which no handler has read", all.unread),
        ("may have been answered among lost events", all.uncertain),
        ("whose threads went on without a recorded answer", all.went_on),
    ] {
        if count > 0 {
            grid.row(vec![format!("  {name}"), number(count)]);
        }
    }
    let mut text = grid.render();
    let of_steps = times("Handler", &all.times());
    if !of_steps.is_empty() {
        text.push('\n');
        text.push_str(&of_steps);
    }
    text
}

fn times(title: &str, all: &[(&'static str, &Histogram)]) -> String {
    let mut grid = Grid::new(vec![
        Column::left(title),
        Column::right("count"),
        Column::right("min"),
        Column::right("p50"),
        Column::right("p99"),
        Column::right("max"),
    ]);
    for &(name, times) in all {
        if times.is_empty() {
            continue;
        }
        grid.row(vec![
            format!("  {name}"),
            number(times.count()),
            span(times.min()),
            span(times.value_at_quantile(0.5)),
            span(times.value_at_quantile(0.99)),
            span(times.max()),
        ]);
    }
    grid.render()
}

fn order(report: &CheckReport) -> String {
    let survey = &report.survey;
    let mut grid = Grid::new(vec![Column::left("Order"), Column::right("times")]);
    for (name, count) in [
        ("completed before an earlier request", survey.completed_out_of_order),
        ("ready before an earlier completion", survey.ready_out_of_order),
        ("another's ready before the exception", survey.crossed),
        ("own ready before the exception", survey.ready_before_exception),
        ("ready before `completed` was printed", survey.ready_before_completed),
        ("ready of requests from before", survey.from_before),
        ("completed, of requests not in the log", survey.foreign_completions),
    ] {
        if count > 0 {
            grid.row(vec![format!("  {name}"), number(count)]);
        }
    }
    grid.render()
}

fn events(report: &CheckReport) -> String {
    let mut grid = Grid::new(vec![Column::left("Event"), Column::right("count")]);
    for event in report.counts.iter().take(MAX_EVENTS) {
        grid.row(vec![format!("  {}", event.name), number(event.count)]);
    }
    let mut text = grid.render();
    if report.counts.len() > MAX_EVENTS {
        text.push_str(&format!("  and {} more names\n", report.counts.len() - MAX_EVENTS));
    }
    text
}
