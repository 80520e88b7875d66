//! Gain along the axis of a sweep: work in relation to the baseline, and, where the axis is a time,
//! the latency of faults and the vCPU time that a fault costs.

use scenarios::experiments::sweep::{Axis, AxisKind};
use scenarios::{PolicyResult, SweepResult};

use super::font::{self, Weight};
use super::marks;
use super::page::{self, elide};
use super::panel::{Panel, Scale};
use super::scene::{Align, Point, Scene, Text};
use super::style::{self, CAPTION_SIZE, FAINT_INK, LABEL_SIZE, Look, MARGIN, PAGE_WIDTH};
use crate::format::span_ns;
use crate::measure::Measure;

const GAP: f64 = 8.0;
const LINE_WIDTH: f64 = 2.0;
const THIN: f64 = 1.2;
/// Length of the line that stands for a policy in the legend.
const SAMPLE: f64 = 44.0;
const LOST: &str = "lost_time_per_fault";

/// The figure; nothing where the sweep has not one axis of times or numbers.
pub(super) fn scene(sweep: &SweepResult) -> Option<Scene> {
    let values = sweep.axis_values()?;
    let axis = sweep.axes.first()?;
    let is_time = matches!(axis.kind, AxisKind::Time(_));
    let figure = Figure { sweep, axis, values, policies: sweep.policies(), is_time };
    Some(figure.scene())
}

struct Figure<'a> {
    sweep: &'a SweepResult,
    axis: &'a Axis,
    /// Seconds or numbers, one a point.
    values: &'a [f64],
    policies: Vec<&'a str>,
    is_time: bool,
}

/// Where a policy is even with the baseline.
struct EvenLabel {
    text: String,
    /// Where the line is.
    at: f64,
    /// Where the text is, and half of its width.
    middle: f64,
    half: f64,
    /// Row above the panel, from 0.
    row: usize,
    color: plotters::style::RGBColor,
}

/// A value of a curve with its interval.
struct Spot {
    x: f64,
    y: f64,
    interval: Option<(f64, f64)>,
}

