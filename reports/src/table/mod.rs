//! Results as text that can be pasted into a mail: plain characters, at most 78 columns.

mod anatomy;
mod chart;
mod findings;
#[cfg(test)]
mod tests;
mod work;

use models::trace::metrics::{Block, METRICS, MetricKind, Unit};
use scenarios::{Comparison, MetricSummary, PolicyResult};

pub(crate) use self::anatomy::anatomy;
use crate::format::{grouped, significant, span_ns};
use crate::html::verdict;
use crate::notes;
use crate::page::{Column, Grid, Page, Piece};

/// Records, each as a line of its own text, as a sequence chart.
pub(crate) fn record_chart(records: &[String], width: usize) -> String {
    chart::chart(records, 0, width)
}

/// A comparison of policies: work with ratios and published values, where the vCPUs' time went,
/// faults, invariants, and the line that repeats the run; of requests what there is.
pub(crate) fn compare(comparison: &Comparison) -> Page {
    let by_policy = |title, blocks: &[Block]| by_policy(comparison, title, blocks, "");
    Page::of([
        head(comparison),
        vec![Piece::text(verdict::of_result(comparison))],
        work::block(comparison),
        vms(comparison),
        requests(comparison),
        by_policy("A request's time (mean)", &[Block::RequestParts]),
        by_policy("CPU time (% of vCPU time)", &[Block::CpuTime]),
        by_policy("Faults", &[Block::Faults, Block::FaultsPart]),
        findings::summary(comparison),
        notes::block(&comparison.notes),
        reproduction(comparison),
    ])
}

/// Full detail of each policy: every metric, every task, every finding with its records.
pub(crate) fn run(comparison: &Comparison) -> Page {
    let mut blocks = vec![head(comparison)];
    for policy in &comparison.policies {
        let title = format!("Policy {}, digest {}", policy.policy, policy.digest);
        blocks.push(vec![Piece::Line(title)]);
        blocks.push(vec![Piece::Grid(metrics(policy))]);
        blocks.push(vec![Piece::Grid(tasks(policy))]);
    }
    blocks.push(findings::stories(comparison));
    blocks.push(notes::block(&comparison.notes));
    blocks.push(reproduction(comparison));
    Page::of(blocks)
}

fn head(comparison: &Comparison) -> Vec<Piece> {
    let title = format!("{}: {}", comparison.scenario, comparison.title);
    let count = comparison.replications;
    let plural = if count == 1 { "" } else { "s" };
    let cpus = if comparison.vcpus == 1 { "vCPU" } else { "vCPUs" };
    let setting = format!(
        "{} {cpus}, {} simulated, {count} replication{plural}, baseline {}",
        comparison.vcpus, comparison.duration, comparison.baseline
    );
    vec![Piece::text(title), Piece::text(setting)]
}

/// The line that repeats the run.
fn reproduction(comparison: &Comparison) -> Vec<Piece> {
    vec![Piece::Line(format!(
        "apfsim {} scenario {} ({}) seed {} replications {} digest {}",
        comparison.version,
        comparison.scenario,
        comparison.scenario_hash,
        comparison.seed,
        comparison.replications,
        comparison.digest
    ))]
}

/// How a mean is written in a block.
fn mean(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Share => percent(value),
        Unit::Seconds => span(value),
        Unit::Number | Unit::Rate => significant(value),
        Unit::Count | Unit::Work | Unit::Pages => grouped(value),
    }
}

/// The name of a row. A block of shares says in its title that they are percent.
fn label(kind: &MetricKind) -> String {
    match (kind.block, kind.unit) {
        (Block::FaultsPart, _) => format!("    {}", kind.label),
        (Block::Faults, Unit::Share) => format!("  {} (%)", kind.label),
        _ => format!("  {}", kind.label),
    }
}

fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.2}", share * 100.0) } else { "-".to_owned() }
}

fn span(seconds: f64) -> String {
    if seconds.is_finite() { span_ns(seconds * 1e9) } else { "-".to_owned() }
}

/// Requests of all groups of tasks, and of each where there are several.
fn requests(comparison: &Comparison) -> Vec<Piece> {
    let vms = comparison.vms();
    let mut groups: Vec<&str> = Vec::new();
    let metrics = comparison.policies.iter().flat_map(|policy| &policy.metrics);
    for metric in metrics {
        let group = metric.name.strip_prefix("requests").filter(|group| group.starts_with('['));
        // Virtual machines have blocks of their own.
        let group = group.filter(|group| !vms.contains(&group.trim_matches(['[', ']'])));
        if let Some(group) = group.filter(|group| !groups.contains(group)) {
            groups.push(group);
        }
    }
    let mut blocks = by_policy(comparison, "Requests", &[Block::Requests], "");
    for group in groups.iter().filter(|_| groups.len() > 1) {
        let title = format!("Requests of {}", group.trim_matches(['[', ']']));
        blocks.extend(by_policy(comparison, &title, &[Block::Requests], group));
    }
    blocks
}

