//! The measure by policy, usually work: a bar a policy, with the published figure below it where there is one.
//!
//! The bars lie, so that names of policies stand beside them at any length.

use plotters::style::RGBColor;
use scenarios::Comparison;

use super::axis::linear_ticks;
use super::font::{self, Weight};
use super::marks;
use super::page::{self, elide};
use super::scene::{Align, Scene, Shape, Text};
use super::style::{self, LABEL_SIZE, MARGIN, PAGE_WIDTH};
use crate::measure::{self, Measure};

const BAR: f64 = 20.0;
const PUBLISHED_LANE: f64 = 16.0;
const ROW_GAP: f64 = 16.0;
const GAP: f64 = 8.0;
const NAME_WIDTH_MAX: f64 = 240.0;

/// A mean with its standard error.
#[derive(Clone, Copy)]
struct Value {
    mean: f64,
    stderr: Option<f64>,
}

impl Value {
    fn new(mean: f64, stderr: Option<f64>) -> Self {
        let finite = |value: f64| if value.is_finite() { value } else { 0.0 };
        Self { mean: finite(mean), stderr: stderr.map(finite) }
    }

    fn top(&self) -> f64 {
        self.mean + self.stderr.unwrap_or(0.0)
    }
}

/// One policy of the plot.
struct Row {
    name: String,
    color: RGBColor,
    work: Value,
    ratio: Option<f64>,
    published: Option<Value>,
}

impl Row {
    fn height(&self) -> f64 {
        BAR + if self.published.is_some() { PUBLISHED_LANE } else { 0.0 }
    }
}

/// Where the axis lies and what it counts in.
struct Axis {
    left: f64,
    right: f64,
    max: f64,
    unit: f64,
    decimals: usize,
}

impl Axis {
    fn x(&self, value: f64) -> f64 {
        self.left + (value / self.max).clamp(0.0, 1.0) * (self.right - self.left)
    }

    fn label(&self, value: Value) -> String {
        let decimals = self.decimals;
        let mean = value.mean / self.unit;
        let Some(stderr) = value.stderr.map(|stderr| stderr / self.unit) else {
            return format!("{mean:.decimals$}");
        };
        // An error that is there must not be written as none.
        let smallest = 0.1_f64.powi(i32::try_from(decimals).unwrap_or(0));
        if stderr > 0.0 && stderr < smallest / 2.0 {
            return format!("{mean:.decimals$} ± <{smallest:.decimals$}");
        }
        format!("{mean:.decimals$} ± {stderr:.decimals$}")
    }
}

/// The figure.
pub(super) fn scene(comparison: &Comparison) -> Scene {
    let rows = rows(comparison);
    let (mut scene, y) = page::begin(&title(comparison), comparison);
    let top = y + GAP;
    let max = rows
        .iter()
        .flat_map(|row| [row.work.top(), row.published.map_or(0.0, |value| value.top())])
        .fold(0.0, f64::max);
    let (unit, scale) = Measure::of(comparison).scale(max);
    let decimals = decimals(max / unit);

    let names = width_of(rows.iter().map(|row| row.name.as_str())).min(NAME_WIDTH_MAX);
    let mut axis = Axis { left: MARGIN + names + GAP, right: 0.0, max: 1.0, unit, decimals };
    let notes = width_of(rows.iter().flat_map(|row| {
        let published = row.published.map(|value| axis.label(value)).unwrap_or_default();
        [note(row, &axis, comparison), published]
    }));
    axis.right = PAGE_WIDTH - MARGIN - notes - GAP;

    let (ticks, tick_decimals) = linear_ticks(max / unit, 5);
    axis.max = ticks.last().copied().unwrap_or(1.0) * unit;
    let heights: f64 = rows.iter().map(|row| row.height() + ROW_GAP).sum();
    let bottom = top + heights + ROW_GAP;
    for tick in ticks {
        let x = axis.x(tick * unit);
        scene.line(vec![(x, top), (x, bottom)], 1.0, style::GRID);
        let label = format!("{tick:.tick_decimals$}");
        let at = (x, bottom + GAP + LABEL_SIZE / 2.0);
        scene.text(Text::new(at, LABEL_SIZE, label).align(Align::Center));
    }
    let mut y = top + ROW_GAP;
    for row in &rows {
        draw_row(&mut scene, row, &axis, y, comparison);
        y += row.height() + ROW_GAP;
    }
    scene.line(vec![(axis.left, top), (axis.left, bottom)], 1.2, style::INK);

    let title_y = bottom + 2.0 * GAP + LABEL_SIZE * 1.5;
    let title = axis_title(comparison, scale);
    let middle = (axis.left + axis.right) / 2.0;
    scene.text(Text::new((middle, title_y), LABEL_SIZE, title).align(Align::Center));
    let published = rows.iter().any(|row| row.published.is_some());
    let y = draw_legend(&mut scene, title_y + LABEL_SIZE * 2.2, comparison, published);
    page::finish(scene, y + GAP, &captions(comparison), comparison)
}

fn rows(comparison: &Comparison) -> Vec<Row> {
    let mut rows = Vec::new();
    for (index, policy) in comparison.policies.iter().enumerate() {
        let work = policy.metric(&comparison.measure);
        let published = comparison.published(&policy.policy, &comparison.measure);
        rows.push(Row {
            name: elide(&policy.policy, LABEL_SIZE, NAME_WIDTH_MAX),
            color: style::look(index).color,
            work: work.map_or(Value::new(0.0, None), |work| Value::new(work.mean, work.stderr)),
            ratio: comparison.ratio(&policy.policy, &comparison.measure).map(|ratio| ratio.mean),
            published: published.map(|published| Value::new(published.mean, published.stderr)),
        });
    }
    rows
}

