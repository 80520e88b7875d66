//! A sweep as text: a line a point.

use scenarios::experiments::sweep::PointResult;
use scenarios::{Comparison, FindingVerdict, Note, PolicyResult, SweepResult};

use crate::format::{range, significant, span_ns};
use crate::measure::Measure;
use crate::page::{self, Grid, Page, Piece};

/// No line is longer, but for the last one and names that are longer themselves.
const WIDTH: usize = 100;
const GAP: usize = 2;

/// The sweep with the ratio of work to the baseline and the median latency of faults at each point.
pub(super) fn page(sweep: &SweepResult) -> Page {
    let degenerate: Vec<(String, &[Note])> = sweep
        .points
        .iter()
        .map(|point| (point.number.to_string(), point.comparison.notes.as_slice()))
        .collect();
    let degenerate: Vec<_> =
        degenerate.iter().map(|(number, notes)| (number.as_str(), *notes)).collect();
    let degenerate = crate::notes::at_points("at point", &degenerate);
    let drawn = Piece::Drawn { text: points(sweep), grid: grid(sweep) };
    let lines = |text: String| text.lines().map(|line| Piece::Line(line.into())).collect();
    Page::of([
        lines(head(sweep)),
        vec![drawn],
        lines(notes(sweep)),
        degenerate,
        vec![Piece::Line(reproduction(sweep))],
    ])
}

/// The points with a column for everything that is said of a policy.
fn grid(sweep: &SweepResult) -> Grid {
    let mut titles = Vec::new();
    let mut all = labels(sweep);
    titles.extend(all.iter().map(|column| page::Column::left(&column.title)));
    for policy in sweep.policies() {
        let group = columns(sweep, policy);
        let title = |column: &Column| format!("{policy}: {}", column.title);
        titles.extend(group.iter().map(|column| page::Column::right(title(column))));
        all.extend(group);
    }
    let mut grid = Grid::new(titles);
    for point in 0..sweep.points.len() {
        grid.row(all.iter().map(|column| column.cells[point].clone()).collect());
    }
    grid
}

fn head(sweep: &SweepResult) -> String {
    let mut text = format!("{}: {}\n", sweep.sweep, sweep.title);
    let Some(first) = sweep.points.first().map(|point| &point.comparison) else { return text };
    let count = sweep.points.len();
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let replications = first.replications as usize;
    text.push_str(&format!(
        "scenario {}, {} simulated, {replications} replication{}, {count} point{}\n",
        first.scenario,
        range(sweep.points.iter().map(|point| point.comparison.duration)),
        plural(replications),
        plural(count)
    ));
    for axis in &sweep.axes {
        text.push_str(&format!("{}: {}\n", axis.name, axis.fields.join(", ")));
    }
    text
}

/// A column: title of the group above it, own title, cells.
struct Column {
    group: String,
    title: String,
    cells: Vec<String>,
    left: bool,
}

impl Column {
    fn width(&self) -> usize {
        let cells = self.cells.iter().chain([&self.title]).map(|cell| cell.chars().count());
        cells.max().unwrap_or(0)
    }

    fn cell(&self, text: &str) -> String {
        let width = self.width();
        if self.left { format!("{text:<width$}") } else { format!("{text:>width$}") }
    }
}

/// The names of a point have no more of a line, as long as each keeps this much.
const LABELS: usize = 60;
const LEAST_LABEL: usize = 8;

