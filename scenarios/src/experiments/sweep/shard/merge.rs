//! Merging the parts of a sweep.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::ShardError;
use super::file::{SHARD_FILE, ShardFile, hash};
use super::run::own;
use crate::experiments::sweep::run::{batch, result};
use crate::experiments::sweep::{Sweep, SweepResult};
use crate::run::folder::FolderLock;
use crate::run::runner::{RunOptions, header, keys, sum_up};
use crate::run::shard::Shard;
use crate::run::store::{Header, Store, StoredRuns};
use crate::run::stored::RunKey;

/// The result of a sweep whose parts are in these folders: the same, byte for byte, as that of the
/// sweep in one piece. Where `out` names a folder, it gets the runs.
///
/// # Errors
/// When the folders are not those of all parts of one sweep, each once and finished, run by this
/// build; when the sweep is another one now; when files cannot be read or written.
pub fn merge_sweep(folders: &[PathBuf], out: Option<&Path>) -> Result<SweepResult, ShardError> {
    Ok(merge_with_sweep(folders, out)?.1)
}

/// As [`merge_sweep`], with the sweep.
///
/// # Errors
/// As [`merge_sweep`].
pub fn merge_with_sweep(
    folders: &[PathBuf],
    out: Option<&Path>,
) -> Result<(Sweep, SweepResult), ShardError> {
    if let Some(out) = out.filter(|out| out.join(SHARD_FILE).exists()) {
        return Err(ShardError::Out { path: out.to_owned() });
    }
    let files: Vec<PathBuf> = folders.iter().map(|folder| folder.join(SHARD_FILE)).collect();
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let _held = FolderLock::hold(None, &files)?;
    let shards = of_one_sweep(folders)?;
    let Some((folder, first)) = shards.values().next() else {
        return Err(ShardError::Missing { shards: vec![1], count: 1 });
    };
    let command = first.command();
    let sweep = command.load().map_err(|source| {
        let scenario = command.scenario.clone();
        ShardError::NoSweep { scenario, source }
    })?;
    let now = hash(&sweep);
    if now != first.hash {
        let (scenario, then) = (command.scenario.clone(), first.hash.clone());
        return Err(ShardError::OtherFiles { scenario, now, then });
    }
    let options = RunOptions { out: out.map(Into::into), ..first.options(folder)? };
    let batch = batch(&sweep);
    let (keys, header) = (keys(&batch), header(&batch, &options));
    let mut runs = StoredRuns::new();
    for (folder, file) in shards.values() {
        runs.extend(whole(folder, file.shard(), &keys, &header)?);
    }
    let merged = result(&sweep, sum_up(&batch, &options, &runs)?);
    Ok((sweep, merged))
}

/// The shards by number, with their folders: of one sweep, all of them, none twice, by this build.
fn of_one_sweep(folders: &[PathBuf]) -> Result<BTreeMap<u32, (PathBuf, ShardFile)>, ShardError> {
    let mut shards: BTreeMap<u32, (PathBuf, ShardFile)> = BTreeMap::new();
    let mut first: Option<(PathBuf, ShardFile)> = None;
    for folder in folders {
        let file = ShardFile::load(folder)?;
        let path = folder.clone();
        if file.version != crate::version::VERSION || file.build != crate::version::BUILD {
            let ShardFile { version, build, .. } = file;
            return Err(ShardError::OtherBuild { path, version, build });
        }
        let (first, expected) = first.get_or_insert_with(|| (path.clone(), file.clone()));
        if let Some(difference) = file.difference(expected) {
            return Err(ShardError::OtherSweep { path, first: first.clone(), difference });
        }
        let shard = file.shard();
        if let Some((first, _)) = shards.insert(shard.number(), (path.clone(), file)) {
            return Err(ShardError::Twice { shard, first, second: path });
        }
    }
    let count = first.map_or(1, |(_, file)| file.shard().count());
    let missing: Vec<u32> = (1..=count).filter(|number| !shards.contains_key(number)).collect();
    match missing.is_empty() {
        true => Ok(shards),
        false => Err(ShardError::Missing { shards: missing, count }),
    }
}

/// The runs of a shard, which must be all of them and no others.
fn whole(
    folder: &Path,
    shard: Shard,
    keys: &[(usize, RunKey)],
    header: &Header,
) -> Result<StoredRuns, ShardError> {
    let stored = Store::read(folder, header)?;
    own(folder, shard, keys, &stored)?;
    let mine = || keys.iter().filter(|(place, _)| shard.has(*place));
    match mine().filter(|(_, key)| !stored.contains_key(key)).count() {
        0 => Ok(stored),
        missing => {
            let (path, runs) = (folder.to_owned(), mine().count());
            Err(ShardError::Unfinished { path, shard, missing, runs })
        }
    }
}
