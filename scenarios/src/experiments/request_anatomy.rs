//! Single requests of a scenario in detail: each policy is run twice, once to find the requests of
//! interest and once to see what these did when.

use models::machine::{self, Prefix, RunSettings, Watch};
use models::trace::anatomy::Pick;
use models::trace::digest::DigestValue;
use models::trace::requests::{RequestSeen, Requests};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use sim_core::SimDuration;

use crate::run::error::RunnerError;
use crate::run::plan::replication_seed;
use crate::run::stored::task_names;
use crate::scenario::resolve::Scenario;

/// Requests of a scenario in detail.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestReport {
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
    pub policies: Vec<PolicyRequests>,
}

/// Requests under one policy.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyRequests {
    /// Name of the policy.
    pub policy: String,
    /// Digest of the run.
    pub digest: DigestValue,
    /// Requests that ended in the measured time.
    pub requests: u64,
    /// The picked requests; none when there was no request.
    pub picked: Vec<PickedRequest>,
}

/// A request that was picked.
#[derive(Clone, Debug, PartialEq)]
pub struct PickedRequest {
    /// What it was picked as.
    pub pick: Pick,
    /// How many requests of the run are not slower.
    pub rank: u64,
    /// Whether `rank` and the pick are exact: not where the list of requests was thinned out.
    pub exact: bool,
    /// The request, with what it did when.
    pub request: RequestSeen,
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum RequestAnatomyError {
    /// A run failed.
    #[error(transparent)]
    Runner(#[from] RunnerError),
    /// No request ended.
    #[error(
        "no request ended in {duration} of `{scenario}`\n  help: mark requests with the operation \
         `request`, or say `\"requests\": \"passes\"` of a group of tasks, or choose a longer --duration"
    )]
    NoRequest {
        /// The scenario.
        scenario: String,
        /// Its measured time.
        duration: SimDuration,
    },
}

/// Runs the first replication of a scenario under each of its policies and shows the picked requests.
///
/// # Errors
/// When a run fails, and when no policy has a request.
pub fn run_request_anatomy(
    scenario: &Scenario,
    picks: &[Pick],
) -> Result<RequestReport, RequestAnatomyError> {
    let settings = RunSettings {
        warmup: scenario.warmup,
        duration: scenario.duration,
        ..RunSettings::default()
    };
    let work = Work { scenario, picks, seed: replication_seed(scenario.seed, 0), settings };
    let prefix = machine::prefill(&scenario.machine, work.seed, &work.settings)
        .map_err(|source| work.failed("prefill", source))?;
    let policies: Vec<usize> = (0..scenario.policies.len()).collect();
    let results: Vec<_> = policies.par_iter().map(|&policy| work.policy(&prefix, policy)).collect();
    let mut report = work.empty();
    for result in results {
        let (policy, tasks) = result?;
        report.tasks = tasks;
        report.policies.push(policy);
    }
    if report.policies.iter().all(|policy| policy.picked.is_empty()) {
        let RequestReport { scenario, duration, .. } = report;
        return Err(RequestAnatomyError::NoRequest { scenario, duration });
    }
    Ok(report)
}

struct Work<'a> {
    scenario: &'a Scenario,
    picks: &'a [Pick],
    seed: u64,
    settings: RunSettings,
}

impl Work<'_> {
    fn failed(&self, policy: &str, source: machine::RunError) -> RunnerError {
        RunnerError::Run { policy: policy.into(), replication: 0, seed: self.seed, source }
    }

    fn empty(&self) -> RequestReport {
        let scenario = self.scenario;
        RequestReport {
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
    ) -> Result<(PolicyRequests, Vec<String>), RunnerError> {
        let policy = &self.scenario.policies[policy];
        let internal = |what| self.failed(&policy.name, machine::RunError::Internal(what));
        let run = |watched| {
            let settings = RunSettings { watch: Watch::Requests(watched), ..self.settings.clone() };
            let output = machine::run(prefix, policy, &settings)
                .map_err(|source| self.failed(&policy.name, source))?;
            let requests =
                output.requests.clone().ok_or_else(|| internal("no list of requests"))?;
            Ok((output, requests))
        };
        let (first, Requests { all, .. }) = run(Vec::new())?;
        let picked = self.picks.iter().filter_map(|&pick| Some((pick, all.pick(pick)?)));
        let picked: Vec<(Pick, RequestSeen)> = picked.collect();
        let (second, Requests { watched, .. }) =
            run(picked.iter().map(|(_, request)| request.key).collect())?;
        if second.digest != first.digest {
            return Err(internal("the same run gave other records"));
        }
        let shown = |(pick, request): (Pick, RequestSeen)| {
            let seen = watched.iter().find(|seen| seen.key == request.key);
            let request = seen.cloned().ok_or_else(|| internal("a request was not found again"))?;
            Ok(PickedRequest { pick, rank: all.rank(pick), exact: all.every == 1, request })
        };
        let requests = PolicyRequests {
            policy: policy.name.to_string(),
            digest: first.digest,
            requests: all.count,
            picked: picked.into_iter().map(shown).collect::<Result<_, RunnerError>>()?,
        };
        let roles = first.metrics.per_task.iter().map(|task| task.role);
        Ok((requests, task_names(roles, &self.scenario.machine.workload.tasks)))
    }
}
