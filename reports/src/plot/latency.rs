//! The cumulative distribution of fault latency, a line a policy.

use scenarios::{Comparison, PolicyResult};
use sim_core::Histogram;

use super::axis::LogAxis;
use super::font::{self, Weight};
use super::marks;
use super::page::{self, elide};
use super::scene::{Align, Point, Scene, Shape, Text};
use super::style::{self, LABEL_SIZE, Look, MARGIN, PAGE_WIDTH};
use crate::format::{grouped, span_ns};

const HEIGHT: f64 = 330.0;
const LEFT: f64 = MARGIN + 52.0;
const RIGHT: f64 = PAGE_WIDTH - MARGIN - 8.0;
const GAP: f64 = 8.0;
const LINE_WIDTH: f64 = 2.0;
/// Length of the line that stands for a policy in the legend.
const SAMPLE: f64 = 44.0;
/// Where on a line its markers are.
const MARKED: [f64; 5] = [0.1, 0.3, 0.5, 0.7, 0.9];

/// Maps latencies and fractions to the page.
struct Frame {
    axis: LogAxis,
    top: f64,
    bottom: f64,
}

impl Frame {
    fn x(&self, log: f64) -> f64 {
        let share = (log - self.axis.from) / (self.axis.to - self.axis.from);
        LEFT + share.clamp(0.0, 1.0) * (RIGHT - LEFT)
    }

    fn x_of_ns(&self, ns: u64) -> f64 {
        self.x((ns.max(1) as f64).log10())
    }

    fn y(&self, fraction: f64) -> f64 {
        self.bottom + (self.top - self.bottom) * fraction.clamp(0.0, 1.0)
    }
}

/// A distribution, and what the legend says of it.
pub(super) struct Curve<'a> {
    pub(super) legend: String,
    pub(super) times: &'a Histogram,
}

/// What stands at the axes, and in the place of curves where there are none.
pub(super) struct Words<'a> {
    pub(super) along: &'a str,
    pub(super) upwards: &'a str,
    pub(super) empty: &'a str,
}

/// The figure.
pub(super) fn scene(comparison: &Comparison) -> Scene {
    let (mut scene, y) = page::begin("Fault latency by policy", comparison);
    let curve = |policy| Curve { legend: entry(policy), times: &policy.latency };
    let curves: Vec<Curve<'_>> = comparison.policies.iter().map(curve).collect();
    let words = Words {
        along: "fault latency, from the faulting access to its completion (log scale)",
        upwards: "fraction of faults not slower",
        empty: "No fault was recorded.",
    };
    let y = draw(&mut scene, y, &curves, &words);
    let note = format!("Faults of all replications together. {}", markers("faults"));
    page::finish(scene, y + GAP / 2.0, &[note], comparison)
}

/// The same of the requests of all groups, where some ended.
pub(super) fn of_requests(comparison: &Comparison) -> Option<Scene> {
    let times: Vec<Histogram> = comparison.policies.iter().map(all_requests).collect();
    if times.iter().all(Histogram::is_empty) {
        return None;
    }
    let (mut scene, y) = page::begin("Request latency by policy", comparison);
    let named = comparison.policies.iter().zip(&times);
    let curve = |(policy, times): (&PolicyResult, _)| Curve {
        legend: legend(&policy.policy, times, "request"),
        times,
    };
    let curves: Vec<Curve<'_>> = named.map(curve).collect();
    let words = Words {
        along: "request latency, from its arrival or beginning to its end (log scale)",
        upwards: "fraction of requests not slower",
        empty: "No request ended.",
    };
    let y = draw(&mut scene, y, &curves, &words);
    let note = format!("Requests of all replications together. {}", markers("requests"));
    Some(page::finish(scene, y + GAP / 2.0, &[note], comparison))
}

fn all_requests(policy: &PolicyResult) -> Histogram {
    let mut all = Histogram::new();
    policy.request_latency.iter().for_each(|(_, own)| all.merge(own));
    all
}

/// Where the markers are, as a sentence.
pub(super) fn markers(of: &str) -> String {
    let marked = MARKED.map(|fraction| format!("{:.0} %", fraction * 100.0)).join(", ");
    format!("Markers at {marked} of the {of}.")
}

