//! Paths of a host, recorded and simulated.

use scenarios::FitReport;
use scenarios::logs::fit::PathRow;

use super::latency::{self, Curve, Words};
use super::multiples::{self, Multiple, Quantile};
use super::page::{self, elide};
use super::scene::Scene;
use super::style::{LABEL_SIZE, MARGIN, PAGE_WIDTH};
use crate::format::grouped;

/// Paths that are drawn: those of which the log has the most spans.
const MAX_PATHS: usize = 3;

/// The distributions of some paths, of the log and of the run.
pub(super) fn scene(report: &FitReport) -> Scene {
    let about = format!("{}; {}", report.log, report.mode.text());
    let about = elide(&about, LABEL_SIZE, PAGE_WIDTH - 3.0 * MARGIN);
    let (mut scene, y) = page::begin_about("Recorded and simulated", &about);
    let count = |row: &&PathRow| row.recorded.map_or(0, |summary| summary.count);
    let mut shown: Vec<&PathRow> =
        report.paths.iter().filter(|row| row.path.is_whole() && row.recorded.is_some()).collect();
    shown.sort_by_key(|row| (std::cmp::Reverse(count(row)), row.path));
    shown.truncate(MAX_PATHS);
    let curves: Vec<Curve<'_>> = shown
        .iter()
        .flat_map(|row| ["log", "run"].into_iter().zip(&row.times).map(|pair| (row.path, pair)))
        .filter(|(_, (_, times))| !times.is_empty())
        .map(|(path, (side, times))| {
            let name = format!("{side}: {}", path.title());
            Curve { legend: latency::legend(&name, times, "span"), times }
        })
        .collect();
    let words = Words {
        along: "time (log scale)",
        upwards: "fraction of spans not longer",
        empty: "The log has none of these paths.",
    };
    let y = latency::draw(&mut scene, y, &curves, &words);
    let markers = latency::markers("spans");
    let note = format!("The paths of which the log has the most spans. {markers}");
    let origin = format!("apfsim {} fit-scenario, {}.", env!("CARGO_PKG_VERSION"), report.name);
    page::finish_with(scene, y + 4.0, &[note, origin])
}

/// Percentiles that a panel shows.
const QUANTILES: [f64; 7] = [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99];
/// Spans of the log below which a path has no panel: its percentiles would be single spans.
const FEW: u64 = 20;

/// Percentiles of each path, of the log and of the run, a panel a path; none where none has enough spans.
pub(super) fn quantiles(report: &FitReport) -> Option<Scene> {
    let enough = |row: &&PathRow| row.path.is_whole() && row.times[0].count() >= FEW;
    let multiples: Vec<Multiple> = report.paths.iter().filter(enough).map(multiple).collect();
    let about = format!("{}; {}", report.log, report.mode.text());
    let origin = format!("apfsim {} fit-scenario, {}.", env!("CARGO_PKG_VERSION"), report.name);
    let words = multiples::Words {
        title: "Recorded and simulated, by percentile",
        about: &about,
        sides: ["log", "run"],
        upwards: "time (log)",
        notes: vec![
            format!(
                "Paths with {FEW} spans or more in the log. Each panel has a scale of its own."
            ),
            origin,
        ],
    };
    multiples::scene(&multiples, &words)
}

fn multiple(row: &PathRow) -> Multiple {
    let value = |side: usize, fraction| {
        let times = &row.times[side];
        (!times.is_empty()).then(|| times.value_at_quantile(fraction) as f64)
    };
    let quantile = |fraction: &f64| Quantile {
        name: format!("p{:.0}", fraction * 100.0),
        values: [value(0, *fraction), value(1, *fraction)],
    };
    Multiple {
        title: format!("{}, {} spans", row.path.title(), grouped(row.times[0].count() as f64)),
        quantiles: QUANTILES.iter().map(quantile).collect(),
    }
}

#[cfg(test)]
mod tests {
    use scenarios::FitOptions;
    use scenarios::logs::fit::fit;

    use super::super::tests::check_texts;
    use super::*;

    /// A log of so many synchronous faults.
    fn log(faults: u64) -> String {
        (0..faults)
            .map(|fault| {
                let line = |us: u64, event: &str| {
                    format!(" vcpu0-9 [000] ..... 1.{:06}: {event}\n", 600 * fault + us)
                };
                [
                    line(1, "kvm_exit: reason EPT_VIOLATION rip 0x1 info 0 0"),
                    line(9, "block_rq_issue: 8,0 R 4096 () 8 + 8 [vcpu0]"),
                    line(509, "block_rq_complete: 8,0 R () 8 + 8 [0]"),
                    line(520, "kvm_entry: vcpu 0"),
                ]
                .concat()
            })
            .collect()
    }

    #[test]
    fn texts_stay_on_the_page_and_apart() {
        for run in [false, true] {
            let options = FitOptions { run, workers: Some(1), ..FitOptions::default() };
            let name = format!("/a/{}/log", "long/".repeat(40));
            let report = fit(log(30).as_bytes(), &name, &options).unwrap();
            check_texts("a fit", &scene(&report));
            let panels = quantiles(&report).expect("the log has enough spans");
            check_texts("a fit by percentile", &panels);
        }
    }
}
