//! What axes do to a result: a bar an axis, the largest on top, and a panel a policy.

use scenarios::experiments::sweep::{AxisEffect, SensitivityResult};

use super::axis::linear_ticks;
use super::font::{self, Weight};
use super::page::{self, elide};
use super::scene::{Align, Scene, Shape, Text};
use super::style::{self, CAPTION_SIZE, FAINT_INK, LABEL_SIZE, MARGIN, PAGE_WIDTH};
use crate::quantity::title;

/// An interval that reaches further than so many times its bar is cut there.
const LONGEST: f64 = 2.0;
const BAR: f64 = 14.0;
const ROW: f64 = 20.0;
const GAP: f64 = 8.0;
const NAME_WIDTH_MAX: f64 = 220.0;
/// Room for the text behind the longest bar.
const NOTE: f64 = 90.0;

/// The figure; none where nothing was found.
pub(super) fn scene(result: &SensitivityResult) -> Option<Scene> {
    let all = result.sensitivities.iter().flat_map(|found| &found.effects);
    let most = all.map(top).reduce(f64::max).filter(|most| *most > 0.0)?;
    let (mut scene, mut y) = page::begin_about("What the result hangs on", &result.sweep.title);
    let names = result.sweep.axes.iter().map(|axis| {
        font::width(&elide(&axis.name, LABEL_SIZE, NAME_WIDTH_MAX), LABEL_SIZE, Weight::Normal)
    });
    let left = MARGIN + names.fold(0.0, f64::max) + GAP;
    let right = PAGE_WIDTH - MARGIN - NOTE;
    let (ticks, decimals) = linear_ticks(most, 6);
    let end = ticks.last().copied().unwrap_or(most).max(most);
    let x = |percent: f64| left + percent / end * (right - left);
    for (index, found) in result.sensitivities.iter().enumerate() {
        y += GAP;
        let text = elide(&title(result, found), LABEL_SIZE, PAGE_WIDTH - 2.0 * MARGIN);
        scene.text(Text::new((MARGIN, y + LABEL_SIZE / 2.0), LABEL_SIZE, text).bold());
        y += LABEL_SIZE + GAP;
        let bottom = y + ROW * found.effects.len() as f64;
        for &tick in &ticks {
            scene.line(vec![(x(tick), y), (x(tick), bottom)], 1.0, style::GRID);
        }
        for effect in &found.effects {
            let middle = y + ROW / 2.0;
            let name = elide(&result.sweep.axes[effect.axis].name, LABEL_SIZE, NAME_WIDTH_MAX);
            scene.text(Text::new((left - GAP, middle), LABEL_SIZE, name).align(Align::Right));
            let (from, to) =
                ((left, middle - BAR / 2.0), (x(percent(effect.size.mean)), middle + BAR / 2.0));
            scene.push(Shape::Rect { from, to, fill: style::look(index).color });
            if let Some((low, _)) = effect.size.ci95 {
                let ends = [x(percent(low.max(0.0))), x(top(effect).min(end))];
                scene.line(vec![(ends[0], middle), (ends[1], middle)], 1.2, style::INK);
            }
            let note = format!("{:.1} %", percent(effect.size.mean));
            let at = (x(top(effect).min(end)) + GAP / 2.0, middle);
            scene.text(Text::new(at, CAPTION_SIZE, note).color(FAINT_INK));
            y += ROW;
        }
        scene.line(vec![(left, y - ROW * found.effects.len() as f64), (left, y)], 1.2, style::INK);
    }
    y += GAP;
    for &tick in &ticks {
        let at = (x(tick), y + LABEL_SIZE / 2.0);
        scene.text(Text::new(at, LABEL_SIZE, format!("{tick:.decimals$}")).align(Align::Center));
    }
    y += LABEL_SIZE * 1.5;
    let at = ((left + right) / 2.0, y + LABEL_SIZE / 2.0);
    scene.text(Text::new(at, LABEL_SIZE, along(result)).align(Align::Center));
    let origin = format!(
        "apfsim {} sweep {} ({}), {} trajectories",
        result.sweep.version,
        result.sweep.sweep,
        result.sweep.hash,
        result.trajectories.len()
    );
    Some(page::finish_with(scene, y + LABEL_SIZE * 2.0, &[origin]))
}

/// What stands below the axis.
fn along(result: &SensitivityResult) -> String {
    let mut effects = result.sensitivities.iter().flat_map(|found| &found.effects);
    let is_cut = |effect: &AxisEffect| {
        effect.size.ci95.is_some_and(|(_, high)| high > LONGEST * effect.size.mean)
    };
    let cut = if effects.any(is_cut) { ", cut where long" } else { "" };
    format!(
        "mean change, in per cent, when the axis moves by half of its values; line: 95 % interval{cut}"
    )
}

fn percent(log: f64) -> f64 {
    log.exp_m1() * 100.0
}

/// Where the longer of bar and interval ends; one that reaches far beyond its bar is cut.
fn top(effect: &AxisEffect) -> f64 {
    let high = effect.size.ci95.map_or(effect.size.mean, |(_, high)| high);
    percent(high.min(LONGEST * effect.size.mean))
}
