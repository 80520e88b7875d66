//! Running a part of a sweep.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use super::error::ShardError;
use super::file::{ShardFile, SweepCommand};
use crate::experiments::sweep::Sweep;
use crate::experiments::sweep::run::batch;
use crate::run::folder::RUNS_FILE;
use crate::run::runner::{Batch, Progress, RunOptions, header, keys, run_shard};
use crate::run::shard::{Shard, ShardRuns};
use crate::run::store::{Store, StoredRuns};
use crate::run::stored::RunKey;

/// A part of a sweep that was run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepShard {
    /// Name of the sweep.
    pub sweep: String,
    /// Hash of the sweep, as in its results.
    pub hash: String,
    /// Which part.
    pub shard: Shard,
    /// What is known of its runs.
    pub runs: ShardRuns,
}

/// Runs a part of a sweep, or what is not yet done of it, into a folder.
///
/// # Errors
/// When the folder is of something else, a run fails, or results cannot be written.
pub fn run_sweep_shard(
    command: &SweepCommand,
    sweep: &Sweep,
    shard: Shard,
    folder: &Path,
    options: &RunOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<SweepShard, ShardError> {
    let file = ShardFile::new(command, sweep, shard, options);
    let batch = batch(sweep);
    claim(folder, &file, &batch, options)?;
    let options = RunOptions { out: Some(folder.to_owned()), ..options.clone() };
    let runs = run_shard(&batch, shard, &options, progress)?;
    Ok(SweepShard { sweep: sweep.name.clone(), hash: file.hash, shard, runs })
}

/// Makes sure that a folder is of this part and of nothing else, before anything is run.
fn claim(
    folder: &Path,
    file: &ShardFile,
    batch: &Batch<'_>,
    options: &RunOptions,
) -> Result<(), ShardError> {
    match ShardFile::load(folder) {
        Ok(there) if there == *file => {}
        Ok(there) => return Err(other_shard(folder, file, &there)),
        Err(ShardError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    if folder.join(RUNS_FILE).exists() {
        let stored = Store::read(folder, &header(batch, options))?;
        own(folder, file.shard(), &keys(batch), &stored)?;
    }
    std::fs::create_dir_all(folder).map_err(|source| {
        let path = folder.to_owned();
        crate::run::error::RunnerError::Folder { path, source }
    })?;
    Ok(file.write(folder)?)
}

fn other_shard(folder: &Path, file: &ShardFile, there: &ShardFile) -> ShardError {
    let path = folder.to_owned();
    if (&there.version, &there.build) != (&file.version, &file.build) {
        let (version, build) = (there.version.clone(), there.build.clone());
        return ShardError::OtherBuild { path, version, build };
    }
    let difference = match there.difference(file) {
        Some(difference) => format!("another sweep: {difference}"),
        None => format!("shard {} and not {}", there.shard(), file.shard()),
    };
    ShardError::OtherShard { path, difference }
}

/// That all stored runs of a folder are of its part.
pub(super) fn own(
    folder: &Path,
    shard: Shard,
    keys: &[(usize, RunKey)],
    stored: &StoredRuns,
) -> Result<(), ShardError> {
    let keys = keys.iter().filter(|(place, _)| shard.has(*place));
    let keys: BTreeSet<&RunKey> = keys.map(|(_, key)| key).collect();
    let Some(foreign) = stored.keys().find(|key| !keys.contains(key)) else { return Ok(()) };
    let point = foreign.point.map_or(String::new(), |point| format!("point {point}, "));
    let run = format!("{point}policy `{}`, replication {}", foreign.policy, foreign.replication);
    Err(ShardError::Foreign { path: folder.to_owned(), shard, run })
}
