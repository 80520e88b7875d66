//! The anatomy of faults as text: a chart of lanes, the steps, and the parts of the latency.

use std::collections::BTreeMap;

use models::base::ids::TaskId;
use models::trace::anatomy::{Anatomy, DeviceState, ItemState, Lane, TaskActivity, VcpuState};
use scenarios::{AnatomyReport, PickedFault, PolicyAnatomy};

use crate::anatomy::{
    Breaks, Offset, Piece, Row, actor, dominant, happens, microseconds, offset, parts_table,
    rounded_parts, rows, seconds, span, task,
};
use crate::format::grouped;

/// Columns of a lane's name.
const LABEL: usize = 12;
/// Columns of the chart.
const CHART: usize = 88;
/// No line is longer, but for the last ones and names that are longer themselves.
const WIDTH: usize = 100;
/// Columns before the text of a step.
const WHAT: usize = 35;
/// Columns of a break.
const BREAK: usize = 9;
/// Breaks of an axis at most.
const MAX_BREAKS: usize = 6;

/// The picked faults of each policy, policies below each other, and how their latencies divide.
pub(crate) fn anatomy(report: &AnatomyReport) -> String {
    let mut text = head(report);
    let picks: Vec<_> = report
        .policies
        .iter()
        .map(|policy| policy.picked.iter().map(|picked| picked.pick).collect::<Vec<_>>())
        .max_by_key(Vec::len)
        .unwrap_or_default();
    for pick in picks {
        let shown: Vec<(&PolicyAnatomy, &PickedFault)> = report
            .policies
            .iter()
            .filter_map(|policy| {
                let picked = policy.picked.iter().find(|picked| picked.pick == pick)?;
                Some((policy, picked))
            })
            .collect();
        let faults: Vec<&Anatomy> = shown.iter().map(|(_, picked)| &picked.anatomy).collect();
        let chart = Chart::new(&faults);
        for (policy, picked) in &shown {
            text.push('\n');
            text.push_str(&one(report, &chart, policy, picked));
        }
    }
    for policy in report.policies.iter().filter(|policy| policy.picked.is_empty()) {
        text.push_str(&format!(
            "\n{}: no major fault began and ended in the measured time\n",
            policy.policy
        ));
    }
    text.push('\n');
    text.push_str(LEGEND);
    text.push_str(&reproduction(report));
    text
}

const LEGEND: &str = "\
Offsets count from the exit for the fault. Between ~ ~ time is compressed.
  task    # runs   - stopped with its vCPU   . waits for its page   r runnable, others run
  others  which other task runs on the vCPU: letters, with their names below the lanes
  vCPU    g guest mode   h host   H halted by the host   S stalled   _ idle   c waits for a CPU
  item    q queued   w worker works   z worker sleeps   c worker waits for a CPU
          d done, page ready not delivered   e fetched by an item of another task
  device  q request queued   D in service
";

fn head(report: &AnatomyReport) -> String {
    let cpus = if report.vcpus == 1 { "vCPU" } else { "vCPUs" };
    format!(
        "{}: anatomy of major faults\n{} {cpus}, {} simulated, first replication of seed {}\n",
        report.scenario, report.vcpus, report.duration, report.seed
    )
}

fn reproduction(report: &AnatomyReport) -> String {
    let mut text = format!(
        "\napfsim {} scenario {} ({}) seed {}",
        report.version, report.scenario, report.scenario_hash, report.seed
    );
    for policy in &report.policies {
        text.push_str(&format!("\n  {} digest {}", policy.policy, policy.digest));
    }
    text + "\n"
}

/// What all charts of a pick share.
struct Chart {
    breaks: Breaks,
    /// Picoseconds a column.
    column: Offset,
}

impl Chart {
    fn new(faults: &[&Anatomy]) -> Self {
        let column = |breaks: Breaks| {
            faults.iter().map(|fault| column(&breaks.axis(fault))).max().unwrap_or(1)
        };
        // A break is to save more room than it takes.
        let least = |breaks| column(breaks) * (BREAK * 5 / 2) as Offset;
        let breaks = Breaks::choose(MAX_BREAKS, least);
        Self { breaks, column: column(breaks) }
    }

    /// From and to of each column, and whether it is in a break.
    fn columns(&self, fault: &Anatomy) -> Vec<(Offset, Offset, bool)> {
        let mut columns = Vec::new();
        for piece in self.breaks.axis(fault) {
            let Piece { from, to, is_break } = piece;
            let width = self.width(&piece) as Offset;
            let at = |column: Offset| match is_break {
                true => from + piece.length() / width * column,
                false => from + self.column * column,
            };
            for column in 0..width {
                let end = if column + 1 == width { to } else { at(column + 1) };
                columns.push((at(column), end, is_break));
            }
        }
        columns
    }

