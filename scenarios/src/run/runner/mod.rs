//! Runs the plan of a scenario on several threads, with the same results on any number.
//!
//! A batch is a list of scenarios; a comparison is a batch of one, a sweep has one a point. The
//! prefill of a replication is the same under every policy, so it is simulated once. A replication
//! is a chain: prefill, then its policies as tasks of their own, and the one that finishes last
//! starts the next replication, of whichever scenario. So both ends of a batch keep all threads
//! busy, and no more prefilled machines exist at a time than there are threads.

mod batch;
mod claim;
mod options;
mod part;
mod shard;
mod work;

use std::sync::atomic::AtomicUsize;

pub(crate) use self::batch::{Batch, Part};
pub use self::claim::Claim;
pub use models::machine::Stop;

pub use self::options::{Progress, RunOptions};
pub(crate) use self::shard::{keys, run_shard, sum_up};
use self::work::Work;
use crate::run::error::RunnerError;
use crate::run::results::Comparison;
use crate::run::shard::Shard;
use crate::run::store::{Header, Store, StoredRuns};
use crate::scenario::resolve::Scenario;

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
    let mut comparisons = run_batch(&Batch::of_one(scenario), options, progress)?;
    let Some(comparison) = comparisons.pop() else { unreachable!("a batch of one has one result") };
    Ok(comparison)
}

/// Runs all parts of a batch, or what is not yet done of them. Gives a comparison a part, in order.
///
/// # Errors
/// As [`run_comparison`].
pub(crate) fn run_batch(
    batch: &Batch<'_>,
    options: &RunOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Vec<Comparison>, RunnerError> {
    run_parts(batch, true, options, progress)?.into_iter().collect()
}

/// As [`run_batch`], but a run that fails spoils only its own part.
///
/// # Errors
/// When threads cannot be started.
pub(crate) fn run_each(
    batch: &Batch<'_>,
    options: &RunOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Vec<Result<Comparison, RunnerError>>, RunnerError> {
    run_parts(batch, false, options, progress)
}

fn run_parts(
    batch: &Batch<'_>,
    end_early: bool,
    options: &RunOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Vec<Result<Comparison, RunnerError>>, RunnerError> {
    let (store, stored) = open_store(batch, options)?;
    let mut work = Work::new(batch, options, progress, store, &stored, Shard::WHOLE);
    work.end_early = end_early;
    drop(stored);
    carry_out(&work, options)?;
    work.finish()
}

/// The runs that are there, and the store that takes more, where there is a folder.
fn open_store(
    batch: &Batch<'_>,
    options: &RunOptions,
) -> Result<(Option<Store>, StoredRuns), RunnerError> {
    let Some(dir) = &options.out else { return Ok((None, StoredRuns::new())) };
    let (store, stored) = Store::open(dir, &header(batch, options))?;
    Ok((Some(store), stored))
}

/// What stored runs of a batch begin with.
pub(crate) fn header(batch: &Batch<'_>, options: &RunOptions) -> Header {
    Header::new(batch.content.clone(), batch.seed, options.queue.name(), options.skip)
}

/// Runs what is to be run.
fn carry_out(work: &Work<'_>, options: &RunOptions) -> Result<(), RunnerError> {
    work.missing_replays()?;
    work.report(|done, total| Progress::Begin { total, resumed: done });
    let open = work.open();
    if !open.is_empty() {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(options.jobs)
            .thread_name(|number| format!("run-{number}"))
            .build()
            .map_err(|source| RunnerError::Threads { jobs: options.jobs, source })?;
        let next = AtomicUsize::new(0);
        let chains = pool.current_num_threads();
        let (open, next) = (&open, &next);
        pool.scope(|scope| {
            for _ in 0..chains {
                scope.spawn(move |scope| work.start_next(scope, open, next));
            }
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
