//! What threads do of a batch: prefills, runs, and a sum of each scenario when its last run is over.

use std::any::Any;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use models::base::record::Record;
use models::machine::{self, Observer, Prefix, RunSettings, Stop};
use models::trace::series::Follow;
use rayon::Scope;

use super::batch::Batch;
use super::options::{Progress, RunOptions};
use super::part::PartWork;
use crate::run::error::{RunnerError, panic_text};
use crate::run::plan::Run;
use crate::run::results::Comparison;
use crate::run::shard::{Shard, ShardRuns};
use crate::run::store::{RunText, Store, StoredRuns};
use crate::run::stored::StoredRun;
use crate::run::trace_file::{TraceFile, path_of, trace_remark};

/// What the threads share.
pub(super) struct Work<'a> {
    pub(super) parts: Vec<PartWork<'a>>,
    options: &'a RunOptions,
    keep_latency: bool,
    progress: &'a (dyn Fn(Progress) + Sync),
    total: u32,
    /// Which runs of the batch are run here. Only of a whole batch are results kept and summed up.
    shard: Shard,
    /// Whether the first failure ends the batch.
    pub(super) end_early: bool,
    /// Number of the lowest run that failed and so ends the batch: no higher one is begun, and every
    /// lower one is finished, so that the same failure is told whatever the threads do.
    failed: AtomicU32,
    state: Mutex<State>,
}

/// The runs of a replication that are not done.
pub(super) struct Chain {
    pub(super) part: usize,
    pub(super) runs: Vec<Run>,
}

struct State {
    parts: Vec<PartState>,
    done: u32,
    store: Option<Store>,
    /// Whether a run broke an invariant that it is not known to break.
    violation: bool,
}

#[derive(Default)]
struct PartState {
    /// By run number; empty once they are summed up.
    results: Vec<Option<StoredRun>>,
    /// Runs that are missing.
    left: usize,
    comparison: Option<Comparison>,
    /// The failure with the lowest run number.
    error: Option<(u32, RunnerError)>,
}

impl PartState {
    /// What is stored of a scenario.
    fn of(part: &PartWork<'_>, stored: &StoredRuns, options: &RunOptions) -> Self {
        let take = |run: &Run| {
            if options.trace.is_some() {
                return None;
            }
            stored.get(&part.key(*run)).cloned()
        };
        let results: Vec<_> = part.plan.runs().iter().map(take).collect();
        let mine = part.plan.runs().iter().zip(&results).filter(|(run, _)| part.is_mine(run));
        let left = mine.filter(|(_, result)| result.is_none()).count();
        Self { results, left, ..Self::default() }
    }
}

impl<'a> Work<'a> {
    pub(super) fn new(
        batch: &'a Batch<'a>,
        options: &'a RunOptions,
        progress: &'a (dyn Fn(Progress) + Sync),
        store: Option<Store>,
        stored: &StoredRuns,
        shard: Shard,
    ) -> Self {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let mut parts = Vec::with_capacity(batch.parts.len());
        let (mut first, mut before, mut total) = (0, 0, 0);
        for part in &batch.parts {
            let work = PartWork::new(part, options, first, before, shard);
            first += count(work.plan.runs().len());
            before += work.plan.replications().len();
            total += count(work.plan.runs().iter().filter(|run| work.is_mine(run)).count());
            parts.push(work);
        }
        let states: Vec<_> =
            parts.iter().map(|part| PartState::of(part, stored, options)).collect();
        let left: usize = states.iter().map(|state| state.left).sum();
        let mut results = states.iter().flat_map(|state| &state.results).flatten();
        let violation = results.any(StoredRun::has_violation);
        let state = State { parts: states, done: total - count(left), store, violation };
        Self {
            parts,
            options,
            keep_latency: batch.keep_latency,
            progress,
            total,
            shard,
            end_early: true,
            failed: AtomicU32::new(u32::MAX),
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock is held can only come from the caller's progress function.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be run, by part and replication.
    pub(super) fn open(&self) -> Vec<Chain> {
        let state = self.state();
        let mut chains = Vec::new();
        for (part, work) in self.parts.iter().enumerate() {
            let results = &state.parts[part].results;
            for runs in work.plan.replications() {
                let open = |run: &&Run| work.is_mine(run) && results[run.number as usize].is_none();
                let runs: Vec<Run> = runs.iter().filter(open).copied().collect();
                if !runs.is_empty() {
                    chains.push(Chain { part, runs });
                }
            }
        }
        chains
    }

    /// Reports while the lock is held, so that calls come one at a time and counts never fall.
    pub(super) fn report(&self, event: impl FnOnce(u32, u32) -> Progress) {
        let state = self.state();
        (self.progress)(event(state.done, self.total));
    }

    pub(super) fn start_next<'s>(
        &'s self,
        scope: &Scope<'s>,
        open: &'s [Chain],
        next: &'s AtomicUsize,
    ) {
        // A replication that fails ends the batch, so this is rarely more than one turn.
        while let Some(chain) = open.get(next.fetch_add(1, Ordering::Relaxed)) {
            if self.is_over(&self.parts[chain.part], chain.runs[0]) {
                return;
            }
            let Some(prefix) = self.prefill(chain) else { continue };
            let prefix = Arc::new(prefix);
            let left = Arc::new(AtomicUsize::new(chain.runs.len()));
            for run in &chain.runs {
                let (prefix, left) = (Arc::clone(&prefix), Arc::clone(&left));
                scope.spawn(move |scope| {
                    self.run(chain.part, *run, &prefix);
                    drop(prefix);
                    if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                        self.start_next(scope, open, next);
                    }
                });
            }
            return;
        }
    }

