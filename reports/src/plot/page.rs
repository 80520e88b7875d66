//! The parts every page has: title above, caption below.

use scenarios::{Comparison, SweepResult};

use super::font::{self, Weight};
use super::scene::{Scene, Text};
use super::style::{CAPTION_SIZE, FAINT_INK, INK, LABEL_SIZE, MARGIN, PAGE_WIDTH, TITLE_SIZE};
use crate::format::range;

/// Distance between lines of text, in parts of its size.
const LEADING: f64 = 1.4;

/// A page with its title and, smaller, the scenario's question. Gives the y below them.
pub(super) fn begin(title: &str, comparison: &Comparison) -> (Scene, f64) {
    begin_about(title, &comparison.title)
}

/// The same with the question given.
pub(super) fn begin_about(title: &str, question: &str) -> (Scene, f64) {
    let mut scene = Scene::new(PAGE_WIDTH);
    let mut y = MARGIN + TITLE_SIZE / 2.0;
    scene.text(Text::new((MARGIN, y), TITLE_SIZE, title).bold());
    y += TITLE_SIZE * LEADING;
    let y = paragraph(&mut scene, y, LABEL_SIZE, question, INK);
    (scene, y)
}

/// Ends a page with notes and the line that names the run.
pub(super) fn finish(scene: Scene, y: f64, notes: &[String], comparison: &Comparison) -> Scene {
    finish_with(scene, y, &[notes, &[origin(comparison)]].concat())
}

/// Ends a page with notes, a paragraph each.
pub(super) fn finish_with(mut scene: Scene, y: f64, notes: &[String]) -> Scene {
    let mut y = y + CAPTION_SIZE;
    for note in notes {
        y = paragraph(&mut scene, y, CAPTION_SIZE, note, FAINT_INK);
    }
    scene.height = (y - CAPTION_SIZE * LEADING / 2.0 + MARGIN).ceil();
    scene
}

/// Which run a plot shows.
fn origin(comparison: &Comparison) -> String {
    let digest = comparison.digest.to_string();
    let short: String = digest.chars().take(12).collect();
    let replications = replications(comparison.replications);
    format!(
        "Scenario {} ({} vCPUs, {} simulated), seed {}, {replications}, digest {short}, \
         apfsim {}.",
        comparison.scenario,
        comparison.vcpus,
        comparison.duration,
        comparison.seed,
        comparison.version,
    )
}

/// Which sweep a plot shows.
pub(crate) fn swept(sweep: &SweepResult) -> String {
    let digest: String = sweep.digest.to_string().chars().take(12).collect();
    let Some(first) = sweep.points.first().map(|point| &point.comparison) else {
        return String::new();
    };
    // Axes may vary both.
    let points = sweep.points.iter().map(|point| &point.comparison);
    let vcpus = range(points.clone().map(|it| it.vcpus));
    let cpus = if vcpus == "1" { "vCPU" } else { "vCPUs" };
    let simulated = range(points.map(|it| it.duration));
    format!(
        "Sweep {}, scenario {} ({vcpus} {cpus}, {simulated} simulated), {} points, seed {}, {}, digest {digest}, \
         apfsim {}.",
        sweep.sweep,
        first.scenario,
        sweep.points.len(),
        first.seed,
        replications(first.replications),
        sweep.version,
    )
}

/// "1 replication", "10 replications".
pub(super) fn replications(count: u32) -> String {
    format!("{count} replication{}", if count == 1 { "" } else { "s" })
}

/// Writes text over the width of the page, in as many lines as it needs. `y` is the middle of the
/// first line; gives the middle of the line after the last.
fn paragraph(
    scene: &mut Scene,
    mut y: f64,
    size: f64,
    text: &str,
    color: plotters::style::RGBColor,
) -> f64 {
    for line in wrap(text, size, PAGE_WIDTH - 2.0 * MARGIN) {
        scene.text(Text::new((MARGIN, y), size, line).color(color));
        y += size * LEADING;
    }
    y
}

/// Breaks text between words into lines not wider than `width`; a longer word is cut.
pub(super) fn wrap(text: &str, size: f64, width: f64) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if font::width(&longer, size, Weight::Normal) <= width {
            line = longer;
            continue;
        }
        if !line.is_empty() {
            lines.push(line);
        }
        line = elide(word, size, width);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// The text, with its middle left out where it is wider than `width`.
pub(super) fn elide(text: &str, size: f64, width: f64) -> String {
    if font::width(text, size, Weight::Normal) <= width {
        return text.to_owned();
    }
    let letters: Vec<char> = text.chars().collect();
    for kept in (0..letters.len()).rev() {
        let (head, tail) = (kept.div_ceil(2), kept / 2);
        let mut shorter: String = letters[..head].iter().collect();
        shorter.push('…');
        shorter.extend(&letters[letters.len() - tail..]);
        if font::width(&shorter, size, Weight::Normal) <= width {
            return shorter;
        }
    }
    "…".to_owned()
}
