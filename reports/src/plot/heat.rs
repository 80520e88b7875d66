//! A grid of two axes: the measure of each policy in relation to the baseline, a cell a point and a panel a policy.

use plotters::style::RGBColor;
use scenarios::SweepResult;
use scenarios::experiments::sweep::{Axis, PointResult};

use super::font::{self, Weight};
use super::page::{self, elide};
use super::scene::{Align, Scene, Shape, Text};
use super::style::{self, CAPTION_SIZE, FAINT_INK, LABEL_SIZE, MARGIN, PAGE_WIDTH};
use crate::format::significant;
use crate::measure::Measure;

const GAP: f64 = 8.0;
const ROW: f64 = 22.0;
const COLUMN_MAX: f64 = 90.0;
const NAME_WIDTH_MAX: f64 = 180.0;
/// Ratios nearer to one than this stay pale, whatever the others are.
const LEAST_RANGE: f64 = 1.05;
/// Share of the full colour at most, so that text on it stays legible.
const STRONGEST: f64 = 0.75;
const BETTER: RGBColor = RGBColor(0x00, 0x72, 0xb2);
const WORSE: RGBColor = RGBColor(0xe6, 0x9f, 0x00);

const NOTES: &str = "Mean ratios. Blue: better than the baseline; orange: worse; in parentheses: the 95 % interval \
    holds 1. Where cells are narrow their values are in sweep.csv.";

/// The figure; nothing where the sweep has not two axes, or no ratio.
pub(super) fn scene(sweep: &SweepResult) -> Option<Scene> {
    let [down, across] = sweep.axes.as_slice() else { return None };
    let figure = Heat::new(sweep, down, across)?;
    Some(figure.scene())
}

/// A ratio, and whether its interval holds one.
#[derive(Clone, Copy)]
struct Cell {
    ratio: f64,
    is_even: bool,
}

struct Heat<'a> {
    sweep: &'a SweepResult,
    down: &'a Axis,
    across: &'a Axis,
    /// Policies that are compared with the baseline somewhere.
    policies: Vec<&'a str>,
    measure: Measure<'a>,
    /// The largest distance of a ratio from one, as a logarithm.
    range: f64,
    /// Where the first column begins, and how wide one is.
    left: f64,
    width: f64,
}

impl<'a> Heat<'a> {
    fn new(sweep: &'a SweepResult, down: &'a Axis, across: &'a Axis) -> Option<Self> {
        let measure = Measure::of(&sweep.points.first()?.comparison);
        let compared = |policy: &&str| sweep.points.iter().any(|at| cell(at, policy).is_some());
        let policies: Vec<&str> = sweep.policies().into_iter().filter(compared).collect();
        let cells = policies
            .iter()
            .flat_map(|policy| sweep.points.iter().filter_map(move |point| cell(point, policy)));
        let range = cells.map(|cell| cell.ratio.ln().abs()).reduce(f64::max)?;
        let names = down.values.iter().map(|value| label_width(value));
        let left = MARGIN + names.fold(label_width(&down.name), f64::max) + GAP;
        let room = (PAGE_WIDTH - MARGIN - left) / across.values.len().max(1) as f64;
        let (range, width) = (range.max(LEAST_RANGE.ln()), room.min(COLUMN_MAX));
        Some(Self { sweep, down, across, policies, measure, range, left, width })
    }

    fn scene(&self) -> Scene {
        let title = format!("Gain against {} and {}", self.down.name, self.across.name);
        let title = elide(&title, style::TITLE_SIZE, PAGE_WIDTH - 3.0 * MARGIN);
        let (mut scene, y) = page::begin_about(&title, &self.sweep.title);
        let mut y = self.legend(&mut scene, y + GAP);
        for policy in &self.policies {
            y = self.panel(&mut scene, y + 1.5 * GAP, policy);
        }
        page::finish_with(scene, y + GAP, &[NOTES.to_owned(), page::swept(self.sweep)])
    }

    /// What colours mean. Gives the y below.
    fn legend(&self, scene: &mut Scene, y: f64) -> f64 {
        const PARTS: u32 = 41;
        const PART: f64 = 4.0;
        let most = self.range.exp();
        let (low, high) = (significant(1.0 / most), significant(most));
        let mut x = MARGIN;
        let words = format!("{}, in relation to the baseline", self.measure.name);
        for (text, after) in [(words, 2.0 * GAP), (low, GAP)] {
            let text = elide(&text, LABEL_SIZE, PAGE_WIDTH / 2.0);
            let width = font::width(&text, LABEL_SIZE, Weight::Normal);
            scene.text(Text::new((x, y), LABEL_SIZE, text));
            x += width + after;
        }
        for part in 0..PARTS {
            let share = f64::from(part) / f64::from(PARTS - 1) * 2.0 - 1.0;
            let fill = self.color((share * self.range).exp());
            let (from, to) = ((x, y - CAPTION_SIZE / 2.0), (x + PART, y + CAPTION_SIZE / 2.0));
            scene.push(Shape::Rect { from, to, fill });
            x += PART;
        }
        scene.text(Text::new((x + GAP, y), LABEL_SIZE, format!("{high}{}", self.measure.remark())));
        y + LABEL_SIZE
    }

