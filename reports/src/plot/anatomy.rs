//! Swim lanes of a major fault, a panel a policy, all at one scale. The axis is broken: detail
//! around the steps, long waits compressed to breaks with their length written in.

use models::trace::anatomy::{Anatomy, Lane, Pick};
use scenarios::{AnatomyReport, PickedFault, PolicyAnatomy};

use super::anatomy_legend as legend;
use super::anatomy_measures::{LABELS, LANE, LANE_GAP, LEFT, RIGHT, SMALL};
use super::anatomy_states::{self as states, Fill};
use super::font::{self, Weight};
use super::page::{elide, wrap};
use super::scene::{Align, Scene, Shape, Text};
use super::style::{
    CAPTION_SIZE, FAINT_INK, FRAME, GRID, INK, LABEL_SIZE, MARGIN, PAGE_WIDTH, TITLE_SIZE,
};
use crate::anatomy::{
    Breaks, Offset, Piece, Row, actor, dominant, happens, microseconds, offset, rounded_parts,
    rows, span, task,
};
use crate::format::grouped;

/// Width of a break.
const BREAK: f64 = 62.0;
const MAX_BREAKS: usize = 5;
const LEADING: f64 = 1.35;
/// Width of a sample of the break's content.
const SAMPLE: f64 = 2.0;

/// The place of offsets on the page.
struct Scale {
    /// Piece, left end, right end.
    pieces: Vec<(Piece, f64, f64)>,
}

impl Scale {
    fn new(pieces: Vec<Piece>, points_a_ps: f64) -> Self {
        let mut x = LEFT;
        let placed = pieces.into_iter().map(|piece| {
            let left = x;
            x += if piece.is_break { BREAK } else { piece.length() as f64 * points_a_ps };
            (piece, left, x)
        });
        Self { pieces: placed.collect() }
    }

    fn x(&self, at: Offset) -> f64 {
        for &(piece, left, right) in &self.pieces {
            if at <= piece.to {
                let share = (at - piece.from) as f64 / piece.length().max(1) as f64;
                return left + share.clamp(0.0, 1.0) * (right - left);
            }
        }
        self.end()
    }

    fn end(&self) -> f64 {
        self.pieces.last().map_or(LEFT, |&(_, _, right)| right)
    }
}

/// What a picture shows.
struct Shown<'a> {
    report: &'a AnatomyReport,
    pick: Pick,
    faults: Vec<(&'a PolicyAnatomy, &'a PickedFault)>,
}

pub(super) fn scene(report: &AnatomyReport, pick: Pick) -> Scene {
    let with_pick = |policy| -> Option<(&PolicyAnatomy, &PickedFault)> {
        let policy: &PolicyAnatomy = policy;
        Some((policy, policy.picked.iter().find(|picked| picked.pick == pick)?))
    };
    let faults: Vec<_> = report.policies.iter().filter_map(with_pick).collect();
    let shown = Shown { report, pick, faults };
    let mut scene = Scene::new(PAGE_WIDTH);
    let mut y = MARGIN + TITLE_SIZE / 2.0;
    let title = format!("{}: {} major fault of each policy", report.scenario, named(pick));
    let title = elide(&title, TITLE_SIZE * 1.1, PAGE_WIDTH - 2.0 * MARGIN);
    scene.text(Text::new((MARGIN, y), TITLE_SIZE, title).bold());
    y += TITLE_SIZE * 1.5;

    let anatomies: Vec<&Anatomy> = shown.faults.iter().map(|(_, fault)| &fault.anatomy).collect();
    // A break is to save more room than it takes.
    let least = |breaks| (BREAK * 2.5 / points_a_ps(&anatomies, breaks)) as Offset;
    let breaks = Breaks::choose(MAX_BREAKS, least);
    let points_a_ps = points_a_ps(&anatomies, breaks);
    y = scale_bar(&mut scene, y, points_a_ps);
    for &(policy, picked) in &shown.faults {
        let scale = Scale::new(breaks.axis(&picked.anatomy), points_a_ps);
        y = panel(&mut scene, y, &shown, policy, picked, &scale);
    }
    y = legend::draw(&mut scene, y, &anatomies);
    finish(scene, y, &shown)
}

