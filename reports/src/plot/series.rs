//! What runs did over time: small panels above each other that share the axis of time, a line a
//! policy.

use models::trace::series::{Level, SeriesValues, Window};
use scenarios::{Comparison, PolicyResult};

use super::axis::linear_ticks;
use super::font::{self, Weight};
use super::marks;
use super::page::{self, elide};
use super::scene::{Align, Point, Scene, Shape, Text};
use super::style::{self, LABEL_SIZE, MARGIN, PAGE_WIDTH};
use crate::format::thousands_exponent;

const LEFT: f64 = MARGIN + 52.0;
const RIGHT: f64 = PAGE_WIDTH - MARGIN - 12.0;
const HEIGHT: f64 = 84.0;
/// Between a panel and the next one's title.
const GAP: f64 = 12.0;
const LINE_WIDTH: f64 = 1.6;
const SAMPLE: f64 = 40.0;
/// A marker each so many windows.
const MARKED: usize = 24;

/// One panel.
struct Panel {
    title: &'static str,
    unit: &'static str,
    /// The value of a window of so many picoseconds.
    value: fn(&Window, f64) -> f64,
}

const PANELS: [Panel; 5] = [
    Panel { title: "work", unit: "units/s", value: |window, ps| rate(window.work, ps) },
    Panel { title: "major faults", unit: "1/s", value: |window, ps| rate(window.major_faults, ps) },
    Panel {
        title: "vCPUs stalled in a fetch or halted by the host",
        unit: "",
        value: |window, ps| (window.stalled_ps as f64 + window.halted_ps as f64) / ps,
    },
    Panel {
        title: "outstanding items",
        unit: "",
        value: |window, ps| mean(window.outstanding, ps),
    },
    Panel { title: "busy worker threads", unit: "", value: |window, ps| mean(window.workers, ps) },
];

fn rate(count: u64, ps: f64) -> f64 {
    count as f64 / (ps * 1e-12)
}

fn mean(level: Level, ps: f64) -> f64 {
    level.sum_ps as f64 / ps
}

/// The place of a line in the legend, and its points: picoseconds and values.
pub(super) type Line = (usize, Vec<(f64, f64)>);

/// What a panel is drawn with besides lines.
pub(super) struct Frame<'a> {
    pub(super) heading: &'a str,
    /// Values are in these powers of ten.
    pub(super) exponent: i32,
    /// The value that the vertical axis reaches at least.
    pub(super) most: f64,
}

/// The largest value of all lines.
pub(super) fn highest(lines: &[Line]) -> f64 {
    lines.iter().flat_map(|(_, points)| points).map(|(_, value)| *value).fold(0.0, f64::max)
}

/// The figure.
pub(super) fn scene(comparison: &Comparison) -> Scene {
    let (mut scene, y) = page::begin("Throughput over time", comparison);
    let shown: Vec<(usize, &SeriesValues)> = comparison
        .policies
        .iter()
        .enumerate()
        .filter_map(|(index, policy)| Some((index, policy.series.as_ref()?)))
        .filter(|(_, series)| series.span_ps > 0)
        .collect();
    let span_ps = shown.iter().map(|(_, series)| series.span_ps).max().unwrap_or(0);
    let time = TimeAxis::new(span_ps.max(1));
    let mut y = y + 4.0;
    for panel in &PANELS {
        let lines: Vec<Line> =
            shown.iter().map(|&(index, series)| (index, points(panel, series))).collect();
        let most = highest(&lines);
        let exponent = if panel.unit.is_empty() { 0 } else { thousands_exponent(most) };
        let heading = heading(panel, exponent);
        let frame = Frame { heading: &heading, exponent, most };
        y = draw_panel(&mut scene, y, &frame, &lines, &time) + GAP;
    }
    y = time.draw(&mut scene, y - GAP, "time since the beginning of the measured phase");
    let entries: Vec<String> = comparison.policies.iter().map(entry).collect();
    y = legend(&mut scene, y, &entries);
    let mut notes = Vec::new();
    if let Some((_, series)) = shown.first() {
        let window = models_span(series.length_ps(0));
        notes.push(format!(
            "The first replication of each policy, in {} windows of {window}; means over each \
             window. A stretch of work that was reported as a whole is shared out by time.",
            models::trace::series::WINDOWS
        ));
    } else {
        notes.push("No run was followed over time.".to_owned());
    }
    page::finish(scene, y, &notes, comparison)
}

