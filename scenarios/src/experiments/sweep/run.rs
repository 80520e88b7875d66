//! Running the points of a sweep.

use xxhash_rust::xxh3::xxh3_128;

use super::definition::Sweep;
use super::point::Point;
use super::results::{PointResult, SweepResult};
use crate::run::error::RunnerError;
use crate::run::runner::{Batch, Part, Progress, RunOptions, run_batch};
use crate::run::summary;
use crate::scenario::canonical;

/// Runs all points of a sweep, or what is not yet done of them. The runs of all points share the
/// threads.
///
/// # Errors
/// As [`run_comparison`](crate::run::runner::run_comparison).
pub fn run_sweep(
    sweep: &Sweep,
    options: &RunOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<SweepResult, RunnerError> {
    let parts: Vec<Part<'_>> = sweep.points.iter().map(part).collect();
    let seeds = sweep.points.iter().map(|point| point.scenario.seed);
    let named = parts.iter().zip(seeds).map(|(part, seed)| format!("{} {seed}", part.setup));
    let batch = Batch {
        content: hash(named),
        seed: sweep.points.first().map_or(0, |point| point.scenario.seed),
        keep_latency: false,
        parts,
    };
    let comparisons = run_batch(&batch, options, progress)?;
    let points: Vec<PointResult> = sweep
        .points
        .iter()
        .zip(comparisons)
        .map(|(point, comparison)| PointResult {
            number: point.number,
            label: point.label.clone(),
            values: point.values.clone(),
            changes: point.changes.clone(),
            comparison,
        })
        .collect();
    let named = |point: &PointResult| {
        format!("{} {}", point.comparison.scenario_hash, point.comparison.seed)
    };
    Ok(SweepResult {
        sweep: sweep.name.clone(),
        title: sweep.title.clone(),
        version: crate::version::VERSION.into(),
        hash: hash(points.iter().map(named)),
        digest: summary::digest_of(points.iter().map(|point| point.comparison.digest)),
        axes: sweep.axes.clone(),
        points,
        metrics: sweep.metrics.clone(),
        laws: sweep.laws,
    })
}

fn part(point: &Point) -> Part<'_> {
    Part {
        scenario: &point.scenario,
        setup: canonical::setup_hash(&point.scenario),
        point: Some(point.number),
        label: Some(format!("point {} ({})", point.number, point.label)),
    }
}

/// The hash of some lines.
fn hash(lines: impl Iterator<Item = String>) -> String {
    let text: String = lines.map(|line| line + "\n").collect();
    format!("{:032x}", xxh3_128(text.as_bytes()))
}
