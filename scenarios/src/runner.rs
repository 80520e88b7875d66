//! Runs the plan of a scenario on several threads, with the same results on any number.
//!
//! The prefill of a replication is the same under every policy, so it is simulated once. A
//! replication is a chain: prefill, then its policies as tasks of their own, and the one that
//! finishes last starts the next replication. So both ends of a plan keep all threads busy, and no
//! more prefilled machines exist at a time than there are threads.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use models::machine::{self, Prefix, RunSettings};
use rayon::Scope;
use sim_core::QueueKind;

use crate::canonical;
use crate::error::RunnerError;
use crate::plan::{Plan, Run};
use crate::replay::{REPLAY_FORMAT, ReplayFile};
use crate::resolve::Scenario;
use crate::results::{Comparison, FindingVerdict};
use crate::store::{Header, Store, StoredRuns};
use crate::stored::StoredRun;
use crate::summary;

/// How a plan is run. Nothing here changes a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunOptions {
    /// Threads; 0 for one a processor.
    pub jobs: usize,
    /// Event queue of the machine.
    pub queue: QueueKind,
    /// Whether bursts without interaction are skipped in one event.
    pub skip: bool,
    /// Directory to which finished runs are written, and from which they are taken when they are
    /// there.
    pub out: Option<PathBuf>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self { jobs: 0, queue: QueueKind::default(), skip: true, out: None }
    }
}

/// What a plan is about to do or has done. Calls come from several threads, one at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The plan begins.
    Begin {
        /// Runs of the plan.
        total: u32,
        /// Runs of these that were finished before and are taken over.
        resumed: u32,
    },
    /// A replication begins with its prefill.
    Prefill {
        /// Which, from 0.
        replication: u32,
    },
    /// A run is finished.
    Finished {
        /// Number of the run in the plan.
        number: u32,
        /// Its policy.
        policy: String,
        /// Its replication, from 0.
        replication: u32,
        /// Runs finished so far, those taken over among them.
        done: u32,
        /// Runs of the plan.
        total: u32,
    },
}

/// Runs all policies and replications of a scenario, or what is not yet done of them.
///
/// # Errors
/// When a run fails, or when results cannot be written or read. Runs that are finished stay on
/// disk. Of several failures the one with the lowest run number is reported.
pub fn run_comparison(
    scenario: &Scenario,
    options: &RunOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Comparison, RunnerError> {
    let plan = Plan::new(scenario);
    let (store, stored) = match &options.out {
        Some(dir) => {
            let setup = canonical::setup_hash(scenario);
            let header = Header::new(setup, scenario.seed, options.queue.name(), options.skip);
            let (store, stored) = Store::open(dir, &header)?;
            (Some(store), stored)
        }
        None => (None, StoredRuns::new()),
    };
    let work = Work::new(scenario, options, &plan, progress, store, stored);
    work.report(|done, total| Progress::Begin { total, resumed: done });
    let open: Vec<Vec<Run>> = plan
        .replications()
        .map(|runs| runs.iter().copied().filter(|run| !work.is_done(*run)).collect())
        .filter(|runs: &Vec<Run>| !runs.is_empty())
        .collect();
    if !open.is_empty() {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(options.jobs)
            .thread_name(|number| format!("run-{number}"))
            .build()
            .map_err(|source| RunnerError::Threads { jobs: options.jobs, source })?;
        let next = AtomicUsize::new(0);
        let chains = pool.current_num_threads();
        let (work, open, next) = (&work, &open, &next);
        pool.scope(|scope| {
            for _ in 0..chains {
                scope.spawn(move |scope| work.start_next(scope, open, next));
            }
        });
    }
    let rows = work.finish()?;
    Ok(summary::comparison(scenario, &rows))
}

/// What the threads share.
struct Work<'a> {
    scenario: &'a Scenario,
    options: &'a RunOptions,
    settings: RunSettings,
    policy_hashes: Vec<String>,
    progress: &'a (dyn Fn(Progress) + Sync),
    total: u32,
    failed: AtomicBool,
    state: Mutex<State>,
}

struct State {
    /// By run number.
    results: Vec<Option<StoredRun>>,
    done: u32,
    store: Option<Store>,
    /// The failure with the lowest run number.
    error: Option<(u32, RunnerError)>,
}