fn named(pick: Pick) -> &'static str {
    match pick {
        Pick::Median => "the median",
        Pick::P90 => "the 90th-percentile",
        Pick::P99 => "the 99th-percentile",
        Pick::P999 => "the 99.9th-percentile",
        Pick::Worst => "the slowest",
    }
}

/// The scale that lets the longest axis fit.
fn points_a_ps(faults: &[&Anatomy], breaks: Breaks) -> f64 {
    let fitting = faults.iter().map(|fault| {
        let pieces = breaks.axis(fault);
        let breaks = pieces.iter().filter(|piece| piece.is_break).count();
        let detail: Offset = pieces.iter().filter(|piece| !piece.is_break).map(Piece::length).sum();
        (RIGHT - LEFT - breaks as f64 * BREAK) / detail.max(1) as f64
    });
    fitting.fold(f64::INFINITY, f64::min).min(1.0)
}

/// A bar that says how long a time is where it is not compressed.
fn scale_bar(scene: &mut Scene, y: f64, points_a_ps: f64) -> f64 {
    let mut length: Offset = 1_000;
    let mut factors = [2, 5, 10].into_iter().cycle();
    let mut base = length;
    while length as f64 * points_a_ps < 40.0 {
        let factor = factors.next().unwrap_or(10);
        length = base * factor;
        if factor == 10 {
            base = length;
        }
    }
    let width = length as f64 * points_a_ps;
    let x = LEFT;
    scene.line(vec![(x, y), (x + width, y)], 1.5, INK);
    for end in [x, x + width] {
        scene.line(vec![(end, y - 3.0), (end, y + 3.0)], 1.5, INK);
    }
    let text = format!("{} where time is not compressed", plain_span(length));
    scene.text(Text::new((x + width + 8.0, y), SMALL, text));
    y + SMALL * 2.0
}

/// A round span without decimals.
fn plain_span(ps: Offset) -> String {
    let text = span(ps);
    let (number, unit) = text.split_once(' ').unwrap_or((&text, ""));
    let number = match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    };
    format!("{number} {}", unit.replace("us", "µs"))
}

fn micro(text: &str) -> String {
    text.replace("us", "µs")
}

/// One policy. Gives the y below.
fn panel(
    scene: &mut Scene,
    y: f64,
    shown: &Shown<'_>,
    policy: &PolicyAnatomy,
    picked: &PickedFault,
    scale: &Scale,
) -> f64 {
    let fault = &picked.anatomy;
    let about = if picked.exact { "" } else { "about " };
    let heading = format!(
        "{}: {}",
        elide(&policy.policy, LABEL_SIZE, 300.0),
        micro(&span(Offset::try_from(fault.fault.latency().as_ps()).unwrap_or(Offset::MAX)))
    );
    let width = font::width(&heading, LABEL_SIZE, Weight::Bold);
    scene.text(Text::new((MARGIN, y), LABEL_SIZE, heading).bold());
    let detail = format!(
        "{about}{} of {} major faults are not slower; digest {}",
        grouped(picked.rank as f64),
        grouped(policy.faults as f64),
        policy.digest.to_string().chars().take(12).collect::<String>()
    );
    let x = MARGIN + width + 12.0;
    let detail = elide(&detail, SMALL, RIGHT - x);
    scene.text(Text::new((x, y + 1.0), SMALL, detail).color(FAINT_INK));
    let y = y + LABEL_SIZE * 1.3;
    let y = parts(scene, y, fault);
    let top = marks(scene, y, fault, scale);
    let bottom = lanes(scene, top, shown.report, fault, scale);
    guides(scene, top, bottom, fault, scale);
    let y = ruler(scene, bottom, scale);
    steps(scene, y, shown.report, fault) + LABEL_SIZE
}