/// A block with a column a policy, of metrics whose names end so. Rows that no policy has are left out.
fn by_policy(comparison: &Comparison, title: &str, blocks: &[Block], end: &str) -> Vec<Piece> {
    let policies = &comparison.policies;
    let mut columns = vec![Column::left(title)];
    columns.extend(policies.iter().map(|policy| Column::right(&policy.policy)));
    let mut grid = Grid::new(columns);
    for kind in METRICS.iter().filter(|kind| blocks.contains(&kind.block)) {
        let values: Vec<Option<&MetricSummary>> =
            policies.iter().map(|policy| policy.metric(&format!("{}{end}", kind.name))).collect();
        // What no request waited for is not worth a row.
        let nothing = |value: &Option<&MetricSummary>| {
            value.is_none_or(|value| kind.block == Block::RequestParts && value.mean == 0.0)
        };
        if values.iter().all(nothing) {
            continue;
        }
        let mut cells = vec![label(kind)];
        let dash = || "-".to_owned();
        let cell = |value: &MetricSummary| mean(kind.unit, value.mean);
        cells.extend(values.iter().map(|value| value.map_or_else(dash, cell)));
        grid.row(cells);
    }
    // Programs without requests have no such block; the others are there in any case.
    let of_requests = |block: &Block| matches!(block, Block::Requests | Block::RequestParts);
    match grid.is_empty() && blocks.iter().all(of_requests) {
        true => Vec::new(),
        false => vec![Piece::Grid(grid)],
    }
}

fn metrics(policy: &PolicyResult) -> Grid {
    let mut grid = Grid::new(vec![
        Column::left("Metric"),
        Column::right("value"),
        Column::right("std error"),
        Column::left("unit"),
    ]);
    for metric in &policy.metrics {
        let stderr = metric.stderr.map(significant).unwrap_or_default();
        // A count is its own unit.
        let unit = if metric.unit == "1" { String::new() } else { metric.unit.clone() };
        grid.row(vec![format!("  {}", metric.name), exact(metric.mean), stderr, unit]);
    }
    grid
}

/// Whole numbers in full, others to four significant digits.
fn exact(value: f64) -> String {
    if value.is_finite() && value.fract() == 0.0 { grouped(value) } else { significant(value) }
}

fn tasks(policy: &PolicyResult) -> Grid {
    let mut grid = Grid::new(vec![
        Column::left("Task"),
        Column::left("role"),
        Column::right("user time (s)"),
        Column::right("work (units)"),
        Column::right("major faults"),
    ]);
    for task in &policy.per_task {
        grid.row(vec![
            format!("  {}", task.name),
            task.role.clone(),
            significant(task.user_time),
            exact(task.work),
            exact(task.major_faults),
        ]);
    }
    grid
}

/// Rows of a virtual machine, as far as results have them.
const VM_ROWS: [&str; 8] = [
    "work_total",
    "request_rate",
    "request_latency_mean",
    "request_latency_p99",
    "major_faults",
    "fault_latency_mean",
    "steal_seen",
    "cpu_share_idle",
];

/// A block for each virtual machine and one for all; nothing where there is one.
fn vms(comparison: &Comparison) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for vm in comparison.vms() {
        let end = format!("[{vm}]");
        pieces.extend(vm_grid(comparison, &format!("Virtual machine {vm}"), &VM_ROWS, &end));
    }
    pieces.extend(vm_grid(
        comparison,
        "All of them",
        &["host_idle", "fairness_work", "fairness_cpu"],
        "",
    ));
    pieces
}

fn vm_grid(comparison: &Comparison, title: &str, rows: &[&str], end: &str) -> Option<Piece> {
    let policies = &comparison.policies;
    let mut columns = vec![Column::left(title)];
    columns.extend(policies.iter().map(|policy| Column::right(&policy.policy)));
    let mut grid = Grid::new(columns);
    for kind in METRICS.iter().filter(|kind| rows.contains(&kind.name)) {
        let values = policies.iter().map(|policy| policy.metric(&format!("{}{end}", kind.name)));
        let values: Vec<_> = values.collect();
        if values.iter().all(Option::is_none) {
            continue;
        }
        let mut cells = vec![vm_label(kind)];
        cells.extend(
            values
                .iter()
                .map(|value| value.map_or_else(|| "-".to_owned(), |it| mean(kind.unit, it.mean))),
        );
        grid.row(cells);
    }
    (!grid.is_empty()).then_some(Piece::Grid(grid))
}

/// A share is in percent, which no title says here.
fn vm_label(kind: &MetricKind) -> String {
    match kind.unit {
        Unit::Share => format!("  {} (%)", kind.label),
        _ => format!("  {}", kind.label),
    }
}
