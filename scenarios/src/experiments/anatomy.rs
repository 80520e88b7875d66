//! Single faults of a scenario in detail: each policy is run twice, once to find the faults of
//! interest and once to keep the records around them.

use std::sync::atomic::{AtomicU32, Ordering};

use models::machine::{self, Prefix, RunOutput, RunSettings, Watch};
use models::trace::anatomy::{Anatomy, FaultSeen, Pick, anatomy};
use models::trace::digest::DigestValue;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use sim_core::SimDuration;

use crate::run::error::RunnerError;
use crate::run::plan::replication_seed;
use crate::run::runner::Progress;
use crate::run::stored::task_names;
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
    let total = u32::try_from(scenario.policies.len() * 2).unwrap_or(u32::MAX);
    let work = Work {
        scenario,
        picks,
        seed: replication_seed(scenario.seed, 0),
        settings: RunSettings {
            warmup: scenario.warmup,
            duration: scenario.duration,
            ..RunSettings::default()
        },
        progress,
        done: AtomicU32::new(0),
        total,
    };
    progress(Progress::Begin { total, resumed: 0 });
    let prefix = machine::prefill(&scenario.machine, work.seed, &work.settings)
        .map_err(|source| work.failed("prefill", source))?;
    let policies = 0..scenario.policies.len();
    let policies: Vec<usize> = policies.collect();
    let results: Vec<_> = policies.par_iter().map(|&policy| work.policy(&prefix, policy)).collect();
    let mut report = work.empty();
    for result in results {
        let (policy, tasks) = result?;
        report.tasks = tasks;
        report.policies.push(policy);
    }
    if report.policies.iter().all(|policy| policy.picked.is_empty()) {
        let names: Vec<_> = report.policies.iter().map(|p| format!("`{}`", p.policy)).collect();
        return Err(AnatomyError::NoFault {
            scenario: report.scenario,
            duration: report.duration,
            policies: names.join(", "),
        });
    }
    Ok(report)
}

struct Work<'a> {
    scenario: &'a Scenario,
    picks: &'a [Pick],
    seed: u64,
    settings: RunSettings,
    progress: &'a (dyn Fn(Progress) + Sync),
    done: AtomicU32,
    total: u32,
}

impl Work<'_> {
    fn failed(&self, policy: &str, source: machine::RunError) -> RunnerError {
        RunnerError::Run { policy: policy.into(), replication: 0, seed: self.seed, source }
    }

    fn empty(&self) -> AnatomyReport {
        let scenario = self.scenario;
        AnatomyReport {
            scenario: scenario.name.clone(),
            title: scenario.title.clone(),
            version: crate::version::VERSION.into(),
            scenario_hash: scenario.hash(),
            seed: scenario.seed,
            duration: scenario.duration,
            vcpus: scenario.machine.guest.vcpus,
            tasks: Vec::new(),
            policies: Vec::new(),
        }
    }

    /// One policy, and the names of all tasks.
    fn policy(
        &self,
        prefix: &Prefix,
        policy: usize,
    ) -> Result<(PolicyAnatomy, Vec<String>), RunnerError> {
        let first = self.run(prefix, policy, Watch::Faults)?;
        let name = self.scenario.policies[policy].name.to_string();
        let internal = |what| self.failed(&name, machine::RunError::Internal(what));
        let faults = first.faults.as_ref().ok_or_else(|| internal("no list of faults"))?;
        let picked: Vec<(Pick, FaultSeen)> = self
            .picks
            .iter()
            .filter_map(|&pick| faults.pick(pick).map(|fault| (pick, fault)))
            .collect();
        let spans = picked.iter().map(|(_, fault)| fault.span()).collect();
        let second = self.run(prefix, policy, Watch::Excerpts(spans))?;
        if second.digest != first.digest {
            return Err(internal("the same run gave other records"));
        }
        let excerpts = second.excerpts.unwrap_or_default();
        let vcpus = self.scenario.machine.guest.vcpus;
        let shown = picked.iter().zip(&excerpts).map(|(&(pick, fault), records)| PickedFault {
            pick,
            rank: faults.rank(pick),
            exact: faults.every == 1,
            anatomy: anatomy(vcpus, &fault, records),
        });
        let policy = PolicyAnatomy {
            digest: first.digest,
            faults: faults.count,
            picked: shown.collect(),
            policy: name,
        };
        let roles = first.metrics.per_task.iter().map(|task| task.role);
        Ok((policy, task_names(roles, &self.scenario.machine.workload.tasks)))
    }

    fn run(&self, prefix: &Prefix, policy: usize, watch: Watch) -> Result<RunOutput, RunnerError> {
        let policy = &self.scenario.policies[policy];
        let settings = RunSettings { watch, ..self.settings.clone() };
        let output = machine::run(prefix, policy, &settings)
            .map_err(|source| self.failed(&policy.name, source))?;
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        (self.progress)(Progress::Finished {
            number: done - 1,
            policy: policy.name.to_string(),
            replication: 0,
            done,
            total: self.total,
        });
        Ok(output)
    }
}