/// What the latency consists of, in words.
fn parts(scene: &mut Scene, mut y: f64, fault: &Anatomy) -> f64 {
    let parts = rounded_parts(fault);
    let total: Offset = parts.iter().map(|(_, ps)| ps).sum();
    let terms: Vec<String> =
        parts.iter().map(|(name, ps)| format!("{name} {}", microseconds(*ps))).collect();
    let mut line = format!("latency {} µs", microseconds(total));
    // Lines end between terms, never within a number.
    for (term, sign) in terms.iter().zip(std::iter::once("=").chain(std::iter::repeat("+"))) {
        let longer = format!("{line} {sign} {term}");
        if font::width(&longer, SMALL, Weight::Normal) <= RIGHT - MARGIN {
            line = longer;
            continue;
        }
        scene.text(Text::new((MARGIN, y), SMALL, std::mem::take(&mut line)));
        y += SMALL * LEADING;
        line = format!("    {sign} {term}");
    }
    scene.text(Text::new((MARGIN, y), SMALL, line));
    y + SMALL * LEADING + 2.0
}

/// The numbers of the steps. Gives the y of the lanes' top.
fn marks(scene: &mut Scene, y: f64, fault: &Anatomy, scale: &Scale) -> f64 {
    const ROWS: usize = 4;
    const ROW: f64 = SMALL * 1.1;
    let mut free = [f64::NEG_INFINITY; ROWS];
    let mut placed = Vec::new();
    for (number, group) in (1..).zip(rows(fault).iter().filter_map(Row::group)) {
        let x = scale.x(offset(fault, group[0].time));
        let text = format!("{number}");
        let half = font::width(&text, SMALL, Weight::Normal) / 2.0;
        let row = free.iter().position(|&from| x - half > from);
        if let Some(row) = row {
            free[row] = x + half + 1.5;
            placed.push((row, x, text));
        }
    }
    let rows = placed.iter().map(|(row, ..)| row + 1).max().unwrap_or(0);
    let top = y + rows as f64 * ROW + 3.0;
    for (row, x, text) in placed {
        // The first row is the lowest one.
        let at = (x, top - 3.0 - (row as f64 + 0.5) * ROW);
        scene.text(Text::new(at, SMALL, text).align(Align::Center));
    }
    top
}

/// Fine lines through the lanes at the steps.
fn guides(scene: &mut Scene, top: f64, bottom: f64, fault: &Anatomy, scale: &Scale) {
    for group in rows(fault).iter().filter_map(Row::group) {
        let x = scale.x(offset(fault, group[0].time));
        for lane in 0.. {
            let y = top + f64::from(lane) * (LANE + LANE_GAP) - LANE_GAP + 0.5;
            if y > bottom {
                break;
            }
            scene.line(vec![(x, y), (x, y + LANE_GAP - 1.0)], 0.6, INK);
        }
    }
}

/// The lanes. Gives the y below.
fn lanes(
    scene: &mut Scene,
    top: f64,
    report: &AnatomyReport,
    fault: &Anatomy,
    scale: &Scale,
) -> f64 {
    let lanes = &fault.lanes;
    let mut y = top;
    let mut row = |scene: &mut Scene, label: String, areas: Vec<Area>| {
        let label = elide(&label, SMALL + 1.0, LABELS - 8.0);
        let middle = (LEFT - 6.0, y + LANE / 2.0);
        scene.text(Text::new(middle, SMALL + 1.0, label).align(Align::Right));
        scene.push(Shape::Rect { from: (LEFT, y), to: (scale.end(), y + LANE), fill: PALE });
        for area in areas {
            states::draw(scene, (area.left, y), (area.right, y + LANE), area.fill);
            if let Some(text) = area.label {
                let at = ((area.left + area.right) / 2.0, y + LANE / 2.0);
                scene.text(Text::new(at, SMALL, text).align(Align::Center));
            }
        }
        y += LANE + LANE_GAP;
    };
    let own = task(report, fault.fault.task);
    row(scene, own, areas(fault, &lanes.task, scale, states::task, |_| None));
    let name = |other| Some(task(report, other));
    row(
        scene,
        "other tasks".into(),
        areas(fault, &lanes.others, scale, |_| states::others(), name),
    );
    let vcpu = format!("vCPU {}", fault.fault.vcpu.0);
    row(scene, vcpu, areas(fault, &lanes.vcpu, scale, states::vcpu, |_| None));
    if !lanes.item.spans.is_empty() {
        row(scene, "item, worker".into(), areas(fault, &lanes.item, scale, states::item, |_| None));
    }
    row(scene, "swap device".into(), areas(fault, &lanes.device, scale, states::device, |_| None));
    y
}

