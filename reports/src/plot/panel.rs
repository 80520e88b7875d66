//! A frame with a horizontal and a vertical axis, each linear or logarithmic.

use super::axis::{LogAxis, linear_ticks};
use super::font::{self, Weight};
use super::scene::{Align, Point, Scene, Text};
use super::style::{self, LABEL_SIZE, MARGIN, PAGE_WIDTH};

const GAP: f64 = 8.0;
/// Room for the labels and the title of the vertical axis.
pub(super) const AXIS: f64 = 66.0;

/// An axis.
#[derive(Clone, Debug)]
pub(super) enum Scale {
    /// Times in nanoseconds.
    Log(LogAxis),
    /// Numbers from zero.
    Linear {
        /// Round values; the last one is the end of the axis.
        ticks: Vec<f64>,
        /// Decimals that tell them apart.
        decimals: usize,
    },
    /// Numbers from zero, with ticks at some values.
    Named {
        /// Values and what they are called.
        ticks: Vec<(f64, String)>,
        /// The end of the axis.
        max: f64,
    },
}

/// A place on an axis: share of its length, and a label unless it is only a fine line.
struct Tick {
    share: f64,
    label: Option<String>,
}

impl Scale {
    /// A logarithmic axis for times in seconds; those that are not positive are left out.
    pub(super) fn times(seconds: impl Iterator<Item = f64>) -> Self {
        let ns = seconds.filter(|s| s.is_finite() && *s > 0.0).map(|s| (s * 1e9).round() as u64);
        let all: Vec<u64> = ns.collect();
        let min = all.iter().copied().min().unwrap_or(1_000);
        let max = all.iter().copied().max().unwrap_or(1_000_000_000);
        Self::Log(LogAxis::covering(min, max))
    }

    /// A linear axis from zero up to at least `max`.
    pub(super) fn numbers(max: f64, count: u32) -> Self {
        let (ticks, decimals) = linear_ticks(max, count);
        Self::Linear { ticks, decimals }
    }

    /// A linear axis from zero with ticks at the given values.
    pub(super) fn named(values: &[f64], names: &[String]) -> Self {
        let mut ticks: Vec<_> = values.iter().copied().zip(names.iter().cloned()).collect();
        ticks.sort_by(|a, b| a.0.total_cmp(&b.0));
        let max = values.iter().copied().fold(0.0, f64::max);
        Self::Named { ticks, max: if max > 0.0 { max * 1.04 } else { 1.0 } }
    }

    /// Where a value lies, as a share of the length. Times are in seconds.
    pub(super) fn share(&self, value: f64) -> f64 {
        let share = match self {
            Self::Log(axis) => {
                let log = (value * 1e9).max(1e-3).log10();
                (log - axis.from) / (axis.to - axis.from)
            }
            Self::Linear { ticks, .. } => value / ticks.last().copied().unwrap_or(1.0),
            Self::Named { max, .. } => value / max,
        };
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
    }

    fn ticks(&self) -> Vec<Tick> {
        match self {
            Self::Log(axis) => {
                let span = axis.to - axis.from;
                let tick = |tick: super::axis::LogTick| Tick {
                    share: (tick.at - axis.from) / span,
                    label: tick.label,
                };
                axis.ticks().into_iter().map(tick).collect()
            }
            Self::Linear { ticks, decimals } => {
                let label = |value: f64| Some(format!("{value:.decimals$}"));
                ticks.iter().map(|&v| Tick { share: self.share(v), label: label(v) }).collect()
            }
            Self::Named { ticks, .. } => {
                let tick = |(value, name): &(f64, String)| Tick {
                    share: self.share(*value),
                    label: Some(name.clone()),
                };
                ticks.iter().map(tick).collect()
            }
        }
    }
}

/// A frame on the page.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
    pub(super) x: Scale,
    pub(super) y: Scale,
}

impl Panel {
    /// A panel of that height over the width of the page.
    pub(super) fn new(top: f64, height: f64, x: Scale, y: Scale) -> Self {
        let (left, right) = (MARGIN + AXIS, PAGE_WIDTH - MARGIN - 8.0);
        Self { left, right, top, bottom: top + height, x, y }
    }

    pub(super) fn at(&self, x: f64, y: f64) -> Point {
        (self.x_of(x), self.bottom + (self.top - self.bottom) * self.y.share(y))
    }

    pub(super) fn x_of(&self, x: f64) -> f64 {
        self.left + (self.right - self.left) * self.x.share(x)
    }

    /// Draws grid, frame, labels and the title of the vertical axis. Gives the y below the labels.
    pub(super) fn draw(&self, scene: &mut Scene, title: &str) -> f64 {
        let (x_ticks, y_ticks) = (self.x.ticks(), self.y.ticks());
        let x = |tick: &Tick| self.left + (self.right - self.left) * tick.share;
        let y = |tick: &Tick| self.bottom + (self.top - self.bottom) * tick.share;
        for (labelled, color) in [(false, style::FINE_GRID), (true, style::GRID)] {
            for tick in x_ticks.iter().filter(|tick| tick.label.is_some() == labelled) {
                scene.line(vec![(x(tick), self.top), (x(tick), self.bottom)], 1.0, color);
            }
            for tick in y_ticks.iter().filter(|tick| tick.label.is_some() == labelled) {
                scene.line(vec![(self.left, y(tick)), (self.right, y(tick))], 1.0, color);
            }
        }
        let below = self.bottom + GAP + LABEL_SIZE / 2.0;
        let mut free_from = 0.0;
        for tick in &x_ticks {
            let Some(label) = &tick.label else { continue };
            let half = font::width(label, LABEL_SIZE, Weight::Normal) / 2.0;
            if x(tick) - half < free_from || x(tick) + half > PAGE_WIDTH - GAP {
                continue;
            }
            free_from = x(tick) + half + GAP;
            let text = Text::new((x(tick), below), LABEL_SIZE, label.as_str());
            scene.text(text.align(Align::Center));
        }
        let mut free_above = f64::INFINITY;
        for tick in &y_ticks {
            let Some(label) = &tick.label else { continue };
            if y(tick) + LABEL_SIZE / 2.0 > free_above {
                continue;
            }
            free_above = y(tick) - LABEL_SIZE / 2.0 - 2.0;
            let text = Text::new((self.left - GAP, y(tick)), LABEL_SIZE, label.as_str());
            scene.text(text.align(Align::Right));
        }
        let corners = [
            (self.left, self.top),
            (self.right, self.top),
            (self.right, self.bottom),
            (self.left, self.bottom),
            (self.left, self.top),
        ];
        for side in corners.windows(2) {
            scene.line(side.to_vec(), 1.0, style::FRAME);
        }
        let at = (self.left - AXIS + LABEL_SIZE / 2.0, (self.top + self.bottom) / 2.0);
        scene.text(Text::new(at, LABEL_SIZE, title).align(Align::Center).upwards());
        below + LABEL_SIZE
    }
}