    fn width(&self, piece: &Piece) -> usize {
        if piece.is_break {
            return BREAK;
        }
        usize::try_from(piece.length() / self.column + 1).unwrap_or(1)
    }
}

/// Picoseconds a column, so that an axis fits.
fn column(pieces: &[Piece]) -> Offset {
    let breaks = pieces.iter().filter(|piece| piece.is_break).count();
    let details = pieces.iter().filter(|piece| !piece.is_break);
    let length: Offset = details.clone().map(Piece::length).sum();
    // Every piece may end with a column that is not full.
    let room = CHART.saturating_sub(breaks * BREAK + details.count()).max(1);
    length / room as Offset + 1
}

fn one(
    report: &AnatomyReport,
    chart: &Chart,
    policy: &PolicyAnatomy,
    picked: &PickedFault,
) -> String {
    let fault = &picked.anatomy;
    let about = if picked.exact { "" } else { "about " };
    let mut text = format!(
        "{}, {}: {} ({about}{} of {} major faults are not slower)\n",
        policy.policy,
        picked.pick.name(),
        span(fault.fault.latency().as_ps() as Offset),
        grouped(picked.rank as f64),
        grouped(policy.faults as f64),
    );
    text.push_str(&format!(
        "{} on vCPU {}, gfn {:#x}{}, at {} s\n\n",
        task(report, fault.fault.task),
        fault.fault.vcpu.0,
        fault.fault.gfn.0,
        if fault.fault.in_walk { " (a table of the guest's, in a walk)" } else { "" },
        seconds(fault.fault.begin.as_ps()),
    ));
    text.push_str(&lanes(report, chart, fault));
    text.push('\n');
    text.push_str(&parts_table(&rounded_parts(fault)));
    text.push('\n');
    text.push_str(&steps(report, fault));
    text
}

fn lanes(report: &AnatomyReport, chart: &Chart, fault: &Anatomy) -> String {
    let columns = chart.columns(fault);
    let mut text = String::new();
    for line in [ruler(chart, fault)].into_iter().chain(marks(fault, &columns)) {
        text.push_str(format!("{:LABEL$}{line}", "").trim_end());
        text.push('\n');
    }
    let mut row = |label: String, cells: String| {
        let line = format!("{:LABEL$}{cells}", elided(&label, LABEL - 1));
        text.push_str(line.trim_end());
        text.push('\n');
    };
    let lanes = &fault.lanes;
    let letters = letters(report, fault);
    row(task(report, fault.fault.task), cells(fault, &columns, &lanes.task, activity));
    row(
        "others".into(),
        cells(fault, &columns, &lanes.others, |t| letters.get(&t).map_or('?', |l| l.0)),
    );
    row(format!("vCPU {}", fault.fault.vcpu.0), cells(fault, &columns, &lanes.vcpu, vcpu));
    if !lanes.item.spans.is_empty() {
        row("item".into(), cells(fault, &columns, &lanes.item, item));
    }
    row("device".into(), cells(fault, &columns, &lanes.device, device));
    if !letters.is_empty() {
        let names: Vec<String> =
            letters.values().map(|(letter, name)| format!("{letter}={name} ")).collect();
        for line in wrapped(names.iter().map(String::as_str), CHART) {
            text.push_str(&format!("{:LABEL$}{line}\n", ""));
        }
    }
    text
}

/// A letter for each other task that runs meanwhile, by number.
fn letters(report: &AnatomyReport, fault: &Anatomy) -> BTreeMap<TaskId, (char, String)> {
    let mut tasks: Vec<TaskId> = fault.lanes.others.spans.iter().map(|&(.., task)| task).collect();
    tasks.sort_unstable();
    tasks.dedup();
    let letters = ('a'..='z').chain('A'..='Z').chain(std::iter::repeat('+'));
    tasks.into_iter().zip(letters).map(|(id, letter)| (id, (letter, task(report, id)))).collect()
}

/// Words with their spaces as lines of at most `width` characters.
fn wrapped<'a>(words: impl Iterator<Item = &'a str>, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        let length = word.trim_end().chars().count();
        match lines.last_mut() {
            Some(line) if line.chars().count() + length <= width => line.push_str(word),
            _ => lines.push(word.to_owned()),
        }
    }
    for line in &mut lines {
        line.truncate(line.trim_end().len());
    }
    lines
}

