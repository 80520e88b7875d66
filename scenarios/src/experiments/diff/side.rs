//! One of two runs.

use models::config::Policy;
use models::machine::RunError;
use sim_core::QueueKind;

use crate::run::error::RunnerError;
use crate::run::plan::replication_seed;
use crate::scenario::resolve::Scenario;
use crate::scenario::resolved;

/// One of two runs.
#[derive(Clone, Debug)]
pub struct Side {
    /// What is run, under the first of its policies.
    pub scenario: Scenario,
    /// Which replication, from 0.
    pub replication: u32,
    /// The event queue.
    pub queue: QueueKind,
    /// Whether vCPUs run ahead of the event queue.
    pub skip: bool,
}

impl Side {
    pub(super) fn policy(&self) -> &Policy {
        &self.scenario.policies[0]
    }

    pub(super) fn seed(&self) -> u64 {
        replication_seed(self.scenario.seed, self.replication)
    }

    pub(super) fn failed(&self, source: RunError) -> RunnerError {
        let (policy, replication) = (self.policy().name.clone(), self.replication);
        RunnerError::Run { policy, replication, seed: self.seed(), source }
    }

    pub(super) fn panicked(&self, message: String) -> RunnerError {
        let (policy, replication) = (self.policy().name.clone(), self.replication);
        RunnerError::Panic { policy, replication, seed: self.seed(), message }
    }

    /// Everything that may make a difference.
    pub(super) fn settings(&self) -> Vec<(String, String)> {
        // What of these is of other runs than this one makes no difference.
        let others = ["name", "replications", "policies", "baseline", "measure"];
        let mut all = resolved::values(&self.scenario);
        all.retain(|(field, _)| !others.contains(&field.as_str()));
        all.push(("replication".to_owned(), self.replication.to_string()));
        all
    }

    pub(super) fn told(&self) -> SideTold {
        SideTold {
            scenario: self.scenario.name.clone(),
            hash: self.scenario.hash(),
            policy: self.policy().name.clone(),
            seed: self.scenario.seed,
            replication: self.replication,
            queue: self.queue,
            skip: self.skip,
        }
    }
}

/// Names one of two runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SideTold {
    /// Name of the scenario.
    pub scenario: String,
    /// [`Scenario::hash`].
    pub hash: String,
    /// Name of the policy.
    pub policy: String,
    /// Seed of the scenario.
    pub seed: u64,
    /// Which replication, from 0.
    pub replication: u32,
    /// The event queue.
    pub queue: QueueKind,
    /// Whether vCPUs run ahead of the event queue.
    pub skip: bool,
}