    /// Whether the runs shall end, whatever they are doing.
    fn is_stopped(&self) -> bool {
        self.options.stop.as_ref().is_some_and(Stop::is_asked)
    }

    /// Whether a run before this one has failed, or all shall end.
    fn is_over(&self, part: &PartWork<'_>, run: Run) -> bool {
        self.is_stopped() || part.number(run) > self.failed.load(Ordering::Relaxed)
    }

    pub(super) fn prefill(&self, chain: &Chain) -> Option<Prefix> {
        let (part, run) = (&self.parts[chain.part], chain.runs[0]);
        self.report(|_, _| Progress::Prefill { replication: run.replication });
        let result = catch_unwind(AssertUnwindSafe(|| {
            let series = match (run.replication, part.keep_series) {
                (0, true) => Follow::Everything,
                // For the question whether the measured phase begins with a transient.
                (0, false) => Follow::Counts,
                _ => Follow::Nothing,
            };
            let settings = RunSettings { series, ..part.settings.clone() };
            machine::prefill(&part.part.scenario.machine, run.seed, &settings)
        }));
        self.checked(chain.part, run, "prefill", result)
    }

    fn run(&self, place: usize, run: Run, prefix: &Prefix) {
        let part = &self.parts[place];
        if self.is_over(part, run) {
            return;
        }
        let scenario = part.part.scenario;
        let policy = &scenario.policies[run.policy];
        let mut trace = match self.trace_of(part, run, prefix) {
            Ok(trace) => trace,
            Err(error) => return self.fail(place, run, error),
        };
        let mut told = 0;
        let mut observer = |records: &[Record]| {
            if self.options.within {
                self.tell_how_far(part, run, prefix, records, &mut told);
            }
            match &mut trace {
                Some(trace) => trace.observe(records),
                None => ControlFlow::Continue(()),
            }
        };
        let options = self.options;
        let watched = options.trace.is_some() || options.within;
        let observer: Option<Observer<'_>> = if watched { Some(&mut observer) } else { None };
        let result = catch_unwind(AssertUnwindSafe(|| {
            machine::run_observed(prefix, policy, &part.settings, observer)
        }));
        if self.is_stopped() {
            return;
        }
        // A run that its trace stopped failed for the trace's reason.
        if let Some(Err(error)) = trace.map(TraceFile::finish) {
            return self.fail(place, run, error);
        }
        let Some(output) = self.checked(place, run, &policy.name, result) else { return };
        let named = (policy.name.as_str(), part.policy_hashes[run.policy].as_str());
        let machine = &scenario.machine;
        let stored =
            StoredRun::new(run, named, machine, &output).of(&part.part.setup, part.part.point);
        let stored = if part.keep_series { stored } else { stored.without_series() };
        if let Err(error) = self.keep(place, run, stored) {
            self.fail(place, run, error);
        }
    }

    /// Says how far a run is, each time that it is a hundredth further.
    fn tell_how_far(
        &self,
        part: &PartWork<'_>,
        run: Run,
        prefix: &Prefix,
        records: &[Record],
        told: &mut u32,
    ) {
        let Some(last) = records.last() else { return };
        let done = last.time.saturating_since(prefix.barrier()).as_ps();
        let (warmup, measured) = (part.settings.warmup, part.settings.duration);
        let whole = u128::from(warmup.as_ps()) + u128::from(measured.as_ps());
        let percent = u128::from(done) * 100 / whole.max(1);
        let percent = u32::try_from(percent.min(99)).unwrap_or(99);
        if percent > *told {
            *told = percent;
            let number = part.number(run);
            self.report(|_, _| Progress::Within { number, percent });
        }
    }

