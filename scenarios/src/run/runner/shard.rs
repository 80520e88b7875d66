//! A batch in parts: one of them run, all of them summed up.

use super::batch::Batch;
use super::options::{Progress, RunOptions};
use super::part::PartWork;
use super::work::Work;
use super::{carry_out, header, open_store};
use crate::run::error::RunnerError;
use crate::run::results::Comparison;
use crate::run::shard::{Shard, ShardRuns};
use crate::run::store::{RunText, Store, StoredRuns};
use crate::run::stored::RunKey;

/// Runs those runs of a batch that belong to a shard, or what is not yet done of them. The folder
/// of the options has the results.
///
/// # Errors
/// As [`run_comparison`](super::run_comparison).
pub(crate) fn run_shard(
    batch: &Batch<'_>,
    shard: Shard,
    options: &RunOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<ShardRuns, RunnerError> {
    let (store, stored) = open_store(batch, options)?;
    let work = Work::new(batch, options, progress, store, &stored, shard);
    drop(stored);
    carry_out(&work, options)?;
    work.finish_shard()
}

/// What the runs of a batch are stored as, in order, with the shards that they are dealt to: each
/// the place of its replication among those of all parts, for [`Shard::has`].
pub(crate) fn keys(batch: &Batch<'_>) -> Vec<(usize, RunKey)> {
    let options = RunOptions::default();
    let mut place = 0;
    let mut keys = Vec::new();
    for part in &batch.parts {
        let work = PartWork::new(part, &options, 0, place, Shard::WHOLE);
        for runs in work.plan.replications() {
            keys.extend(runs.iter().map(|run| (place, work.key(*run))));
            place += 1;
        }
    }
    keys
}

/// Sums up a batch all of whose runs are given. They are written into the folder of the options, if
/// there is one, as if they had been run there.
///
/// # Errors
/// When they cannot be written, or the folder holds other runs.
pub(crate) fn sum_up(
    batch: &Batch<'_>,
    options: &RunOptions,
    runs: &StoredRuns,
) -> Result<Vec<Comparison>, RunnerError> {
    let store = match &options.out {
        Some(dir) => {
            let (mut store, _) = Store::open(dir, &header(batch, options))?;
            for run in keys(batch).iter().filter_map(|(_, key)| runs.get(key)) {
                store.append(run, &RunText::of(run))?;
            }
            Some(store)
        }
        None => None,
    };
    let work = Work::new(batch, options, &|_| {}, store, runs, Shard::WHOLE);
    carry_out(&work, options)?;
    work.finish()?.into_iter().collect()
}
