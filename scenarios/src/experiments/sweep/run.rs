//! Running the points of a sweep.

use xxhash_rust::xxh3::xxh3_128;

use super::definition::Sweep;
use super::point::Point;
use super::results::{PointResult, SweepResult};
use crate::run::error::RunnerError;
use crate::run::results::Comparison;
use crate::run::runner::{Batch, Claim, Part, Progress, RunOptions, run_batch};
use crate::run::summary;
use crate::scenario::canonical;
use crate::scenario::kept::KeptScenario;

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
    Ok(result(sweep, run_batch(&batch(sweep), options, progress)?))
}

impl Sweep {
    /// Of its results, for folders in which they are written.
    pub fn claim(&self) -> Claim {
        Claim::of_batch(&batch(self))
    }
}

/// The points as what is run together.
pub(super) fn batch(sweep: &Sweep) -> Batch<'_> {
    let parts: Vec<Part<'_>> = sweep.points.iter().map(part).collect();
    let seeds = sweep.points.iter().map(|point| point.scenario.seed);
    let named = parts.iter().zip(seeds).map(|(part, seed)| format!("{} {seed}", part.setup));
    Batch {
        content: hash(named),
        seed: sweep.points.first().map_or(0, |point| point.scenario.seed),
        keep_latency: false,
        parts,
    }
}

/// The result of a sweep with these comparisons, one a point.
pub(super) fn result(sweep: &Sweep, comparisons: Vec<Comparison>) -> SweepResult {
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
    let scenarios = points.iter().map(|point| &point.comparison);
    let hash = hash_of(scenarios.map(|it| (it.scenario_hash.as_str(), it.seed)));
    let first = &sweep.points[0].scenario;
    SweepResult {
        sweep: sweep.name.clone(),
        title: sweep.title.clone(),
        version: crate::version::VERSION.into(),
        hash,
        digest: summary::digest_of(points.iter().map(|point| point.comparison.digest)),
        axes: sweep.axes.clone(),
        points,
        // The text was read once.
        scenario: first.kept().unwrap_or_else(|_| KeptScenario::plain(first.text.clone())),
        metrics: sweep.metrics.clone(),
        laws: sweep.laws,
    }
}

/// The hash of a sweep, over the hashes and seeds of its scenarios.
pub(super) fn hash_of<'a>(scenarios: impl Iterator<Item = (&'a str, u64)>) -> String {
    hash(scenarios.map(|(hash, seed)| format!("{hash} {seed}")))
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