fn models_span(ps: u64) -> String {
    crate::format::span_ns(ps as f64 / 1e3).replace("us", "µs")
}

/// The axis that the panels share.
pub(super) struct TimeAxis {
    span_ps: u64,
    /// Picoseconds in a unit.
    unit: f64,
    name: &'static str,
}

impl TimeAxis {
    pub(super) fn new(span_ps: u64) -> Self {
        let (unit, name) = match span_ps {
            1_000_000_000_000.. => (1e12, "s"),
            1_000_000_000.. => (1e9, "ms"),
            1_000_000.. => (1e6, "µs"),
            _ => (1e3, "ns"),
        };
        Self { span_ps, unit, name }
    }

    fn x(&self, ps: f64) -> f64 {
        LEFT + (ps / self.span_ps as f64).clamp(0.0, 1.0) * (RIGHT - LEFT)
    }

    /// Ticks within the axis: where, and what they are called.
    fn ticks(&self) -> Vec<(f64, String)> {
        let end = self.span_ps as f64 / self.unit;
        let (ticks, decimals) = linear_ticks(end, 8);
        let inside = ticks.into_iter().filter(|tick| *tick <= end * (1.0 + 1e-9));
        inside.map(|tick| (self.x(tick * self.unit), format!("{tick:.decimals$}"))).collect()
    }

    /// Labels and title below the last panel. Gives the y below.
    pub(super) fn draw(&self, scene: &mut Scene, y: f64, title: &str) -> f64 {
        let labels = y + LABEL_SIZE * 1.1;
        for (x, label) in self.ticks() {
            scene.text(Text::new((x, labels), LABEL_SIZE, label).align(Align::Center));
        }
        let below = labels + LABEL_SIZE * 1.5;
        let middle = (LEFT + RIGHT) / 2.0;
        let text = format!("{title} ({})", self.name);
        scene.text(Text::new((middle, below), LABEL_SIZE, text).align(Align::Center));
        below + LABEL_SIZE * 1.8
    }
}

/// Draws a panel. Gives the y below.
pub(super) fn draw_panel(
    scene: &mut Scene,
    y: f64,
    frame: &Frame<'_>,
    lines: &[Line],
    time: &TimeAxis,
) -> f64 {
    let factor = 10_f64.powi(frame.exponent);
    let (ticks, decimals) = linear_ticks(frame.most / factor, 3);
    let highest = ticks.last().copied().unwrap_or(1.0) * factor;

    let title = y + LABEL_SIZE / 2.0;
    scene.text(Text::new((LEFT, title), LABEL_SIZE, frame.heading).bold());
    let (top, bottom) = (y + LABEL_SIZE * 1.5, y + LABEL_SIZE * 1.5 + HEIGHT);
    let at = |value: f64| bottom - (value / highest).clamp(0.0, 1.0) * HEIGHT;
    for (x, _) in time.ticks() {
        scene.line(vec![(x, top), (x, bottom)], 1.0, style::FINE_GRID);
    }
    for tick in ticks {
        let y = at(tick * factor);
        scene.line(vec![(LEFT, y), (RIGHT, y)], 1.0, style::GRID);
        let label = Text::new((LEFT - 8.0, y), LABEL_SIZE - 1.0, format!("{tick:.decimals$}"));
        scene.text(label.align(Align::Right));
    }
    for (from, to) in [((LEFT, top), (LEFT, bottom)), ((LEFT, bottom), (RIGHT, bottom))] {
        scene.line(vec![from, to], 1.0, style::FRAME);
    }
    // The first policy, which is the baseline as a rule, lies on top.
    for (index, points) in lines.iter().rev() {
        let look = style::look(*index);
        let points: Vec<Point> =
            points.iter().map(|&(ps, value)| (time.x(ps), at(value))).collect();
        marks::draw_dashed(scene, &points, &look, LINE_WIDTH);
        // Markers of different policies stand at different windows.
        for point in points.iter().skip(MARKED / 4 + index * 5 % MARKED).step_by(MARKED) {
            marks::draw_marker(scene, look.marker, *point, 3.4, look.color);
        }
    }
    if lines.is_empty() {
        let middle = ((LEFT + RIGHT) / 2.0, (top + bottom) / 2.0);
        let (from, to) = ((middle.0 - 50.0, middle.1 - 10.0), (middle.0 + 50.0, middle.1 + 10.0));
        scene.push(Shape::Rect { from, to, fill: plotters::style::WHITE });
        let text = Text::new(middle, LABEL_SIZE, "no data").align(Align::Center);
        scene.text(text.color(style::FAINT_INK));
    }
    bottom
}

