//! Paths of a host, recorded and simulated.

use scenarios::FitReport;
use scenarios::logs::fit::PathRow;

use super::latency::{self, Curve, Words};
use super::page::{self, elide};
use super::scene::Scene;
use super::style::{LABEL_SIZE, MARGIN, PAGE_WIDTH};

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
    let markers = latency::markers().replace("faults", "spans");
    let note = format!("The paths of which the log has the most spans. {markers}");
    let origin = format!("apfsim {} fit-scenario, {}.", env!("CARGO_PKG_VERSION"), report.name);
    page::finish_with(scene, y + 4.0, &[note, origin])
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
        }
    }
}