impl Figure<'_> {
    fn scene(&self) -> Scene {
        let title = if self.is_device() {
            "Gain against device latency".to_owned()
        } else {
            format!("Gain against {}", self.axis.name)
        };
        let (mut scene, y) = page::begin_about(&title, &self.sweep.title);
        let mut y = self.legend(&mut scene, y + GAP) + GAP;
        y = self.draw_gain(&mut scene, y);
        if self.is_time {
            y = self.draw_latency(&mut scene, y + 1.5 * GAP);
            y = self.draw_lost_time(&mut scene, y + GAP);
        }
        let middle = (MARGIN + 66.0 + PAGE_WIDTH - MARGIN) / 2.0;
        let name = match (self.is_device(), self.is_time) {
            (true, _) => "latency of the swap device (log scale)".to_owned(),
            (false, true) => format!("{} (log scale)", self.axis.fields.join(", ")),
            (false, false) => self.axis.fields.join(", "),
        };
        let name = elide(&name, LABEL_SIZE, PAGE_WIDTH - 2.0 * MARGIN - 66.0);
        scene.text(Text::new((middle, y + GAP / 2.0), LABEL_SIZE, name).align(Align::Center));
        page::finish_with(scene, y + LABEL_SIZE * 1.5, &[self.notes(), page::swept(self.sweep)])
    }

    /// Whether the axis is the latency of the swap device.
    fn is_device(&self) -> bool {
        let device =
            |field: &String| field.starts_with("host.swap.device.") && field.ends_with("latency");
        self.is_time && self.axis.fields.iter().all(device)
    }

    fn laws(&self) -> Option<f64> {
        let of_work =
            self.sweep.points.iter().all(|point| Measure::of(&point.comparison).is_work());
        let laws = self.sweep.laws.filter(|_| self.is_device() && of_work)?;
        Some(laws.compute.as_secs_f64())
    }

    fn x_scale(&self) -> Scale {
        match self.is_time {
            true => Scale::times(self.values.iter().copied()),
            false => Scale::named(self.values, &self.axis.values),
        }
    }

    /// What a policy has at each point where it has it, by rising x.
    fn curve(&self, of: impl Fn(usize) -> Option<(f64, Option<(f64, f64)>)>) -> Vec<Spot> {
        let spot = |(place, &x): (usize, &f64)| {
            let (y, interval) = of(place).filter(|(y, _)| y.is_finite())?;
            Some(Spot { x, y, interval })
        };
        let mut spots: Vec<Spot> = self.values.iter().enumerate().filter_map(spot).collect();
        spots.sort_by(|a, b| a.x.total_cmp(&b.x));
        spots
    }

    fn result(&self, place: usize, policy: &str) -> Option<&PolicyResult> {
        self.sweep.points[place].comparison.policy(policy)
    }

    fn means(&self, policy: &str, name: &str) -> Vec<Spot> {
        self.curve(|place| {
            let metric = self.result(place, policy)?.metric(name)?;
            (metric.mean > 0.0).then_some((metric.mean, None))
        })
    }

    fn ratios(&self, policy: &str) -> Vec<Spot> {
        self.curve(|place| {
            let comparison = &self.sweep.points[place].comparison;
            let ratio = comparison.ratio(policy, &comparison.measure)?;
            Some((ratio.mean, ratio.ci95))
        })
    }

    /// What the gain is a gain in.
    fn gain_title(&self) -> String {
        let measure = self.sweep.points.first().map(|point| Measure::of(&point.comparison));
        match measure.filter(|measure| !measure.is_work()) {
            None => "work, in relation to the baseline".to_owned(),
            Some(measure) => {
                format!("{}, in relation to the baseline{}", measure.name, measure.remark())
            }
        }
    }

    fn draw_gain(&self, scene: &mut Scene, y: f64) -> f64 {
        let curves: Vec<Vec<Spot>> =
            self.policies.iter().map(|policy| self.ratios(policy)).collect();
        let tops = curves.iter().flatten().map(|spot| spot.interval.map_or(spot.y, |(_, h)| h));
        // An interval of two replications can be many times wider than the curve is high.
        let highest = curves.iter().flatten().map(|spot| spot.y).fold(1.0, f64::max);
        let law = if self.laws().is_some() { 2.0 } else { 0.0 };
        let max = tops.filter(|top| top.is_finite()).fold(highest, f64::max).min(highest * 1.15);
        let scale = Scale::numbers(max.max(law) * 1.02, 9);
        let height = if self.is_time { 250.0 } else { 320.0 };
        let panel = Panel::new(y, height, self.x_scale(), scale);
        let below = panel.draw(scene, &self.gain_title());
        let one = [(panel.left, panel.at(0.0, 1.0).1), (panel.right, panel.at(0.0, 1.0).1)];
        scene.line(one.to_vec(), THIN, style::FRAME);
        if let Some(compute) = self.laws() {
            let ends = panel_ends(&panel);
            for (law, look) in laws(compute) {
                marks::draw_dashed(scene, &traced(&panel, ends, law), &look, THIN);
            }
        }
        for (index, curve) in curves.iter().enumerate().rev() {
            draw_curve(scene, &panel, curve, &style::look(index));
        }
        below
    }

    fn draw_latency(&self, scene: &mut Scene, y: f64) -> f64 {
        let curves: Vec<Vec<Spot>> =
            self.policies.iter().map(|policy| self.means(policy, "fault_latency_p50")).collect();
        let device = self.values.iter().copied().filter(|_| self.is_device());
        let scale = Scale::times(curves.iter().flatten().map(|spot| spot.y).chain(device));
        let panel = Panel::new(y, 190.0, self.x_scale(), scale);
        let below = panel.draw(scene, "fault latency, median");
        if self.is_device() {
            let ends = self.values.iter().fold((f64::INFINITY, 0.0), |(low, high), &value| {
                (value.min(low), value.max(high))
            });
            marks::draw_dashed(scene, &traced(&panel, ends, |x| x), &thin(DEVICE_DASH), THIN);
        }
        for (index, curve) in curves.iter().enumerate().rev() {
            draw_curve(scene, &panel, curve, &style::look(index));
        }
        below
    }

    /// vCPU time lost by fault; above it, where it is the baseline's.
    fn draw_lost_time(&self, scene: &mut Scene, y: f64) -> f64 {
        let curves: Vec<Vec<Spot>> =
            self.policies.iter().map(|policy| self.means(policy, LOST)).collect();
        if curves.iter().all(Vec::is_empty) {
            return y;
        }
        let scale = Scale::times(curves.iter().flatten().map(|spot| spot.y));
        let mut panel = Panel::new(y + GAP / 2.0, 170.0, self.x_scale(), scale);
        let (labels, rows) = self.even_labels(&panel);
        let strip = rows as f64 * CAPTION_SIZE * 1.4;
        panel.top += strip;
        panel.bottom += strip;
        let below = panel.draw(scene, "vCPU time lost by fault");
        for (index, curve) in curves.iter().enumerate().rev() {
            draw_curve(scene, &panel, curve, &style::look(index));
        }
        for label in labels {
            let ends = [(label.at, panel.top), (label.at, panel.bottom)];
            scene.line(ends.to_vec(), THIN, label.color);
            // The lowest row stands right above the panel.
            let middle = panel.top - (label.row as f64 + 0.7) * CAPTION_SIZE * 1.4;
            let text = Text::new((label.middle, middle), CAPTION_SIZE, label.text);
            scene.text(text.align(Align::Center).color(label.color));
        }
        below
    }

    /// What stands above the panel where policies are even, in rows that do not overlap, and the
    /// count of rows.
    fn even_labels(&self, panel: &Panel) -> (Vec<EvenLabel>, usize) {
        let mut labels: Vec<EvenLabel> = Vec::new();
        for (place, at) in self.crossings() {
            let value = span_ns(at * 1e9).replace("us", "µs");
            let text = format!("{}: even at {value}", self.policies[place]);
            let text = elide(&text, CAPTION_SIZE, 260.0);
            let half = font::width(&text, CAPTION_SIZE, Weight::Normal) / 2.0;
            let at = panel.x_of(at);
            let middle = at.clamp(panel.left + half, panel.right - half);
            let taken = |row: usize| {
                let mut own = labels.iter().filter(|label| label.row == row);
                own.any(|label| (label.middle - middle).abs() < label.half + half + GAP)
            };
            let row = (0..).find(|&row| !taken(row)).unwrap_or(0);
            let color = style::look(place).color;
            labels.push(EvenLabel { text, at, middle, half, row, color });
        }
        let rows = labels.iter().map(|label| label.row + 1).max().unwrap_or(0);
        (labels, rows)
    }

    /// Place of a policy and where it is even with the baseline.
    fn crossings(&self) -> Vec<(usize, f64)> {
        let of = |(place, policy): (usize, &&str)| {
            let found = self.sweep.crossings(LOST, policy);
            found.into_iter().map(move |at| (place, at)).collect::<Vec<_>>()
        };
        let all = self.policies.iter().enumerate().flat_map(of);
        // More than a few would be noise.
        all.take(6).collect()
    }

    /// Names the lines. Gives the y below.
    fn legend(&self, scene: &mut Scene, y: f64) -> f64 {
        const LINE_HEIGHT: f64 = 19.0;
        let baseline = |policy: &str| {
            self.sweep.points.iter().all(|point| point.comparison.baseline == policy)
        };
        let mut entries: Vec<(String, Look, bool, f64)> = Vec::new();
        for (index, policy) in self.policies.iter().enumerate() {
            let note = if baseline(policy) { " (baseline)" } else { "" };
            let name = elide(policy, LABEL_SIZE, 240.0);
            entries.push((format!("{name}{note}"), style::look(index), true, LINE_WIDTH));
        }
        if let Some(compute) = self.laws() {
            let names = ["law: equal CPU", "law: processor sharing"];
            for (name, (_, look)) in names.into_iter().zip(laws(compute)) {
                entries.push((name.into(), look, false, THIN));
            }
        }
        if self.is_device() {
            entries.push(("latency of the device".into(), thin(DEVICE_DASH), false, THIN));
        }
        let (mut x, mut y) = (MARGIN, y);
        for (text, look, marked, width) in entries {
            let room = SAMPLE + GAP + font::width(&text, LABEL_SIZE, Weight::Normal);
            if x > MARGIN && x + room > PAGE_WIDTH - MARGIN {
                (x, y) = (MARGIN, y + LINE_HEIGHT);
            }
            marks::draw_dashed(scene, &[(x, y), (x + SAMPLE, y)], &look, width);
            if marked {
                marks::draw_marker(scene, look.marker, (x + SAMPLE / 2.0, y), 4.2, look.color);
            }
            scene.text(Text::new((x + SAMPLE + GAP, y), LABEL_SIZE, text));
            x += room + 3.0 * GAP;
        }
        y + LINE_HEIGHT
    }

    fn notes(&self) -> String {
        let mut text = "Bars: 95 % intervals.".to_owned();
        if let Some(laws) = self.sweep.laws.filter(|_| self.laws().is_some()) {
            text.push_str(&format!(
                " Laws for one faulting and one counting task without costs, w = L / (L + {}): \
                 equal CPU max(1, 2w), processor sharing 2 / (2 − w).",
                laws.compute
            ));
        }
        if self.is_time {
            text.push_str(
                " Lost: vCPU time that was neither user time nor idle, by major fault; even where \
                 it is the baseline's, interpolated.",
            );
        }
        text
    }
}