const PALE: plotters::style::RGBColor = plotters::style::RGBColor(0xf6, 0xf6, 0xf6);

/// A part of a lane as it is drawn.
struct Area {
    left: f64,
    right: f64,
    fill: Fill,
    label: Option<String>,
}

fn areas<S: Copy + PartialEq>(
    fault: &Anatomy,
    lane: &Lane<S>,
    scale: &Scale,
    fill: impl Fn(S) -> Fill,
    label: impl Fn(S) -> Option<String>,
) -> Vec<Area> {
    let mut drawn: Vec<(f64, f64, S)> = Vec::new();
    let mut add = |left: f64, right: f64, state: S| match drawn.last_mut() {
        Some(last) if last.2 == state && left - last.1 < 0.01 => last.1 = right,
        _ => drawn.push((left, right, state)),
    };
    for &(piece, left, right) in &scale.pieces {
        if piece.is_break {
            let samples = (BREAK / SAMPLE) as Offset;
            for sample in 0..samples {
                let at = |n: Offset| piece.from + piece.length() / samples * n;
                if let Some(state) = dominant(fault, lane, at(sample), at(sample + 1)) {
                    let x = left + sample as f64 * SAMPLE;
                    add(x, x + SAMPLE, state);
                }
            }
            continue;
        }
        for &(from, to, state) in &lane.spans {
            let (from, to) = (offset(fault, from), offset(fault, to));
            if to > piece.from && from < piece.to {
                add(
                    scale.x(from.max(piece.from)).max(left),
                    scale.x(to.min(piece.to)).min(right),
                    state,
                );
            }
        }
    }
    let area = |(left, right, state): (f64, f64, S)| {
        let fits = |text: &String| font::width(text, SMALL, Weight::Normal) + 6.0 < right - left;
        Area { left, right, fill: fill(state), label: label(state).filter(fits) }
    };
    drawn.into_iter().map(area).collect()
}

/// The axis below the lanes: offsets where detail begins, lengths of breaks.
fn ruler(scene: &mut Scene, y: f64, scale: &Scale) -> f64 {
    let line = y + SMALL * 0.9;
    let mut free = f64::NEG_INFINITY;
    for &(piece, left, right) in &scale.pieces {
        if piece.is_break {
            zigzag(scene, left, y - LANE_GAP + 1.0);
            zigzag(scene, right, y - LANE_GAP + 1.0);
            let text = micro(&span(piece.length()));
            let at = ((left + right) / 2.0, line);
            scene.text(Text::new(at, SMALL, text).align(Align::Center).bold());
            continue;
        }
        scene.line(vec![(left, y - LANE_GAP + 1.0), (right, y - LANE_GAP + 1.0)], 1.0, FRAME);
        let sign = if piece.from < 0 { "-" } else { "+" };
        let text = format!("{sign}{} µs", microseconds(piece.from.abs()));
        let width = font::width(&text, SMALL, Weight::Normal);
        let below = line + SMALL * 1.2;
        scene.line(vec![(left, y - LANE_GAP + 1.0), (left, below - SMALL / 2.0)], 0.6, GRID);
        if left > free && left + width < PAGE_WIDTH - 4.0 {
            free = left + width + 4.0;
            scene.text(Text::new((left, below), SMALL, text).color(FAINT_INK));
        }
    }
    line + SMALL * 2.6
}