impl<'a> Work<'a> {
    fn new(
        scenario: &'a Scenario,
        options: &'a RunOptions,
        plan: &Plan,
        progress: &'a (dyn Fn(Progress) + Sync),
        store: Option<Store>,
        mut stored: StoredRuns,
    ) -> Self {
        let policy_hashes: Vec<String> =
            scenario.policies.iter().map(canonical::policy_hash).collect();
        let take = |run: &Run| {
            let name = scenario.policies[run.policy].name.clone();
            // A stored run counts only when it is of the same rules and random numbers.
            stored.remove(&(name, run.replication)).filter(|stored| {
                stored.seed == run.seed && stored.policy_hash == policy_hashes[run.policy]
            })
        };
        let results: Vec<_> = plan.runs().iter().map(take).collect();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let done = count(results.iter().flatten().count());
        Self {
            scenario,
            options,
            settings: RunSettings {
                queue: options.queue,
                skip: options.skip,
                warmup: scenario.warmup,
                duration: scenario.duration,
                ..RunSettings::default()
            },
            policy_hashes,
            progress,
            total: count(results.len()),
            failed: AtomicBool::new(false),
            state: Mutex::new(State { results, done, store, error: None }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock is held can only come from the caller's progress function.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_done(&self, run: Run) -> bool {
        self.state().results[run.number as usize].is_some()
    }

    /// Reports while the lock is held, so that calls come one at a time and counts never fall.
    fn report(&self, event: impl FnOnce(u32, u32) -> Progress) {
        let state = self.state();
        (self.progress)(event(state.done, self.total));
    }

    fn start_next<'s>(&'s self, scope: &Scope<'s>, open: &'s [Vec<Run>], next: &'s AtomicUsize) {
        // A replication that fails ends the plan, so this is rarely more than one turn.
        while !self.failed.load(Ordering::Relaxed) {
            let Some(runs) = open.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
            let Some(prefix) = self.prefill(runs[0]) else { continue };
            let prefix = Arc::new(prefix);
            let left = Arc::new(AtomicUsize::new(runs.len()));
            for run in runs {
                let (prefix, left) = (Arc::clone(&prefix), Arc::clone(&left));
                scope.spawn(move |scope| {
                    self.run(*run, &prefix);
                    drop(prefix);
                    if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                        self.start_next(scope, open, next);
                    }
                });
            }
            return;
        }
    }

    fn prefill(&self, run: Run) -> Option<Prefix> {
        self.report(|_, _| Progress::Prefill { replication: run.replication });
        let result = catch_unwind(AssertUnwindSafe(|| {
            machine::prefill(&self.scenario.machine, run.seed, &self.settings)
        }));
        self.checked(run, "prefill", result)
    }

    fn run(&self, run: Run, prefix: &Prefix) {
        if self.failed.load(Ordering::Relaxed) {
            return;
        }
        let policy = &self.scenario.policies[run.policy];
        let result =
            catch_unwind(AssertUnwindSafe(|| machine::run(prefix, policy, &self.settings)));
        let Some(output) = self.checked(run, &policy.name, result) else { return };
        let named = (policy.name.as_str(), self.policy_hashes[run.policy].as_str());
        let tasks = &self.scenario.machine.workload.tasks;
        let stored = StoredRun::new(run, named, tasks, &output);
        let written = self.write_replay(run, &stored).and_then(|()| {
            let mut state = self.state();
            if let Some(store) = &mut state.store {
                store.add(&stored)?;
            }
            state.results[run.number as usize] = Some(stored);
            state.done += 1;
            (self.progress)(Progress::Finished {
                number: run.number,
                policy: policy.name.clone(),
                replication: run.replication,
                done: state.done,
                total: self.total,
            });
            Ok(())
        });
        if let Err(error) = written {
            self.fail(run, error);
        }
    }

    fn checked<T>(
        &self,
        run: Run,
        policy: &str,
        result: Result<Result<T, machine::RunError>, Box<dyn Any + Send>>,
    ) -> Option<T> {
        let (policy, Run { replication, seed, .. }) = (policy.to_owned(), run);
        let error = match result {
            Ok(Ok(value)) => return Some(value),
            Ok(Err(source)) => RunnerError::Run { policy, replication, seed, source },
            Err(panic) => {
                let message = panic_text(panic.as_ref());
                RunnerError::Panic { policy, replication, seed, message }
            }
        };
        self.fail(run, error);
        None
    }

    fn fail(&self, run: Run, error: RunnerError) {
        self.failed.store(true, Ordering::Relaxed);
        let mut state = self.state();
        if state.error.as_ref().is_none_or(|(number, _)| run.number < *number) {
            state.error = Some((run.number, error));
        }
    }

    /// Leaves a replay file beside the stored runs when the run broke an invariant.
    fn write_replay(&self, run: Run, stored: &StoredRun) -> Result<(), RunnerError> {
        let Some(dir) = &self.options.out else { return Ok(()) };
        let mut findings = stored.findings.iter();
        let violation = findings.find(|finding| finding.verdict == FindingVerdict::Violation);
        let Some(violation) = violation else { return Ok(()) };
        let replay = ReplayFile {
            format: REPLAY_FORMAT,
            version: crate::VERSION.into(),
            scenario_hash: self.scenario.hash(),
            scenario: self.scenario.text.as_ref().into(),
            policy: stored.policy.clone(),
            replication: run.replication,
            seed: run.seed,
            queue: self.options.queue.name().into(),
            skip: self.options.skip,
            violation: violation.clone(),
        };
        replay.write(&dir.join(format!("replay-{}.json", run.number)))
    }

    /// The runs by policy and replication.
    fn finish(self) -> Result<Vec<Vec<StoredRun>>, RunnerError> {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, error)) = state.error {
            return Err(error);
        }
        let policies = self.scenario.policies.len();
        let mut rows = vec![Vec::new(); policies];
        for (number, run) in state.results.into_iter().enumerate() {
            let Some(run) = run else { unreachable!("run {number} has neither result nor error") };
            rows[number % policies].push(run);
        }
        Ok(rows)
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").into()
}

#[cfg(test)]
mod tests;
