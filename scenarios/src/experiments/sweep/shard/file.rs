//! `shard.json`: which part of which sweep a folder has.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::ShardError;
use crate::experiments::sweep::run::hash_of;
use crate::experiments::sweep::{Sweep, SweepOverrides};
use crate::run::checksum;
use crate::run::error::RunnerError;
use crate::run::files;
use crate::run::runner::RunOptions;
use crate::run::shard::Shard;
use crate::scenario::resolve::ScenarioOverrides;
use crate::syntax::error::ScenarioError;

/// Name of the file.
pub const SHARD_FILE: &str = "shard.json";
/// Version of its form.
const FORMAT: u32 = 1;

/// What a command line names: a sweep, or a scenario with axes, and changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepCommand {
    /// Path or name of the sweep.
    pub scenario: String,
    /// What is said beside it.
    pub overrides: SweepOverrides,
}

impl SweepCommand {
    /// The sweep.
    ///
    /// # Errors
    /// As [`Sweep::load`].
    pub fn load(&self) -> Result<Sweep, ScenarioError> {
        Sweep::load(&self.scenario, &self.overrides)
    }
}

/// What the file says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShardFile {
    format: u32,
    pub(super) version: String,
    pub(super) build: String,
    /// From 1.
    shard: u32,
    shards: u32,
    /// Hash of the sweep: [`hash`].
    pub(super) hash: String,
    pub(super) scenario: String,
    axes: Vec<String>,
    set: Vec<String>,
    metrics: Vec<String>,
    policies: Vec<String>,
    seed: Option<u64>,
    replications: Option<u32>,
    /// Event queue and skipping change no result; but replay files name them.
    queue: String,
    pub(super) skip: bool,
}

/// The hash of a sweep: over the hashes and seeds of its scenarios, as in its results.
pub(super) fn hash(sweep: &Sweep) -> String {
    let hashes: Vec<(String, u64)> =
        sweep.points.iter().map(|point| (point.scenario.hash(), point.scenario.seed)).collect();
    hash_of(hashes.iter().map(|(hash, seed)| (hash.as_str(), *seed)))
}

impl ShardFile {
    pub(super) fn new(
        command: &SweepCommand,
        sweep: &Sweep,
        shard: Shard,
        options: &RunOptions,
    ) -> Self {
        let SweepOverrides { axes, set, metrics, scenario } = command.overrides.clone();
        let ScenarioOverrides { policies, seed, replications } = scenario;
        Self {
            format: FORMAT,
            version: crate::version::VERSION.into(),
            build: crate::version::BUILD.into(),
            shard: shard.number(),
            shards: shard.count(),
            hash: hash(sweep),
            scenario: command.scenario.clone(),
            axes,
            set,
            metrics,
            policies,
            seed,
            replications,
            queue: options.queue.name().into(),
            skip: options.skip,
        }
    }

    /// Reads the file of a folder.
    pub(super) fn load(folder: &Path) -> Result<Self, ShardError> {
        let path = folder.join(SHARD_FILE);
        let text = files::read_text(&path)
            .map_err(|source| ShardError::Read { path: path.clone(), source })?;
        let broken = |message: String| ShardError::Broken { path: path.clone(), message };
        let mut value: Value =
            serde_json::from_str(&text).map_err(|error| broken(error.to_string()))?;
        // The format decides how the rest is read.
        if value["format"] != FORMAT {
            return Err(broken(format!("it has format {}, not {FORMAT}", value["format"])));
        }
        checksum::unseal(&mut value)
            .map_err(|source| ShardError::Changed { path: path.clone(), source })?;
        let file: Self =
            serde_json::from_value(value).map_err(|error| broken(error.to_string()))?;
        match Shard::new(file.shard, file.shards) {
            Some(_) => Ok(file),
            None => Err(broken(format!("there is no shard {}/{}", file.shard, file.shards))),
        }
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), RunnerError> {
        let path = folder.join(SHARD_FILE);
        let fail = |source| RunnerError::write(&path, source);
        let mut value = serde_json::to_value(self).map_err(|error| fail(error.into()))?;
        checksum::seal(&mut value);
        files::write_file(&path, format!("{value:#}\n").as_bytes()).map_err(fail)
    }

    /// Which part it is; of what was loaded there is one.
    pub(super) fn shard(&self) -> Shard {
        Shard::new(self.shard, self.shards).unwrap_or(Shard::WHOLE)
    }

    pub(super) fn command(&self) -> SweepCommand {
        let (axes, set, metrics) = (self.axes.clone(), self.set.clone(), self.metrics.clone());
        let (seed, replications) = (self.seed, self.replications);
        let scenario = ScenarioOverrides { policies: self.policies.clone(), seed, replications };
        let overrides = SweepOverrides { axes, set, metrics, scenario };
        SweepCommand { scenario: self.scenario.clone(), overrides }
    }

    /// How to run: the event queue and `skip` of the shard.
    pub(super) fn options(&self, folder: &Path) -> Result<RunOptions, ShardError> {
        let message = format!("there is no event queue `{}`", self.queue);
        let broken = |_| ShardError::Broken { path: folder.join(SHARD_FILE), message };
        let queue = self.queue.parse().map_err(broken)?;
        Ok(RunOptions { queue, skip: self.skip, ..RunOptions::default() })
    }

    /// How it differs from another shard of what should be the same sweep.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        let told = |what: &str, words: fn(&Self) -> String| {
            let (here, there) = (words(self), words(other));
            (here != there).then(|| format!("{what} {here} instead of {there}"))
        };
        told("sweep", |it| format!("`{}`", it.scenario))
            .or_else(|| told("axes", |it| listed(&it.axes, "none")))
            .or_else(|| told("settings", |it| listed(&it.set, "none")))
            .or_else(|| told("policies", |it| listed(&it.policies, "as the file has them")))
            .or_else(|| told("seed", |it| number(it.seed.as_ref())))
            .or_else(|| told("replications", |it| number(it.replications.as_ref())))
            .or_else(|| told("metrics", |it| listed(&it.metrics, "the usual ones")))
            .or_else(|| told("event queue", |it| it.queue.clone()))
            .or_else(|| told("runs ahead:", |it| if it.skip { "yes" } else { "no" }.into()))
            .or_else(|| told("hash", |it| it.hash.clone()))
            .or_else(|| told("number of shards", |it| it.shards.to_string()))
    }
}

/// What was said of something on the command line, or what it is when nothing was.
fn listed(words: &[String], none: &str) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    if quoted.is_empty() { none.into() } else { quoted.join(", ") }
}

fn number(said: Option<&impl ToString>) -> String {
    said.map_or_else(|| "as the file has it".into(), ToString::to_string)
}