const LAW_DASHES: [&[f64]; 2] = [&[], &[5.0, 3.0]];
const DEVICE_DASH: &[f64] = &[1.5, 3.0];

fn thin(dash: &'static [f64]) -> Look {
    Look { color: FAINT_INK, dash, marker: style::Marker::Circle }
}

/// The two laws of the gain for a task that computes for so long between faults.
fn laws(compute: f64) -> [(impl Fn(f64) -> f64, Look); 2] {
    let law = move |sharing: bool| {
        move |latency: f64| {
            let waits = latency / (latency + compute);
            if sharing { 2.0 / (2.0 - waits) } else { (2.0 * waits).max(1.0) }
        }
    };
    [(law(false), thin(LAW_DASHES[0])), (law(true), thin(LAW_DASHES[1]))]
}

/// The times at both ends of a logarithmic panel, in seconds.
fn panel_ends(panel: &Panel) -> (f64, f64) {
    match &panel.x {
        Scale::Log(axis) => (10_f64.powf(axis.from - 9.0), 10_f64.powf(axis.to - 9.0)),
        Scale::Linear { .. } | Scale::Named { .. } => (1.0, 1.0),
    }
}

/// Points of a function between two times, equally spaced by logarithm.
fn traced(panel: &Panel, (from, to): (f64, f64), of: impl Fn(f64) -> f64) -> Vec<Point> {
    const PARTS: u32 = 160;
    let point = |part: u32| {
        let x = from * (to / from).powf(f64::from(part) / f64::from(PARTS));
        panel.at(x, of(x))
    };
    (0..=PARTS).map(point).collect()
}

fn draw_curve(scene: &mut Scene, panel: &Panel, curve: &[Spot], look: &Look) {
    let points: Vec<Point> = curve.iter().map(|spot| panel.at(spot.x, spot.y)).collect();
    for spot in curve {
        let Some((low, high)) = spot.interval.filter(|(l, h)| l.is_finite() && h.is_finite())
        else {
            continue;
        };
        let (x, top) = panel.at(spot.x, high);
        let bottom = panel.at(spot.x, low).1;
        scene.line(vec![(x, top), (x, bottom)], 1.2, look.color);
        for y in [top, bottom] {
            scene.line(vec![(x - 3.5, y), (x + 3.5, y)], 1.2, look.color);
        }
    }
    marks::draw_dashed(scene, &points, look, LINE_WIDTH);
    for at in points {
        marks::draw_marker(scene, look.marker, at, 3.6, look.color);
    }
}
