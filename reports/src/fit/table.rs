//! For terminals and mails.

use scenarios::FitReport;
use scenarios::logs::fit::{Mode, PathRow, Summary};

use crate::format::{grouped, significant};
use crate::page::{Column, Grid, wrapped};

/// A quantile that is shown: its name, and where it stands.
type Shown = (&'static str, fn(&Summary) -> f64);

/// What the log shows, what was made of it, and both distributions side by side.
pub(super) fn table(report: &FitReport) -> String {
    let blocks = [head(report), given(report), paths(report), rates(report), left_out(report)];
    let blocks: Vec<String> = blocks.into_iter().filter(|block| !block.is_empty()).collect();
    blocks.join("\n")
}

fn head(report: &FitReport) -> String {
    let about = format!(
        "{} lines, {:.3} s; {}; {} faults told, {} halted, {} synchronous, {} repeated",
        grouped(report.lines as f64),
        report.length as f64 / 1e9,
        mode(report),
        report.counts.told,
        report.counts.announced.saturating_sub(report.counts.told),
        report.counts.synchronous,
        report.counts.repeated
    );
    let run = match report.simulated {
        Some(span) => format!("scenario {}, {span} simulated", report.name),
        None => format!("scenario {}, not run", report.name),
    };
    wrapped(&report.log, 0, 0) + &wrapped(&about, 0, 0) + &wrapped(&run, 0, 0)
}

/// How the host served faults; in doubt where the log does not say who was told.
fn mode(report: &FitReport) -> String {
    let text = report.mode.text();
    match report.mode {
        Mode::Halted if !report.says_who_was_told => {
            format!("{text} (assumed: kvm_inj_exception was not recorded)")
        }
        _ => text.to_owned(),
    }
}

/// Every number with where it comes from. Costs are shown by the paths below.
fn given(report: &FitReport) -> String {
    let mut text = String::from("Where the numbers come from\n");
    let costs = |field: &str| field.starts_with("host.costs.");
    for one in report.given.iter().filter(|one| !costs(&one.field)) {
        text.push_str(&wrapped(&format!("{} {}: {}", one.field, one.value, one.source), 2, 4));
    }
    let count = report.given.iter().filter(|one| costs(&one.field)).count();
    if count > 0 {
        let costs: Vec<String> = report
            .given
            .iter()
            .filter_map(|one| {
                let name = one.field.strip_prefix("host.costs.")?;
                Some(format!("{name} {}", one.value))
            })
            .collect();
        let line = format!("host.costs, least squares over the paths: {}", costs.join(", "));
        text.push_str(&wrapped(&line, 2, 4));
    }
    text
}

fn us(ns: f64) -> String {
    format!("{:.2}", ns / 1000.0)
}

/// A grid for each quantile.
fn paths(report: &FitReport) -> String {
    let shown: [Shown; 3] = [("p50", |s| s.p50), ("p90", |s| s.p90), ("p99", |s| s.p99)];
    shown.map(|shown| quantile(report, shown)).join("\n")
}

fn quantile(report: &FitReport, (name, quantile): Shown) -> String {
    let mut grid = Grid::new(vec![
        Column::left(format!("Path, {name} (us)")),
        Column::right("n log"),
        Column::right("n run"),
        Column::right("log"),
        Column::right("run"),
        Column::right("ratio"),
    ]);
    let some = |summary: &Option<Summary>, get: &dyn Fn(&Summary) -> String| {
        summary.as_ref().map_or_else(String::new, get)
    };
    for row in &report.paths {
        let count = |summary: &Summary| grouped(summary.count as f64);
        let span = |summary: &Summary| us(quantile(summary));
        grid.row(vec![
            format!("  {}", row.path.title()),
            some(&row.recorded, &count),
            some(&row.simulated, &count),
            some(&row.recorded, &span),
            some(&row.simulated, &span),
            ratio(row, quantile),
        ]);
    }
    grid.render()
}

fn ratio(row: &PathRow, quantile: fn(&Summary) -> f64) -> String {
    row.ratio(quantile).map_or_else(String::new, |ratio| format!("{ratio:.2}"))
}

fn rates(report: &FitReport) -> String {
    let mut grid = Grid::new(vec![
        Column::left("Rates and shares"),
        Column::right("log"),
        Column::right("run"),
        Column::right("ratio"),
    ]);
    for row in &report.rates {
        let ratio = match row.simulated {
            Some(simulated) if row.recorded > 0.0 => format!("{:.2}", simulated / row.recorded),
            _ => String::new(),
        };
        grid.row(vec![
            format!("  {}", row.title),
            significant(row.recorded),
            row.simulated.map_or_else(String::new, significant),
            ratio,
        ]);
    }
    grid.render()
}

fn left_out(report: &FitReport) -> String {
    let mut text = String::new();
    for skipped in &report.skipped {
        let line = format!(
            "{}: {}, first at line {}",
            grouped(skipped.count as f64),
            skipped.what(),
            skipped.line
        );
        text.push_str(&wrapped(&line, 2, 4));
    }
    if report.counts.losses > 0 {
        let line = format!(
            "events were lost at {} places: nothing is measured across them",
            report.counts.losses
        );
        text.push_str(&wrapped(&line, 2, 4));
    }
    if text.is_empty() { text } else { format!("Left out\n{text}") }
}