/// The mark of a break: two short slanted lines.
fn zigzag(scene: &mut Scene, x: f64, y: f64) {
    for shift in [-1.6, 1.6] {
        scene.line(vec![(x + shift - 1.8, y + 4.0), (x + shift + 1.8, y - 4.0)], 1.1, INK);
    }
}

/// The steps with their numbers, in two columns.
fn steps(scene: &mut Scene, y: f64, report: &AnatomyReport, fault: &Anatomy) -> f64 {
    const OFFSET: f64 = 86.0;
    const WHO: f64 = 58.0;
    let mut entries: Vec<(String, String, String, String)> = Vec::new();
    let mut number = 0;
    for row in rows(fault) {
        let Some(group) = row.group() else {
            entries.push((String::new(), "…".into(), String::new(), row.remark()));
            continue;
        };
        number += 1;
        let at = offset(fault, group[0].time);
        let sign = if at > 0 { "+" } else { "" };
        let at = format!("{sign}{}", microseconds(at));
        entries.push((
            number.to_string(),
            at,
            actor(group[0].actor),
            happens(report, fault, group),
        ));
    }
    let width = (RIGHT - MARGIN) / 2.0;
    let room = width - OFFSET - WHO - 20.0;
    // Long texts go on in further lines, so columns are filled by lines.
    let mut lines = Vec::new();
    for (number, at, who, what) in entries {
        let mut texts = wrap(&what, SMALL, room).into_iter();
        lines.push((number, at, who, texts.next().unwrap_or_default()));
        lines.extend(texts.map(|text| (String::new(), String::new(), String::new(), text)));
    }
    // The second column begins with a step, not in the middle of one.
    let begins = |line: &(String, String, String, String)| !line.1.is_empty();
    let half = lines.len().div_ceil(2);
    let half = half + lines[half..].iter().position(begins).unwrap_or(lines.len() - half);
    for (index, (number, at, who, what)) in lines.into_iter().enumerate() {
        let x = MARGIN + if index < half { 0.0 } else { width };
        let y = y + (index % half.max(1)) as f64 * SMALL * LEADING;
        scene.text(Text::new((x + 14.0, y), SMALL, number).align(Align::Right).bold());
        scene.text(Text::new((x + OFFSET, y), SMALL, at).align(Align::Right).color(FAINT_INK));
        let who = elide(&who, SMALL, WHO - 4.0);
        scene.text(Text::new((x + OFFSET + 8.0, y), SMALL, who));
        scene.text(Text::new((x + OFFSET + WHO + 8.0, y), SMALL, what));
    }
    y + half as f64 * SMALL * LEADING + 4.0
}

fn finish(mut scene: Scene, y: f64, shown: &Shown<'_>) -> Scene {
    let report = shown.report;
    let caption = format!(
        "Scenario {} ({} vCPUs, {} simulated), first replication of seed {}, {} fault by latency, \
         apfsim {}. Offsets count from the exit for the fault; between \
         the marks of a break time is compressed to the length that is written there.",
        report.scenario,
        report.vcpus,
        report.duration,
        report.seed,
        shown.pick.name(),
        report.version,
    );
    let mut y = y + CAPTION_SIZE * 0.5;
    for line in wrap(&caption, CAPTION_SIZE, PAGE_WIDTH - 2.0 * MARGIN) {
        scene.text(Text::new((MARGIN, y), CAPTION_SIZE, line).color(FAINT_INK));
        y += CAPTION_SIZE * 1.4;
    }
    scene.height = (y - CAPTION_SIZE * 0.7 + MARGIN).ceil();
    scene
}
