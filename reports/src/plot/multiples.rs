//! Small multiples: percentiles of what was measured and of what was simulated, a panel each.

use super::font::{self, Weight};
use super::marks;
use super::page::{self, elide};
use super::panel::{AXIS, Panel, Scale};
use super::scene::{Point, Scene, Text};
use super::style::{self, LABEL_SIZE, MARGIN, PAGE_WIDTH};

const COLUMNS: usize = 2;
const GAP: f64 = 8.0;
const HEIGHT: f64 = 170.0;
/// Length of the line that stands for a side in the legend.
const SAMPLE: f64 = 44.0;
/// Widths of the lines of both sides, and sizes of their markers: what is simulated lies on what was measured,
/// and shows it where both are the same.
const WIDTHS: [f64; 2] = [4.0, 1.6];
const MARKERS: [f64; 2] = [5.0, 2.6];

/// Percentiles of one thing, measured and simulated.
pub(super) struct Multiple {
    pub(super) title: String,
    pub(super) quantiles: Vec<Quantile>,
}

/// A percentile, in nanoseconds on both sides.
pub(super) struct Quantile {
    pub(super) name: String,
    pub(super) values: [Option<f64>; 2],
}

/// What the page says of itself.
pub(super) struct Words<'a> {
    pub(super) title: &'a str,
    pub(super) about: &'a str,
    /// What the two sides are called.
    pub(super) sides: [&'a str; 2],
    /// At the vertical axes.
    pub(super) upwards: &'a str,
    /// Below the panels.
    pub(super) notes: Vec<String>,
}

/// The figure; none where there is nothing to show.
pub(super) fn scene(multiples: &[Multiple], words: &Words<'_>) -> Option<Scene> {
    if multiples.is_empty() {
        return None;
    }
    let about = elide(words.about, LABEL_SIZE, PAGE_WIDTH - 3.0 * MARGIN);
    let (mut scene, y) = page::begin_about(words.title, &about);
    let mut y = legend(&mut scene, y + GAP, words.sides);
    for row in multiples.chunks(COLUMNS) {
        let tops = row.iter().enumerate().map(|(column, multiple)| {
            let width = (PAGE_WIDTH - 2.0 * MARGIN) / COLUMNS as f64;
            panel(&mut scene, (MARGIN + column as f64 * width, width), y, multiple, words.upwards)
        });
        y = tops.fold(y, f64::max) + GAP;
    }
    Some(page::finish_with(scene, y, &words.notes))
}

fn legend(scene: &mut Scene, y: f64, sides: [&str; 2]) -> f64 {
    let mut x = MARGIN;
    for (index, side) in sides.into_iter().enumerate() {
        let look = style::look(index);
        marks::draw_dashed(scene, &[(x, y), (x + SAMPLE, y)], &look, WIDTHS[index]);
        let middle = (x + SAMPLE / 2.0, y);
        marks::draw_marker(scene, look.marker, middle, MARKERS[index], look.color);
        x += SAMPLE + GAP;
        scene.text(Text::new((x, y), LABEL_SIZE, side));
        x += font::width(side, LABEL_SIZE, Weight::Normal) + 4.0 * GAP;
    }
    y + LABEL_SIZE + GAP
}

/// Draws one panel into a column, `(left, width)`. Gives the y below.
fn panel(
    scene: &mut Scene,
    (left, width): (f64, f64),
    y: f64,
    multiple: &Multiple,
    upwards: &str,
) -> f64 {
    let title = elide(&multiple.title, LABEL_SIZE, width - 2.0 * GAP);
    scene.text(Text::new((left, y + LABEL_SIZE / 2.0), LABEL_SIZE, title).bold());
    let top = y + LABEL_SIZE + GAP;
    let seconds = |value: f64| value * 1e-9;
    let all = multiple.quantiles.iter().flat_map(|it| it.values).flatten().map(seconds);
    let places: Vec<f64> = (1..=multiple.quantiles.len()).map(|place| place as f64).collect();
    let names: Vec<String> = multiple.quantiles.iter().map(|it| it.name.clone()).collect();
    let x = Scale::named(&places, &names);
    let (right, bottom) = (left + width - 2.0 * GAP, top + HEIGHT);
    let panel = Panel { left: left + AXIS, right, top, bottom, x, y: Scale::times(all) };
    let below = panel.draw(scene, upwards);
    for side in [0, 1] {
        let look = style::look(side);
        let points: Vec<Point> = multiple
            .quantiles
            .iter()
            .zip(&places)
            .filter_map(|(it, place)| Some(panel.at(*place, seconds(it.values[side]?))))
            .collect();
        marks::draw_dashed(scene, &points, &look, WIDTHS[side]);
        for at in points {
            marks::draw_marker(scene, look.marker, at, MARKERS[side], look.color);
        }
    }
    below
}