/// The middle of each window with its value.
fn points(panel: &Panel, series: &SeriesValues) -> Vec<(f64, f64)> {
    let windows = series.windows.iter().enumerate();
    // A run of less than a window's picoseconds has windows without length.
    let long = windows.filter(|(index, _)| series.length_ps(*index) > 0);
    let point = |(index, window): (usize, &Window)| {
        let length = series.length_ps(index) as f64;
        let value = (panel.value)(window, length);
        (series.begin_ps(index) as f64 + length / 2.0, if value.is_finite() { value } else { 0.0 })
    };
    long.map(point).collect()
}

fn heading(panel: &Panel, exponent: i32) -> String {
    if panel.unit.is_empty() {
        return format!("{} (mean)", panel.title);
    }
    let prefix = match exponent {
        0 => "",
        3 => "k",
        6 => "M",
        9 => "G",
        12 => "T",
        _ => "",
    };
    match panel.unit.strip_prefix("1/") {
        // A prefix belongs to a unit, and one in a second has none.
        Some(_) if exponent > 0 => format!("{} (10{}/s)", panel.title, superscript(exponent)),
        _ if exponent > 12 => {
            format!("{} (10{} {})", panel.title, superscript(exponent), panel.unit)
        }
        _ if prefix.is_empty() => format!("{} ({})", panel.title, panel.unit),
        _ => format!("{} ({prefix} {})", panel.title, panel.unit),
    }
}

fn superscript(exponent: i32) -> String {
    format!("^{exponent}")
}

/// Names the lines beside each other, in as many rows as they need. Gives the y below.
pub(super) fn legend(scene: &mut Scene, y: f64, entries: &[String]) -> f64 {
    const ROW: f64 = 19.0;
    let room = PAGE_WIDTH - 2.0 * MARGIN;
    let (mut x, mut y) = (MARGIN, y);
    for (index, entry) in entries.iter().enumerate() {
        let text = elide(entry, LABEL_SIZE, room - SAMPLE - 8.0);
        let width = SAMPLE + 8.0 + font::width(&text, LABEL_SIZE, Weight::Normal);
        if x > MARGIN && x + width > MARGIN + room {
            (x, y) = (MARGIN, y + ROW);
        }
        let look = style::look(index);
        marks::draw_dashed(scene, &[(x, y), (x + SAMPLE, y)], &look, LINE_WIDTH);
        marks::draw_marker(scene, look.marker, (x + SAMPLE / 2.0, y), 3.8, look.color);
        scene.text(Text::new((x + SAMPLE + 8.0, y), LABEL_SIZE, text));
        x += width + 26.0;
    }
    y + ROW
}

fn entry(policy: &PolicyResult) -> String {
    match policy.series {
        Some(_) => policy.policy.clone(),
        None => format!("{} (not followed)", policy.policy),
    }
}
