//! A real kernel's log: how long what took, and what happened when.

use models::monitors::log::{Course, CourseRow, CourseWindow};
use scenarios::CheckReport;

use super::latency::{self, Curve, Words};
use super::page::{self, elide};
use super::scene::Scene;
use super::series::{self, Frame, Line, TimeAxis};
use super::style::{LABEL_SIZE, MARGIN, PAGE_WIDTH};
use crate::format::{grouped, span_ns};

/// vCPUs with lines of their own.
const MAX_LINES: usize = 6;
/// Points of a line that shows a rate.
const MAX_RATES: usize = 80;
const GAP: f64 = 12.0;

/// One panel: what it shows of a window, and whether the cap belongs into it.
struct Panel {
    heading: &'static str,
    value: fn(&CourseWindow) -> u32,
    with_cap: bool,
}

const PANELS: [Panel; 5] = [
    Panel {
        heading: "outstanding requests (most in a window)",
        value: |window| window.most,
        with_cap: true,
    },
    Panel {
        heading: "faults that the guest was told of (1/s)",
        value: |window| window.told,
        with_cap: false,
    },
    Panel {
        heading: "faults for which the vCPU was halted (1/s)",
        value: |window| window.halted,
        with_cap: false,
    },
    Panel {
        heading: "faults served synchronously (1/s)",
        value: |window| window.sync,
        with_cap: false,
    },
    Panel { heading: "repeated faults (1/s)", value: |window| window.repeated, with_cap: false },
];

/// The distributions of all times that the log decides.
pub(super) fn latencies(report: &CheckReport) -> Scene {
    let (mut scene, y) = page::begin_about("How long it took", &about(report));
    let latencies = &report.survey.course.total.latencies;
    let shown = latencies.named().into_iter().filter(|(_, times)| !times.is_empty());
    let curve = |(name, times)| Curve { legend: latency::legend(name, times, "case"), times };
    let curves: Vec<Curve<'_>> = shown.map(curve).collect();
    let words = Words {
        along: "time (log scale)",
        upwards: "fraction of cases not slower",
        empty: "The log decides no time.",
    };
    let y = latency::draw(&mut scene, y, &curves, &words);
    let note = format!("All vCPUs together. {}", latency::markers("cases"));
    page::finish_with(scene, y + 4.0, &[note, origin(report)])
}

/// What happened when, by vCPU.
pub(super) fn course(report: &CheckReport) -> Scene {
    let (mut scene, y) = page::begin_about("What happened when", &about(report));
    let course = &report.survey.course;
    let shown = shown(report);
    let time = TimeAxis::new(span_ps(course).max(1));
    let (mut y, mut cap_shown) = (y + 4.0, false);
    for panel in &PANELS {
        let line = |(index, (_, row)): (usize, &(String, Row))| (index, points(panel, course, row));
        let mut lines: Vec<Line> = shown.iter().enumerate().map(line).collect();
        let mut heading = panel.heading.to_owned();
        let mut most = series::highest(&lines);
        if panel.with_cap && !shown.is_empty() {
            // Far above what is outstanding the cap would only make the rest flat.
            let cap = f64::from(report.survey.cap);
            if most * 4.0 >= cap {
                let end = span_ps(course) as f64;
                lines.push((shown.len(), vec![(0.0, cap), (end, cap)]));
                (most, cap_shown) = (most.max(cap), true);
            } else {
                heading.push_str(&format!(", far from the cap of {cap}"));
            }
        }
        let frame = Frame { heading: &heading, exponent: 0, most };
        y = series::draw_panel(&mut scene, y, &frame, &lines, &time) + GAP;
    }
    y = time.draw(&mut scene, y - GAP, "time since the beginning of the log");
    let mut entries: Vec<String> = shown.into_iter().map(|(name, _)| name).collect();
    if cap_shown {
        entries.push(format!("cap ({})", report.survey.cap));
    }
    y = series::legend(&mut scene, y, &entries);
    let window = |windows: usize| span_ns(windows as f64 * course.width as f64).replace("us", "µs");
    let note = format!(
        "Requests in windows of {}, rates in windows of {}. A request counts as halted when the log shows that the guest was \
         not told of it; served synchronously are tries at the cap and others that came to nothing.",
        window(1),
        window(together(course))
    );
    page::finish_with(scene, y, &[note, origin(report)])
}

fn about(report: &CheckReport) -> String {
    let events = grouped(report.events as f64);
    let span = span_ns(report.survey.span as f64).replace("us", "µs");
    // A long path would take the page.
    let name = elide(&report.name, LABEL_SIZE, PAGE_WIDTH - 3.0 * MARGIN);
    format!("{name}: {events} events, {span}; kernel: {}", report.kernels)
}

