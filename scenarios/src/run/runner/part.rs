//! One scenario of a batch: its plan, what its runs are stored as, and what it leaves when one
//! breaks an invariant.

use std::path::Path;

use models::machine::RunSettings;
use sim_core::Histogram;

use super::batch::Part;
use super::options::RunOptions;
use crate::run::error::RunnerError;
use crate::run::plan::{Plan, Run};
use crate::run::replay::{REPLAY_FORMAT, ReplayFile};
use crate::run::results::{Comparison, FindingVerdict};
use crate::run::shard::Shard;
use crate::run::stored::{RunKey, StoredRun};
use crate::run::summary;
use crate::scenario::canonical;

/// One scenario and what its runs need.
pub(super) struct PartWork<'a> {
    pub(super) part: &'a Part<'a>,
    pub(super) plan: Plan,
    pub(super) settings: RunSettings,
    /// Whether what the first replication did over time is kept. It is followed in any case.
    pub(super) keep_series: bool,
    pub(super) policy_hashes: Vec<String>,
    /// Number of its first run in the batch.
    first: u32,
    /// Of each replication, whether it belongs to the shard.
    mine: Vec<bool>,
}

impl<'a> PartWork<'a> {
    /// `first` is the number of its first run in the batch, `before` how many replications there are
    /// before its own.
    pub(super) fn new(
        part: &'a Part<'a>,
        options: &RunOptions,
        first: u32,
        before: usize,
        shard: Shard,
    ) -> Self {
        let scenario = part.scenario;
        let plan = Plan::new(scenario);
        let places = before..before + plan.replications().len();
        Self {
            part,
            mine: places.map(|place| shard.has(place)).collect(),
            plan,
            settings: RunSettings {
                queue: options.queue,
                skip: options.skip,
                warmup: scenario.warmup,
                duration: scenario.duration,
                stop: options.stop.clone(),
                ..RunSettings::default()
            },
            // For files; with many scenarios nobody looks at each.
            keep_series: options.out.is_some() && part.setup.is_empty(),
            policy_hashes: scenario.policies.iter().map(canonical::policy_hash).collect(),
            first,
        }
    }

    /// Whether a run belongs to the shard.
    pub(super) fn is_mine(&self, run: &Run) -> bool {
        self.mine.get(run.replication as usize).is_some_and(|mine| *mine)
    }

    /// What a run is stored as. One of other rules under the same name is another run.
    pub(super) fn key(&self, run: Run) -> RunKey {
        RunKey {
            setup: self.part.setup.clone(),
            point: self.part.point,
            policy: self.part.scenario.policies[run.policy].name.clone(),
            policy_hash: self.policy_hashes[run.policy].clone(),
            replication: run.replication,
            seed: run.seed,
        }
    }

    pub(super) fn number(&self, run: Run) -> u32 {
        self.first + run.number
    }

    pub(super) fn summary(
        &self,
        results: Vec<Option<StoredRun>>,
        keep_latency: bool,
    ) -> Comparison {
        let policies = self.part.scenario.policies.len();
        let mut rows = vec![Vec::new(); policies];
        for (number, run) in results.into_iter().enumerate() {
            let Some(run) = run else { unreachable!("run {number} has neither result nor error") };
            rows[number % policies].push(run);
        }
        let mut comparison = summary::comparison(self.part.scenario, &rows);
        if !keep_latency {
            for policy in &mut comparison.policies {
                policy.latency = Histogram::new();
                policy.request_latency.clear();
            }
        }
        comparison
    }

    /// Leaves a replay file beside the stored runs when the run broke an invariant.
    pub(super) fn write_replay(
        &self,
        dir: &Path,
        options: &RunOptions,
        run: Run,
        stored: &StoredRun,
    ) -> Result<(), RunnerError> {
        let mut findings = stored.findings.iter();
        let violation = findings.find(|finding| finding.verdict == FindingVerdict::Violation);
        let Some(violation) = violation else { return Ok(()) };
        let scenario = self.part.scenario;
        // The text was read once.
        let text = scenario.text_for_anywhere().unwrap_or_else(|_| scenario.text.clone());
        let replay = ReplayFile {
            format: REPLAY_FORMAT,
            version: crate::version::VERSION.into(),
            build: crate::version::BUILD.into(),
            scenario_hash: scenario.hash(),
            scenario: text.as_ref().into(),
            setup_hash: canonical::setup_hash(scenario),
            scenario_seed: scenario.seed,
            point: stored.point,
            policy: stored.policy.clone(),
            policy_hash: stored.policy_hash.clone(),
            replication: run.replication,
            seed: run.seed,
            queue: options.queue.name().into(),
            skip: options.skip,
            violation: violation.clone(),
        };
        let path = dir.join(replay.file_name(&self.part.setup));
        match ReplayFile::load(&path) {
            Ok(there) if there == replay => Ok(()),
            _ => replay.write(&path),
        }
    }
}
