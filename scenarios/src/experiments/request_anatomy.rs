//! Single requests of a scenario in detail: each policy is run twice, once to find the requests of
//! interest and once to see what these did when.

use models::config::Policy;
use models::machine::{Prefix, Watch};
use models::trace::anatomy::Pick;
use models::trace::digest::DigestValue;
use models::trace::requests::{RequestSeen, Requests};
use sim_core::SimDuration;

use super::first_replication::FirstReplication;
use crate::run::error::RunnerError;
use crate::run::runner::Progress;
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
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<RequestReport, RequestAnatomyError> {
    let runs = FirstReplication::new(scenario, progress);
    let results = runs.each_policy(|prefix, policy| shown(&runs, picks, prefix, policy))?;
    let (policies, mut tasks): (Vec<PolicyRequests>, Vec<_>) = results.into_iter().unzip();
    if policies.iter().all(|policy| policy.picked.is_empty()) {
        let (scenario, duration) = (scenario.name.clone(), scenario.duration);
        return Err(RequestAnatomyError::NoRequest { scenario, duration });
    }
    Ok(RequestReport {
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
    picks: &[Pick],
    prefix: &Prefix,
    policy: &Policy,
) -> Result<(PolicyRequests, Vec<String>), RunnerError> {
    let no_list = || runs.internal(policy, "no list of requests");
    let mut first = runs.run(prefix, policy, Watch::Requests(Vec::new()))?;
    let Requests { all, .. } = first.requests.take().ok_or_else(no_list)?;
    let picked: Vec<(Pick, RequestSeen)> =
        picks.iter().filter_map(|&pick| Some((pick, all.pick(pick)?))).collect();
    let keys = picked.iter().map(|(_, request)| request.key).collect();
    let second = runs.again(prefix, policy, &first, Watch::Requests(keys))?;
    let Requests { watched, .. } = second.requests.ok_or_else(no_list)?;
    let shown = |(pick, request): (Pick, RequestSeen)| {
        let seen = watched.iter().find(|seen| seen.key == request.key).cloned();
        let request = seen.ok_or_else(|| runs.internal(policy, "a request was not found again"))?;
        Ok(PickedRequest { pick, rank: all.rank(pick), exact: all.every == 1, request })
    };
    let requests = PolicyRequests {
        policy: policy.name.to_string(),
        digest: first.digest,
        requests: all.count,
        picked: picked.into_iter().map(shown).collect::<Result<_, RunnerError>>()?,
    };
    Ok((requests, runs.task_names(&first)))
}
