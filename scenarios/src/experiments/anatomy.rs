//! Single faults of a scenario in detail: each policy is run twice, once to find the faults of
//! interest and once to keep the records around them.

use models::config::Policy;
use models::machine::{Prefix, Watch};
use models::trace::anatomy::{Anatomy, FaultSeen, Pick, anatomy};
use models::trace::digest::DigestValue;
use sim_core::SimDuration;

use super::first_replication::FirstReplication;
use crate::run::error::RunnerError;
use crate::run::runner::Progress;
use crate::scenario::resolve::Scenario;

/// Faults of a scenario in detail.
#[derive(Clone, Debug, PartialEq)]
pub struct AnatomyReport {
    /// Name of the scenario.
    pub scenario: String,
    /// One line: which question it answers.
    pub title: String,
    /// Version of the program that ran it.
    pub version: String,
    /// [`Scenario::hash`](crate::scenario::resolve::Scenario::hash).
    pub scenario_hash: String,
    /// Seed of the scenario; the first replication is shown.
    pub seed: u64,
    /// Measured time of the run.
    pub duration: SimDuration,
    /// Virtual processors of the guest.
    pub vcpus: u16,
    /// Names of the guest's tasks, by number.
    pub tasks: Vec<String>,
    /// The policies, in order.
    pub policies: Vec<PolicyAnatomy>,
}

/// Faults under one policy.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyAnatomy {
    /// Name of the policy.
    pub policy: String,
    /// Digest of the run.
    pub digest: DigestValue,
    /// Major faults that began and ended in the measured time.
    pub faults: u64,
    /// The picked faults; none when there was no fault.
    pub picked: Vec<PickedFault>,
}

/// A fault that was picked.
#[derive(Clone, Debug, PartialEq)]
pub struct PickedFault {
    /// What it was picked as.
    pub pick: Pick,
    /// How many faults of the run are not slower.
    pub rank: u64,
    /// Whether `rank` and the pick are exact: not where there were more than a million faults.
    pub exact: bool,
    /// The fault.
    pub anatomy: Anatomy,
}

/// Why there is no anatomy.
#[derive(Debug, thiserror::Error)]
pub enum AnatomyError {
    /// A run failed.
    #[error(transparent)]
    Runner(#[from] RunnerError),
    /// There is nothing to show.
    #[error(
        "no major fault began and ended in {duration} of `{scenario}` under {policies}\n  \
         help: choose a longer --duration, or a scenario whose memory does not fit into \
         host.memory_limit"
    )]
    NoFault {
        /// The scenario.
        scenario: String,
        /// Its measured time.
        duration: SimDuration,
        /// The policies that were tried.
        policies: String,
    },
}

/// Runs the first replication of a scenario under each of its policies and shows the picked faults.
///
/// # Errors
/// When a run fails, and when no policy has a major fault.
pub fn run_anatomy(
    scenario: &Scenario,
    picks: &[Pick],
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<AnatomyReport, AnatomyError> {
    let runs = FirstReplication::new(scenario, progress);
    let results =
        runs.each_policy(|prefix, policy| shown(&runs, scenario, picks, prefix, policy))?;
    let (policies, mut tasks): (Vec<PolicyAnatomy>, Vec<_>) = results.into_iter().unzip();
    if policies.iter().all(|policy| policy.picked.is_empty()) {
        let names: Vec<_> = policies.iter().map(|p| format!("`{}`", p.policy)).collect();
        return Err(AnatomyError::NoFault {
            scenario: scenario.name.clone(),
            duration: scenario.duration,
            policies: names.join(", "),
        });
    }
    Ok(AnatomyReport {
        scenario: scenario.name.clone(),
        title: scenario.title.clone(),
        version: crate::version::VERSION.into(),
        scenario_hash: scenario.hash(),
        seed: scenario.seed,
        duration: scenario.duration,
        vcpus: scenario.machine.vcpus(),
        tasks: tasks.pop().unwrap_or_default(),
        policies,
    })
}

/// One policy, and the names of all tasks.
fn shown(
    runs: &FirstReplication<'_>,
    scenario: &Scenario,
    picks: &[Pick],
    prefix: &Prefix,
    policy: &Policy,
) -> Result<(PolicyAnatomy, Vec<String>), RunnerError> {
    let first = runs.run(prefix, policy, Watch::Faults)?;
    let faults = first.faults.as_ref().ok_or_else(|| runs.internal(policy, "no list of faults"))?;
    let picked: Vec<(Pick, FaultSeen)> =
        picks.iter().filter_map(|&pick| Some((pick, faults.pick(pick)?))).collect();
    let spans = picked.iter().map(|(_, fault)| fault.span()).collect();
    let second = runs.again(prefix, policy, &first, Watch::Excerpts(spans))?;
    let excerpts = second.excerpts.unwrap_or_default();
    let vcpus = scenario.machine.vcpus();
    let shown = picked.iter().zip(&excerpts).map(|(&(pick, fault), records)| PickedFault {
        pick,
        rank: faults.rank(pick),
        exact: faults.every == 1,
        anatomy: anatomy(vcpus, &fault, records),
    });
    let anatomy = PolicyAnatomy {
        policy: policy.name.to_string(),
        digest: first.digest,
        faults: faults.count,
        picked: shown.collect(),
    };
    Ok((anatomy, runs.task_names(&first)))
}