/// Draws the frame, the curves and the legend. Gives the y below.
pub(super) fn draw(scene: &mut Scene, y: f64, curves: &[Curve<'_>], words: &Words<'_>) -> f64 {
    let top = y + GAP;
    let recorded = || curves.iter().map(|curve| curve.times).filter(|times| !times.is_empty());
    let min = recorded().map(Histogram::min).min();
    let max = recorded().map(Histogram::max).max();
    let axis = LogAxis::covering(min.unwrap_or(1_000), max.unwrap_or(1_000_000_000));
    let frame = Frame { axis, top, bottom: top + HEIGHT };

    draw_grid(scene, &frame, words.upwards);
    if recorded().next().is_none() {
        let middle = ((LEFT + RIGHT) / 2.0, (frame.top + frame.bottom) / 2.0);
        let (from, to) = ((middle.0 - 90.0, middle.1 - 14.0), (middle.0 + 90.0, middle.1 + 14.0));
        scene.push(Shape::Rect { from, to, fill: plotters::style::WHITE });
        let text = Text::new(middle, LABEL_SIZE * 1.2, words.empty);
        scene.text(text.align(Align::Center).color(style::FAINT_INK));
    }
    // The first one, which is the baseline as a rule, lies on top.
    for (index, curve) in curves.iter().enumerate().rev() {
        draw_curve(scene, &frame, curve.times, &style::look(index));
    }
    let title_y = frame.bottom + 2.0 * GAP + LABEL_SIZE * 1.5;
    let middle = (LEFT + RIGHT) / 2.0;
    scene.text(Text::new((middle, title_y), LABEL_SIZE, words.along).align(Align::Center));
    draw_legend(scene, title_y + LABEL_SIZE * 2.2, curves)
}

fn draw_grid(scene: &mut Scene, frame: &Frame, upwards: &str) {
    let ticks = frame.axis.ticks();
    for (labelled, color) in [(false, style::FINE_GRID), (true, style::GRID)] {
        for tick in ticks.iter().filter(|tick| tick.label.is_some() == labelled) {
            let x = frame.x(tick.at);
            scene.line(vec![(x, frame.top), (x, frame.bottom)], 1.0, color);
        }
    }
    let labels_y = frame.bottom + GAP + LABEL_SIZE / 2.0;
    let mut free_from = 0.0;
    for tick in ticks {
        let Some(label) = tick.label else { continue };
        let (x, width) = (frame.x(tick.at), font::width(&label, LABEL_SIZE, Weight::Normal));
        if x - width / 2.0 < free_from || x + width / 2.0 > PAGE_WIDTH - GAP {
            continue;
        }
        free_from = x + width / 2.0 + GAP;
        scene.text(Text::new((x, labels_y), LABEL_SIZE, label).align(Align::Center));
    }
    for fifth in 0..=5 {
        let fraction = f64::from(fifth) / 5.0;
        let y = frame.y(fraction);
        scene.line(vec![(LEFT, y), (RIGHT, y)], 1.0, style::GRID);
        let label = Text::new((LEFT - GAP, y), LABEL_SIZE, format!("{fraction:.1}"));
        scene.text(label.align(Align::Right));
    }
    let corners = [(LEFT, frame.top), (RIGHT, frame.top), (RIGHT, frame.bottom)];
    let outline = [corners[0], corners[1], corners[2], (LEFT, frame.bottom), corners[0]];
    for side in outline.windows(2) {
        scene.line(side.to_vec(), 1.0, style::FRAME);
    }
    let at = (MARGIN + LABEL_SIZE / 2.0, (frame.top + frame.bottom) / 2.0);
    let title = Text::new(at, LABEL_SIZE, upwards);
    scene.text(title.align(Align::Center).upwards());
}

fn draw_curve(scene: &mut Scene, frame: &Frame, latency: &Histogram, look: &Look) {
    if latency.is_empty() {
        return;
    }
    marks::draw_dashed(scene, &staircase(frame, latency), look, LINE_WIDTH);
    for fraction in MARKED {
        let at = (frame.x_of_ns(latency.value_at_quantile(fraction)), frame.y(fraction));
        marks::draw_marker(scene, look.marker, at, 4.2, look.color);
    }
}

/// The corners of the curve, from the left side of the frame to the right one. Steps closer than
/// the eye can tell are drawn as one.
fn staircase(frame: &Frame, latency: &Histogram) -> Vec<Point> {
    const CLOSE: f64 = 0.5;
    let mut points: Vec<Point> = vec![(LEFT, frame.y(0.0))];
    let mut height = frame.y(0.0);
    for (ns, fraction) in latency.cumulative() {
        let (x, y) = (frame.x_of_ns(ns), frame.y(fraction));
        match points.last_mut() {
            Some(last) if points_are_stacked(last.0, x, CLOSE) => last.1 = y,
            _ => points.extend([(x, height), (x, y)]),
        }
        height = y;
    }
    points.push((RIGHT, height));
    points
}

fn points_are_stacked(last: f64, next: f64, close: f64) -> bool {
    last > LEFT && next - last < close
}

/// Names the lines, in two columns where they fit. Gives the y below.
fn draw_legend(scene: &mut Scene, y: f64, curves: &[Curve<'_>]) -> f64 {
    const LINE_HEIGHT: f64 = 19.0;
    let room = PAGE_WIDTH - 2.0 * MARGIN;
    let text_room = |columns: f64| room / columns - SAMPLE - 3.0 * GAP;
    let entries: Vec<&str> = curves.iter().map(|curve| curve.legend.as_str()).collect();
    let wide = |text: &&str| font::width(text, LABEL_SIZE, Weight::Normal) > text_room(2.0);
    let columns = if entries.len() < 2 || entries.iter().any(wide) { 1 } else { 2 };
    let lines = entries.len().div_ceil(columns);
    for (index, text) in entries.iter().enumerate() {
        let (column, line) = (index / lines, index % lines);
        let x = MARGIN + column as f64 * room / columns as f64;
        let y = y + line as f64 * LINE_HEIGHT;
        let look = style::look(index);
        marks::draw_dashed(scene, &[(x, y), (x + SAMPLE, y)], &look, LINE_WIDTH);
        marks::draw_marker(scene, look.marker, (x + SAMPLE / 2.0, y), 4.2, look.color);
        let text = elide(text, LABEL_SIZE, text_room(columns as f64));
        scene.text(Text::new((x + SAMPLE + GAP, y), LABEL_SIZE, text));
    }
    y + lines as f64 * LINE_HEIGHT
}

fn entry(policy: &PolicyResult) -> String {
    legend(&policy.policy, &policy.latency, "fault")
}

/// A name with the count and the quantiles of its times.
pub(super) fn legend(name: &str, times: &Histogram, what: &str) -> String {
    if times.is_empty() {
        return format!("{name}: no {what}s");
    }
    let quantile = |fraction| span_ns(times.value_at_quantile(fraction) as f64).replace("us", "µs");
    let plural = if times.count() == 1 { "" } else { "s" };
    format!(
        "{name}: {} {what}{plural}, p50 {}, p99 {}",
        grouped(times.count() as f64),
        quantile(0.5),
        quantile(0.99)
    )
}
