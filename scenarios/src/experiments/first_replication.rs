//! The first replication of a scenario under each of its policies, run twice: once to find what is of
//! interest, and once to look at it. The second run gives the same records.

use std::sync::atomic::{AtomicU32, Ordering};

use models::config::Policy;
use models::machine::{self, Observer, Prefix, RunOutput, RunSettings, Watch};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use crate::run::error::RunnerError;
use crate::run::plan::replication_seed;
use crate::run::runner::Progress;
use crate::run::stored::{main_names, task_names};
use crate::scenario::resolve::Scenario;

/// The runs of a scenario's first replication.
pub(super) struct FirstReplication<'a> {
    scenario: &'a Scenario,
    seed: u64,
    settings: RunSettings,
    progress: &'a (dyn Fn(Progress) + Sync),
    done: AtomicU32,
    total: u32,
}

impl<'a> FirstReplication<'a> {
    /// Nothing has run yet.
    pub(super) fn new(scenario: &'a Scenario, progress: &'a (dyn Fn(Progress) + Sync)) -> Self {
        Self {
            scenario,
            seed: replication_seed(scenario.seed, 0),
            settings: RunSettings {
                warmup: scenario.warmup,
                duration: scenario.duration,
                ..RunSettings::default()
            },
            progress,
            done: AtomicU32::new(0),
            total: u32::try_from(scenario.policies.len() * 2).unwrap_or(u32::MAX),
        }
    }

    /// What is said of each policy, in order.
    pub(super) fn each_policy<T: Send>(
        &self,
        of: impl Fn(&Prefix, &Policy) -> Result<T, RunnerError> + Sync,
    ) -> Result<Vec<T>, RunnerError> {
        (self.progress)(Progress::Begin { total: self.total, resumed: 0 });
        let prefix = machine::prefill(&self.scenario.machine, self.seed, &self.settings)
            .map_err(|source| self.failed("prefill", source))?;
        // The error that is told is that of the first policy that has one.
        let results: Vec<_> =
            self.scenario.policies.par_iter().map(|policy| of(&prefix, policy)).collect();
        results.into_iter().collect()
    }

    /// One run of a policy.
    pub(super) fn run(
        &self,
        prefix: &Prefix,
        policy: &Policy,
        watch: Watch,
    ) -> Result<RunOutput, RunnerError> {
        self.observed(prefix, policy, watch, None)
    }

    fn observed(
        &self,
        prefix: &Prefix,
        policy: &Policy,
        watch: Watch,
        observer: Option<Observer<'_>>,
    ) -> Result<RunOutput, RunnerError> {
        let settings = RunSettings { watch, ..self.settings.clone() };
        let output = machine::run_observed(prefix, policy, &settings, observer)
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

    /// The same run again, to look at what the first one found.
    pub(super) fn again(
        &self,
        prefix: &Prefix,
        policy: &Policy,
        first: &RunOutput,
        watch: Watch,
    ) -> Result<RunOutput, RunnerError> {
        self.again_observed(prefix, policy, first, watch, None)
    }

    /// As [`again`](Self::again), with somebody who watches the records.
    pub(super) fn again_observed(
        &self,
        prefix: &Prefix,
        policy: &Policy,
        first: &RunOutput,
        watch: Watch,
        observer: Option<Observer<'_>>,
    ) -> Result<RunOutput, RunnerError> {
        let second = self.observed(prefix, policy, watch, observer)?;
        match second.digest == first.digest {
            true => Ok(second),
            false => Err(self.internal(policy, "the same run gave other records")),
        }
    }

    /// The names of all tasks, by number.
    pub(super) fn task_names(&self, output: &RunOutput) -> Vec<String> {
        let roles = output.metrics.per_task.iter().map(|task| task.role);
        let machine = &self.scenario.machine;
        task_names(roles, &machine.workload.tasks, main_names(machine))
    }

    /// What is no fault of the scenario's.
    pub(super) fn internal(&self, policy: &Policy, what: &'static str) -> RunnerError {
        self.failed(&policy.name, machine::RunError::Internal(what))
    }

    fn failed(&self, policy: &str, source: machine::RunError) -> RunnerError {
        RunnerError::Run { policy: policy.into(), replication: 0, seed: self.seed, source }
    }
}
