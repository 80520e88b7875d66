//! Running experiments: all setups of all of them as one batch.

use std::collections::BTreeMap;

use super::definition::{Experiment, Measured};
use super::results::{ExperimentResult, RowResult};
use crate::run::error::RunnerError;
use crate::run::results::{Comparison, FindingVerdict};
use crate::run::runner::{Batch, Part, Progress, RunOptions, run_batch};
use crate::scenario::canonical;

/// Runs experiments and holds them against what was published.
///
/// # Errors
/// When a run fails, or when threads cannot be started.
pub fn run_experiments(
    experiments: Vec<Experiment>,
    options: &RunOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Vec<ExperimentResult>, RunnerError> {
    let options = RunOptions { out: None, trace: None, ..options.clone() };
    let comparisons = {
        let mut parts = Vec::new();
        for experiment in &experiments {
            parts.extend(experiment.setups.iter().map(|setup| Part {
                scenario: &setup.scenario,
                setup: canonical::setup_hash(&setup.scenario),
                point: None,
                label: Some(format!("{}, setup {}", experiment.name, setup.name)),
            }));
        }
        let keep_latency = experiments.iter().any(wants_latency);
        let batch = Batch { parts, content: String::new(), seed: 0, keep_latency };
        run_batch(&batch, &options, progress)?
    };
    let mut comparisons = comparisons.into_iter();
    let result = |experiment: Experiment| {
        let own: Vec<Comparison> = comparisons.by_ref().take(experiment.setups.len()).collect();
        held_against(experiment, &own)
    };
    Ok(experiments.into_iter().map(result).collect())
}

fn wants_latency(experiment: &Experiment) -> bool {
    experiment
        .rows
        .iter()
        .any(|row| matches!(&row.measured, Measured::By(formula) if formula.wants_latency()))
}

/// The result of an experiment whose setups gave these comparisons, in order.
fn held_against(experiment: Experiment, comparisons: &[Comparison]) -> ExperimentResult {
    let setups = experiment.setups.iter().map(|setup| setup.name.as_str());
    let results: BTreeMap<&str, &Comparison> = setups.zip(comparisons).collect();
    let simulated: Vec<Option<f64>> = experiment
        .rows
        .iter()
        .map(|row| match &row.measured {
            Measured::By(formula) => formula.value(&results),
            Measured::NotModelled(_) => None,
        })
        .collect();
    let violations = results.iter().flat_map(|(setup, comparison)| {
        comparison.policies.iter().flat_map(move |policy| {
            let broken = policy.findings.iter();
            broken.filter(|finding| finding.verdict == FindingVerdict::Violation).map(
                move |finding| {
                    format!("{} by {} in setup {setup}", finding.invariant, policy.policy)
                },
            )
        })
    });
    let violations = violations.collect();
    let rows = experiment.rows.iter().cloned().zip(simulated);
    let rows = rows.map(|(row, simulated)| RowResult { row, simulated }).collect();
    ExperimentResult { experiment, rows, violations }
}