/// The line above the lanes: offsets where detail begins, lengths of breaks.
fn ruler(chart: &Chart, fault: &Anatomy) -> String {
    let mut line = String::new();
    for piece in chart.breaks.axis(fault) {
        let width = chart.width(&piece);
        let text = match piece.is_break {
            true => format!("{:~^width$}", span(piece.length())),
            false => format!("|{}", span_signed(piece.from)),
        };
        let fits = text.chars().count() <= width;
        line.push_str(&format!("{:width$}", if fits { &text } else { "|" }));
    }
    line
}

fn span_signed(ps: Offset) -> String {
    let sign = if ps < 0 { "-" } else { "+" };
    format!("{sign}{}", span(ps.abs()))
}

/// The numbers of the steps above their columns, in as many lines as they need, three at most.
fn marks(fault: &Anatomy, columns: &[(Offset, Offset, bool)]) -> Vec<String> {
    let mut lines: Vec<Vec<char>> = Vec::new();
    for (number, group) in (1..).zip(rows(fault).iter().filter_map(Row::group)) {
        let at = offset(fault, group[0].time);
        let column = columns.iter().position(|&(from, to, _)| at >= from && at < to);
        let Some(column) = column else { continue };
        let text: Vec<char> = format!("{number}").chars().collect();
        let free = |line: &Vec<char>| {
            let around = column.saturating_sub(1)..=column + text.len();
            around.into_iter().all(|at| line.get(at).is_none_or(|&c| c == ' '))
        };
        let line = match lines.iter().position(free) {
            Some(line) => line,
            None if lines.len() < 4 => {
                lines.push(vec![' '; columns.len() + 3]);
                lines.len() - 1
            }
            None => continue,
        };
        lines[line][column..column + text.len()].copy_from_slice(&text);
    }
    lines.into_iter().map(|line| line.into_iter().collect()).collect()
}

fn cells<S: Copy + PartialEq>(
    fault: &Anatomy,
    columns: &[(Offset, Offset, bool)],
    lane: &Lane<S>,
    letter: impl Fn(S) -> char,
) -> String {
    let cell = |&(from, to, _): &(Offset, Offset, bool)| {
        dominant(fault, lane, from, to).map_or(' ', &letter)
    };
    columns.iter().map(cell).collect()
}

fn activity(state: TaskActivity) -> char {
    match state {
        TaskActivity::Runs => '#',
        TaskActivity::Stopped => '-',
        TaskActivity::WaitsForPage => '.',
        TaskActivity::WaitsForTurn => 'r',
    }
}

fn vcpu(state: VcpuState) -> char {
    match state {
        VcpuState::Guest => 'g',
        VcpuState::Host => 'h',
        VcpuState::Halted => 'H',
        VcpuState::Stalled => 'S',
        VcpuState::Idle => '_',
        VcpuState::Waiting => 'c',
    }
}

fn item(state: ItemState) -> char {
    match state {
        ItemState::Queued => 'q',
        ItemState::Worked => 'w',
        ItemState::Asleep => 'z',
        ItemState::Waiting => 'c',
        ItemState::Completed => 'd',
        ItemState::Elsewhere => 'e',
    }
}

fn device(state: DeviceState) -> char {
    match state {
        DeviceState::Queued => 'q',
        DeviceState::InService => 'D',
    }
}

fn steps(report: &AnatomyReport, fault: &Anatomy) -> String {
    let mut text = format!("{:>4} {:>15}  {:12} what happens\n", "step", "offset (us)", "who");
    let mut number = 0;
    for row in rows(fault) {
        let Some(group) = row.group() else {
            text.push_str(&format!("{:>4} {:>15}  {}\n", "", "...", row.remark()));
            continue;
        };
        number += 1;
        let at = offset(fault, group[0].time);
        let sign = if at > 0 { "+" } else { "" };
        let at = format!("{sign}{}", microseconds(at));
        let who = actor(group[0].actor);
        let what = happens(report, fault, group);
        let mut lines = wrapped(what.split_inclusive(' '), WIDTH - WHAT).into_iter();
        let first = lines.next().unwrap_or_default();
        text.push_str(&format!("{number:>4} {at:>15}  {who:12} {first}\n"));
        for line in lines {
            text.push_str(&format!("{:WHAT$}{line}\n", ""));
        }
    }
    text
}

fn elided(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most - 1).collect();
    kept + "~"
}