    /// The trace file of a run, if runs have one.
    fn trace_of(
        &self,
        part: &PartWork<'_>,
        run: Run,
        prefix: &Prefix,
    ) -> Result<Option<TraceFile>, RunnerError> {
        let Some(named) = &self.options.trace else { return Ok(None) };
        let scenario = part.part.scenario;
        let policy = &scenario.policies[run.policy];
        let path = path_of(named, part.plan.runs().len(), &policy.name, run.replication);
        let remark = trace_remark(scenario, run);
        TraceFile::create(path, (prefix, policy), &remark).map(Some)
    }

    /// Writes a finished run down, and sums up its scenario when it was the last one.
    fn keep(&self, place: usize, run: Run, stored: StoredRun) -> Result<(), RunnerError> {
        let part = &self.parts[place];
        let mut text = None;
        if let Some(dir) = &self.options.out {
            part.write_replay(dir, self.options, run, &stored)?;
            text = Some(RunText::of(&stored));
        }
        let whole = {
            let mut state = self.state();
            if let (Some(store), Some(text)) = (&mut state.store, &text) {
                store.append(&stored, text)?;
            }
            state.done += 1;
            (self.progress)(Progress::Finished {
                number: part.number(run),
                policy: stored.policy.clone(),
                replication: run.replication,
                done: state.done,
                total: self.total,
            });
            state.violation |= stored.has_violation();
            let own = &mut state.parts[place];
            own.left -= 1;
            let is_whole = self.shard.is_whole();
            if is_whole {
                own.results[run.number as usize] = Some(stored);
            }
            (is_whole && own.left == 0).then(|| std::mem::take(&mut own.results))
        };
        if let Some(results) = whole {
            // Outside the lock, so that others need not wait for it.
            let comparison = part.summary(results, self.keep_latency);
            self.state().parts[place].comparison = Some(comparison);
        }
        Ok(())
    }

    fn checked<T>(
        &self,
        place: usize,
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
        self.fail(place, run, error);
        None
    }

    fn fail(&self, place: usize, run: Run, error: RunnerError) {
        let part = &self.parts[place];
        // Where failures spoil only their part, all its runs are tried.
        if self.end_early {
            self.failed.fetch_min(part.number(run), Ordering::Relaxed);
        }
        let error = match &part.part.label {
            Some(label) => RunnerError::Point { label: label.clone(), source: Box::new(error) },
            None => error,
        };
        let number = part.number(run);
        let known = &mut self.state().parts[place].error;
        if known.as_ref().is_none_or(|(first, _)| number < *first) {
            *known = Some((number, error));
        }
    }

    /// Writes the replay files of stored runs that have none.
    pub(super) fn missing_replays(&self) -> Result<(), RunnerError> {
        let Some(dir) = &self.options.out else { return Ok(()) };
        let state = self.state();
        for (part, own) in self.parts.iter().zip(&state.parts) {
            for (run, stored) in part.plan.runs().iter().zip(&own.results) {
                if let Some(stored) = stored {
                    part.write_replay(dir, self.options, *run, stored)?;
                }
            }
        }
        Ok(())
    }

    /// The comparisons of all parts, in order. When a failure ends the batch, only that is given.
    pub(super) fn finish(mut self) -> Result<Vec<Result<Comparison, RunnerError>>, RunnerError> {
        let state = self.close()?;
        // What was stored before is summed up here.
        let parts = self.parts.iter().zip(state.parts);
        let result = parts.map(|(part, own)| match (own.error, own.comparison) {
            (Some((_, error)), _) => Err(error),
            (None, Some(comparison)) => Ok(comparison),
            (None, None) => Ok(part.summary(own.results, self.keep_latency)),
        });
        Ok(result.collect())
    }

    /// What is known of a shard, whose results are in the store alone.
    pub(super) fn finish_shard(mut self) -> Result<ShardRuns, RunnerError> {
        let violation = self.close()?.violation;
        let all = self.parts.iter().map(|part| part.plan.runs().len()).sum();
        Ok(ShardRuns { runs: self.total as usize, all, violation })
    }

    /// The state when all threads have ended, with the store on the disk.
    fn close(&mut self) -> Result<State, RunnerError> {
        let empty = State { parts: Vec::new(), done: 0, store: None, violation: false };
        let state = std::mem::replace(&mut self.state, Mutex::new(empty));
        let mut state = state.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = state.store.take() {
            store.close()?;
        }
        if self.is_stopped() {
            return Err(RunnerError::Stopped);
        }
        if self.end_early {
            let errors = state.parts.iter_mut().filter_map(|own| own.error.take());
            if let Some((_, error)) = errors.min_by_key(|(number, _)| *number) {
                return Err(error);
            }
        }
        Ok(state)
    }
}