fn draw_row(scene: &mut Scene, row: &Row, axis: &Axis, y: f64, comparison: &Comparison) {
    let middle = y + BAR / 2.0;
    let name_y = y + row.height() / 2.0;
    let name = Text::new((axis.left - GAP, name_y), LABEL_SIZE, &row.name);
    scene.text(name.align(Align::Right));
    let to = (axis.x(row.work.mean), y + BAR);
    scene.push(Shape::Rect { from: (axis.left, y), to, fill: row.color });
    error_bar(scene, axis, row.work, middle, style::INK);
    let label = note(row, axis, comparison);
    scene.text(Text::new((axis.right + GAP, middle), LABEL_SIZE, label));
    let Some(published) = row.published else {
        return;
    };
    let middle = y + BAR + PUBLISHED_LANE / 2.0 + 1.0;
    error_bar(scene, axis, published, middle, style::FAINT_INK);
    let at = (axis.x(published.mean), middle);
    marks::draw_marker(scene, style::Marker::Diamond, at, 4.0, style::INK);
    let label = Text::new((axis.right + GAP, middle), LABEL_SIZE, axis.label(published));
    scene.text(label.color(style::FAINT_INK));
}

/// A whisker from one standard error below the mean to one above.
fn error_bar(scene: &mut Scene, axis: &Axis, value: Value, y: f64, color: RGBColor) {
    let Some(stderr) = value.stderr.filter(|stderr| *stderr > 0.0) else {
        return;
    };
    let ends = [axis.x(value.mean - stderr), axis.x(value.mean + stderr)];
    // White around it, as some bars are as dark as ink.
    for (color, width) in [(plotters::style::WHITE, 3.2), (color, 1.4)] {
        let around = (width - 1.4) / 2.0;
        scene.line(vec![(ends[0] - around, y), (ends[1] + around, y)], width, color);
        for x in ends {
            let half = 4.0 + around;
            scene.line(vec![(x, y - half), (x, y + half)], width, color);
        }
    }
}

/// What stands to the right of a bar: the value and the ratio to the baseline.
fn note(row: &Row, axis: &Axis, comparison: &Comparison) -> String {
    let value = axis.label(row.work);
    match row.ratio.filter(|ratio| ratio.is_finite()) {
        Some(ratio) => {
            let baseline = elide(&comparison.baseline, LABEL_SIZE, 90.0);
            format!("{value}  ({ratio:.2} × {baseline})")
        }
        None => value,
    }
}

fn title(comparison: &Comparison) -> String {
    let measure = Measure::of(comparison);
    match measure.is_work() {
        true => "Work by policy".to_owned(),
        false => format!("{} by policy{}", measure.name, measure.remark()),
    }
}

fn axis_title(comparison: &Comparison, scale: measure::Scale) -> String {
    let measure = Measure::of(comparison);
    let name = if measure.is_work() { "work done" } else { measure.name };
    match scale {
        measure::Scale::Named(unit) | measure::Scale::Exponent(0, unit) => {
            format!("{name} ({unit})")
        }
        measure::Scale::Exponent(exponent, unit) => {
            format!("{name} (10{} {unit})", superscript(exponent))
        }
    }
}

fn superscript(exponent: i32) -> String {
    let raise = |digit: char| match digit {
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '0' => '⁰',
        '4'..='9' => char::from_u32('⁴' as u32 + (digit as u32 - '4' as u32)).unwrap_or(digit),
        other => other,
    };
    exponent.to_string().chars().map(raise).collect()
}

fn draw_legend(scene: &mut Scene, y: f64, comparison: &Comparison, published: bool) -> f64 {
    let mut x = MARGIN;
    let swatches = comparison.policies.len().clamp(1, 4);
    for index in 0..swatches {
        let from = (x, y - 5.0);
        let fill = style::look(index).color;
        scene.push(Shape::Rect { from, to: (x + 9.0, y + 5.0), fill });
        x += 9.0;
    }
    let replications = page::replications(comparison.replications);
    let text = match comparison.replications {
        1 => format!("simulated, {replications}"),
        _ => format!("simulated: mean ± standard error of {replications}"),
    };
    x += GAP;
    scene.text(Text::new((x, y), LABEL_SIZE, text.as_str()));
    if published {
        x += font::width(&text, LABEL_SIZE, Weight::Normal) + 4.0 * GAP;
        marks::draw_marker(scene, style::Marker::Diamond, (x, y), 4.0, style::INK);
        scene.text(Text::new((x + 1.5 * GAP, y), LABEL_SIZE, "published: mean ± standard error"));
    }
    y + LABEL_SIZE * 1.5
}

fn captions(comparison: &Comparison) -> Vec<String> {
    let published =
        comparison.published.iter().filter(|published| published.metric == comparison.measure);
    let mut sources: Vec<&str> = Vec::new();
    for source in published.map(|published| published.source.as_str()) {
        if !source.is_empty() && !sources.contains(&source) {
            sources.push(source);
        }
    }
    let mut captions = Vec::new();
    if !sources.is_empty() {
        captions.push(format!("Published: {}.", sources.join("; ").trim_end_matches('.')));
    }
    captions
}

/// Decimals that leave four significant digits.
fn decimals(max: f64) -> usize {
    match max {
        0.0 => 0,
        100.0.. => 1,
        10.0.. => 2,
        _ => 3,
    }
}

fn width_of<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> f64 {
    texts
        .into_iter()
        .map(|text| font::width(text.as_ref(), LABEL_SIZE, Weight::Normal))
        .fold(0.0, f64::max)
}