fn origin(report: &CheckReport) -> String {
    let verdict = crate::check::overall(report);
    format!("Verdict: {verdict}. apfsim {} check.", env!("CARGO_PKG_VERSION"))
}

/// The windows of one vCPU, or of several together.
type Row = Vec<CourseWindow>;

fn busy(window: &CourseWindow) -> u64 {
    let CourseWindow { told, halted, sync, repeated, ready, most } = *window;
    [told, halted, sync, repeated, ready, most].into_iter().map(u64::from).sum()
}

/// The vCPUs that are drawn: those with the most events in the order of the log, and one line for
/// all others.
fn shown(report: &CheckReport) -> Vec<(String, Row)> {
    let course = &report.survey.course;
    let weight = |row: &CourseRow| row.windows.iter().map(busy).sum::<u64>();
    let mut busiest: Vec<usize> =
        (0..course.rows.len()).filter(|&at| weight(&course.rows[at]) > 0).collect();
    busiest.sort_by_key(|&at| (std::cmp::Reverse(weight(&course.rows[at])), at));
    let room = if busiest.len() > MAX_LINES { MAX_LINES - 1 } else { busiest.len() };
    let others = busiest.split_off(room);
    busiest.sort_unstable();
    let mut shown: Vec<(String, Row)> = busiest
        .iter()
        .map(|&at| (crate::check::row_name(report, at), course.rows[at].windows.clone()))
        .collect();
    if !others.is_empty() {
        let mut sum = vec![CourseWindow::default(); course.total.windows.len()];
        for &at in &others {
            for (sum, own) in sum.iter_mut().zip(&course.rows[at].windows) {
                *sum = sum.join(*own);
            }
        }
        shown.push((format!("{} others together (most: of one)", others.len()), sum));
    }
    shown
}

fn span_ps(course: &Course) -> u64 {
    let windows = course.total.windows.len() as u64;
    windows.saturating_mul(course.width).saturating_mul(1000)
}

/// Windows that a rate is the mean of: few faults in a short window would be a comb.
fn together(course: &Course) -> usize {
    course.total.windows.len().div_ceil(MAX_RATES).max(1)
}

/// The middle of each window with its value: a rate over some windows, or a level.
fn points(panel: &Panel, course: &Course, row: &Row) -> Vec<(f64, f64)> {
    let step = if panel.with_cap { 1 } else { together(course) };
    let point = |(at, windows): (usize, &[CourseWindow])| {
        let length = windows.len() as f64 * course.width as f64;
        let middle = (at * step) as f64 * course.width as f64 + length / 2.0;
        let sum: f64 = windows.iter().map(|window| f64::from((panel.value)(window))).sum();
        (middle * 1e3, if panel.with_cap { sum } else { sum * 1e9 / length })
    };
    row.chunks(step).enumerate().map(point).collect()
}

#[cfg(test)]
mod tests {
    use scenarios::{CheckOptions, check};

    use super::super::tests::check_texts;
    use super::*;

    /// A log with so many vCPUs, each with a request that is answered and one that is not.
    fn log(vcpus: u32) -> CheckReport {
        let mut text =
            String::from(" x-1 [000] .....  1.000000: kvm_msr: msr_write 4b564d07 = 0x1\n");
        for vcpu in 0..vcpus {
            let mut line = |us: u32, event: &str| {
                let pid = 100 + vcpu;
                text.push_str(&format!(" CPU {vcpu}/KVM-{pid} [000] ..... 1.{us:06}: {event}\n"));
            };
            let us = 100 * (vcpu + 1);
            line(us, "kvm_try_async_get_page: gva = 0x8000, gfn = 0x8");
            line(us + 1, &format!("kvm_async_pf_not_present: token {:#x} gva 0x8000", 4096 + vcpu));
            line(us + 2, "kvm_inj_exception: #PF (0x0)");
            line(us + 50, "kvm_async_pf_completed: gva 0x8000 address 0x7f0000008000");
            line(us + 51, &format!("kvm_async_pf_ready: token {:#x} gva 0x8000", 4096 + vcpu));
        }
        check(text.as_bytes(), "a/log", &CheckOptions::default()).unwrap()
    }

    #[test]
    fn texts_stay_on_the_page_and_apart() {
        for vcpus in [0, 1, 2, 6, 7, 90] {
            let report = log(vcpus);
            check_texts(&format!("latencies of {vcpus}"), &latencies(&report));
            check_texts(&format!("course of {vcpus}"), &course(&report));
            assert_eq!(shown(&report).len(), (vcpus as usize).min(MAX_LINES), "{vcpus}");
        }
    }
}