    /// One policy. Gives the y below.
    fn panel(&self, scene: &mut Scene, y: f64, policy: &str) -> f64 {
        let name = elide(policy, LABEL_SIZE, PAGE_WIDTH - 2.0 * MARGIN);
        scene.text(Text::new((MARGIN, y), LABEL_SIZE, name).bold());
        let y = self.columns(scene, y + LABEL_SIZE + GAP);
        for (row, value) in self.down.values.iter().enumerate() {
            let middle = y + (row as f64 + 0.5) * ROW;
            let value = elide(value, LABEL_SIZE, NAME_WIDTH_MAX);
            let text = Text::new((self.left - GAP, middle), LABEL_SIZE, value);
            scene.text(text.align(Align::Right));
        }
        for point in &self.sweep.points {
            let [row, column] = point.values[..] else { continue };
            let from = (self.left + column as f64 * self.width, y + row as f64 * ROW);
            self.cell(scene, from, cell(point, policy));
        }
        y + self.down.values.len() as f64 * ROW
    }

    /// The names above the columns: as many as there is room for. Gives the y below.
    fn columns(&self, scene: &mut Scene, y: f64) -> f64 {
        let name = elide(&self.down.name, LABEL_SIZE, NAME_WIDTH_MAX);
        let text = Text::new((self.left - GAP, y), LABEL_SIZE, name);
        scene.text(text.align(Align::Right).color(FAINT_INK));
        let name = elide(&self.across.name, LABEL_SIZE, PAGE_WIDTH - MARGIN - self.left);
        scene.text(Text::new((self.left, y), LABEL_SIZE, name).color(FAINT_INK));
        let y = y + LABEL_SIZE * 1.4;
        let widest = self.across.values.iter().map(|value| label_width(value)).fold(0.0, f64::max);
        let each = ((widest + GAP) / self.width).ceil().max(1.0) as usize;
        // Where few columns stand apart, a long name is cut rather than left out.
        let (each, room) = match self.width >= 3.0 * LABEL_SIZE {
            true => (1, self.width - GAP / 2.0),
            false => (each, NAME_WIDTH_MAX),
        };
        for (column, value) in self.across.values.iter().enumerate().step_by(each) {
            let at = self.left + (column as f64 + 0.5) * self.width;
            let text = Text::new((at, y), LABEL_SIZE, elide(value, LABEL_SIZE, room));
            let inside = at + label_width(value) / 2.0 <= PAGE_WIDTH - GAP;
            if inside || each == 1 {
                scene.text(text.align(Align::Center));
            }
        }
        y + LABEL_SIZE
    }

    fn cell(&self, scene: &mut Scene, (x, y): (f64, f64), cell: Option<Cell>) {
        let fill = cell.map_or(style::FINE_GRID, |cell| self.color(cell.ratio));
        // A hair of paper between the cells.
        let to = (x + self.width - 1.0, y + ROW - 1.0);
        scene.push(Shape::Rect { from: (x, y), to, fill });
        let text = cell.map_or_else(
            || "-".to_owned(),
            |Cell { ratio, is_even }| match is_even {
                true => format!("({})", significant(ratio)),
                false => significant(ratio),
            },
        );
        if font::width(&text, CAPTION_SIZE, Weight::Normal) + 2.0 <= self.width {
            let middle = (x + self.width / 2.0, y + ROW / 2.0);
            scene.text(Text::new(middle, CAPTION_SIZE, text).align(Align::Center));
        }
    }

    /// Blue where the ratio is better than one, orange where it is worse, paler the nearer it is.
    fn color(&self, ratio: f64) -> RGBColor {
        let gain = if self.measure.remark().is_empty() { ratio.ln() } else { -ratio.ln() };
        let share = (gain / self.range).clamp(-1.0, 1.0);
        let full = if share < 0.0 { WORSE } else { BETTER };
        let mixed = |of: u8| {
            let share = share.abs() * STRONGEST;
            (255.0 - (255.0 - f64::from(of)) * share).round() as u8
        };
        RGBColor(mixed(full.0), mixed(full.1), mixed(full.2))
    }
}

fn label_width(text: &str) -> f64 {
    font::width(&elide(text, LABEL_SIZE, NAME_WIDTH_MAX), LABEL_SIZE, Weight::Normal)
}

/// The measure of a policy in relation to the baseline's at a point.
fn cell(point: &PointResult, policy: &str) -> Option<Cell> {
    let comparison = &point.comparison;
    let ratio = comparison.ratio(policy, &comparison.measure)?;
    let is_even = ratio.ci95.is_some_and(|(low, high)| low <= 1.0 && 1.0 <= high);
    let usable = ratio.mean.is_finite() && ratio.mean > 0.0;
    usable.then_some(Cell { ratio: ratio.mean, is_even })
}