/// A text without what is too long of it.
fn cut(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// Columns that name a point, so narrow that others have room beside them.
fn narrow(mut labels: Vec<Column>) -> Vec<Column> {
    let width = |labels: &[Column]| labels.iter().map(|column| column.width() + GAP).sum::<usize>();
    while width(&labels) > LABELS {
        let Some(widest) = labels.iter_mut().max_by_key(|column| column.width()) else { break };
        let most = widest.width() - 1;
        if most < LEAST_LABEL {
            break;
        }
        widest.title = cut(&widest.title, most);
        widest.cells.iter_mut().for_each(|cell| *cell = cut(cell, most));
    }
    labels
}

/// Columns of a group in parts that fit into so much room, each with the group's name above it.
fn in_parts(group: Vec<Column>, room: usize) -> Vec<Vec<Column>> {
    let name = group.first().map(|column| column.group.clone()).unwrap_or_default();
    let mut parts: Vec<Vec<Column>> = Vec::new();
    for mut column in group {
        match parts.last_mut() {
            Some(part) if group_width(part) + GAP + column.width() <= room => part.push(column),
            _ => {
                column.group.clone_from(&name);
                parts.push(vec![column]);
            }
        }
    }
    parts
}

fn points(sweep: &SweepResult) -> String {
    let labels = narrow(labels(sweep));
    let taken: usize = labels.iter().map(|column| column.width() + GAP).sum();
    let policies = sweep.policies().into_iter();
    let groups: Vec<Vec<Column>> = policies
        .flat_map(|policy| in_parts(columns(sweep, policy), WIDTH.saturating_sub(taken)))
        .collect();
    let mut parts: Vec<Vec<&Column>> = Vec::new();
    let mut width = WIDTH;
    for group in &groups {
        let wanted = group_width(group) + GAP;
        if parts.is_empty() || width + wanted > WIDTH {
            parts.push(labels.iter().collect());
            width = taken - GAP;
        }
        width += wanted;
        if let Some(part) = parts.last_mut() {
            part.extend(group);
        }
    }
    let parts: Vec<String> = parts.iter().map(|part| rendered(part)).collect();
    parts.join("\n")
}

/// The columns that name a point.
fn labels(sweep: &SweepResult) -> Vec<Column> {
    let column = |title: &str, cell: &dyn Fn(&PointResult) -> String| Column {
        group: String::new(),
        title: title.into(),
        cells: sweep.points.iter().map(cell).collect(),
        left: true,
    };
    let mut columns = vec![column("point", &|point| point.number.to_string())];
    if sweep.axes.is_empty() {
        columns.push(column("change", &|point| point.label.clone()));
    }
    let axes = sweep.axes.iter().enumerate();
    columns.extend(axes.map(|(place, axis)| {
        column(&axis.name, &|point| axis.values[point.values[place]].clone())
    }));
    columns
}

/// The mean of a metric: times in the unit that suits them, counts whole.
fn metric_cell(result: &PolicyResult, name: &str) -> String {
    match result.metric(name) {
        None => "-".into(),
        Some(metric) if metric.unit == "s" => span_ns(metric.mean * 1e9),
        Some(metric) => significant(metric.mean),
    }
}

/// What is said of one policy.
fn columns(sweep: &SweepResult, policy: &str) -> Vec<Column> {
    let cells = |cell: &dyn Fn(&Comparison, &PolicyResult) -> String| -> Vec<String> {
        let of = |point: &PointResult| {
            let result = point.comparison.policy(policy);
            result.map_or_else(|| "-".into(), |result| cell(&point.comparison, result))
        };
        sweep.points.iter().map(of).collect()
    };
    let always_baseline = sweep.points.iter().all(|point| point.comparison.baseline == policy);
    let mut columns = Vec::new();
    let mut titles = Vec::new();
    if !always_baseline {
        columns.push(cells(&|comparison, result| ratio(comparison, &result.policy)));
        titles.push(if of_work(sweep) { "work ratio" } else { "ratio" });
    }
    if sweep.metrics.is_empty() {
        columns.push(cells(&|_, result| latency(result)));
        titles.push("p50");
    }
    for name in &sweep.metrics {
        columns.push(cells(&|_, result| metric_cell(result, name)));
        titles.push(name);
    }
    let group = std::iter::once(policy).chain(std::iter::repeat(""));
    columns
        .into_iter()
        .zip(titles)
        .zip(group)
        .map(|((cells, title), group)| Column {
            group: group.into(),
            title: title.into(),
            cells,
            left: false,
        })
        .collect()
}

/// Columns of a group beside each other, or its title where that is wider.
fn group_width(group: &[Column]) -> usize {
    let own = group.iter().map(|column| column.width() + GAP).sum::<usize>() - GAP;
    let title = group.iter().map(|column| column.group.chars().count()).max().unwrap_or(0);
    own.max(title)
}

fn rendered(columns: &[&Column]) -> String {
    // The first column of a group is as wide as its title needs.
    let mut widths: Vec<usize> = columns.iter().map(|column| column.width()).collect();
    let starts: Vec<usize> =
        (0..columns.len()).filter(|&at| !columns[at].group.is_empty()).collect();
    for (index, &start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(columns.len());
        let own: usize = widths[start..end].iter().sum::<usize>() + GAP * (end - start - 1);
        let title = columns[start].group.chars().count();
        widths[start] += title.saturating_sub(own);
    }
    let gap = " ".repeat(GAP);
    let line = |cell: &dyn Fn(usize) -> String| {
        let cells: Vec<String> = (0..columns.len()).map(cell).collect();
        cells.join(&gap).trim_end().to_owned() + "\n"
    };
    let padded = |at: usize, text: &str| {
        let (cell, width) = (columns[at].cell(text), widths[at]);
        if columns[at].left { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
    };
    let mut text = titles(columns, &starts, &widths);
    text.push_str(&line(&|at| padded(at, &columns[at].title)));
    for row in 0..columns.first().map_or(0, |column| column.cells.len()) {
        text.push_str(&line(&|at| padded(at, &columns[at].cells[row])));
    }
    text
}

/// The line with the names of the groups, each over the right end of its columns.
fn titles(columns: &[&Column], starts: &[usize], widths: &[usize]) -> String {
    let mut text = String::new();
    for (index, &start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(columns.len());
        let right = widths[..end].iter().sum::<usize>() + GAP * (end - 1);
        let room = right.saturating_sub(text.chars().count());
        text.push_str(&format!("{:>room$}", columns[start].group));
    }
    text + "\n"
}

/// `1.995 ±0.001`
fn ratio(comparison: &Comparison, policy: &str) -> String {
    if policy == comparison.baseline {
        return "1".into();
    }
    let Some(ratio) = comparison.ratio(policy, &comparison.measure) else { return "-".into() };
    if !ratio.mean.is_finite() {
        return "-".into();
    }
    let decimals = if ratio.mean.abs() < 100.0 { 3 } else { 1 };
    let half = ratio.ci95.map(|(low, high)| (high - low) / 2.0).filter(|half| half.is_finite());
    let half = half.map(|half| format!(" ±{half:.decimals$}")).unwrap_or_default();
    format!("{:.decimals$}{half}", ratio.mean)
}

/// Whether the policies are compared by the work of workers everywhere.
fn of_work(sweep: &SweepResult) -> bool {
    sweep.points.iter().all(|point| Measure::of(&point.comparison).is_work())
}

fn latency(policy: &PolicyResult) -> String {
    let p50 = policy.metric("fault_latency_p50").map(|metric| metric.mean);
    p50.filter(|p50| p50.is_finite()).map_or_else(|| "-".into(), |p50| span_ns(p50 * 1e9))
}

fn notes(sweep: &SweepResult) -> String {
    let mut baselines: Vec<&str> = Vec::new();
    for point in &sweep.points {
        if !baselines.contains(&point.comparison.baseline.as_str()) {
            baselines.push(&point.comparison.baseline);
        }
    }
    let (title, measure) = match sweep.points.first().filter(|_| !of_work(sweep)) {
        None => ("work ratio", "work_total".to_owned()),
        Some(first) => {
            let measure = Measure::of(&first.comparison);
            ("ratio", format!("{}{},", measure.name, measure.remark()))
        }
    };
    let mut text = format!(
        "{title}: {measure} to that of {} at the same point; ±: half of the 95% interval\n",
        baselines.join(" or ")
    );
    if sweep.metrics.is_empty() {
        text.push_str("p50: median latency of a major fault\n");
    }
    text + &invariants(sweep)
}

/// Every invariant that was violated, or that none was.
pub(crate) fn invariants(sweep: &SweepResult) -> String {
    let (mut text, mut broken) = (String::new(), 0_usize);
    for point in &sweep.points {
        for policy in &point.comparison.policies {
            let violations = policy
                .findings
                .iter()
                .filter(|finding| finding.verdict == FindingVerdict::Violation);
            for finding in violations {
                broken += 1;
                text.push_str(&format!(
                    "VIOLATION at point {} ({}), policy {}: {} {}\n",
                    point.number, point.label, policy.policy, finding.invariant, finding.message
                ));
            }
        }
    }
    if broken == 0 {
        text.push_str("Invariants: no violation\n");
    }
    text
}

/// The line that names the sweep. It is never broken, so that it can be searched for and copied.
pub(crate) fn reproduction(sweep: &SweepResult) -> String {
    let first = sweep.points.first().map(|point| &point.comparison);
    let (seed, replications) = first.map_or((0, 0), |first| (first.seed, first.replications));
    format!(
        "apfsim {} sweep {} ({}) seed {seed} replications {replications} digest {}",
        sweep.version, sweep.sweep, sweep.hash, sweep.digest
    )
}
