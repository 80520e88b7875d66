//! Folders with results belong to one process at a time.
//!
//! A command that fills a folder locks it until its last file is written, so that no two leave a
//! mixture. A command that writes single files into a folder shares it with others of its kind, and
//! keeps out of a folder that is being filled. The lock is on the folder itself, and on
//! `runs.jsonl` as long as runs are added to it ([`crate::run::store`]): a file system that cannot lock
//! folders can mostly lock files.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::run::error::RunnerError;
use crate::run::files;
use crate::scenario::kept::KeptScenario;

/// Name of the file in a folder of results that has finished runs.
pub const RUNS_FILE: &str = "runs.jsonl";

/// Folders that nobody else fills as long as this lives.
#[derive(Debug)]
#[must_use = "the folders are free again as soon as this is dropped"]
pub struct FolderLock(#[expect(dead_code, reason = "held, not read")] Vec<File>);

impl FolderLock {
    /// Makes the folder that a command fills, if there is one, and locks it and the folders of
    /// single files.
    ///
    /// # Errors
    /// When a folder cannot be made, or another process fills it.
    pub fn hold(out: Option<&Path>, files: &[&Path]) -> Result<Self, RunnerError> {
        let mut locks = Vec::new();
        let mut known: Vec<PathBuf> = Vec::new();
        if let Some(out) = out {
            fs::create_dir_all(out)
                .map_err(|source| RunnerError::Folder { path: out.into(), source })?;
            if let Ok(file) = File::open(out) {
                locked(&file, out, File::try_lock)?;
                locks.push(file);
            }
            known.extend(fs::canonicalize(out));
            sweep_up(out);
        }
        for path in files {
            // Nothing can be locked around a pipe or a device, nor where there is no folder.
            let special = fs::metadata(path).is_ok_and(|there| !there.is_file());
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = fs::canonicalize(folder.unwrap_or(Path::new(".")));
            let Some(folder) = folder.ok().filter(|it| !special && !known.contains(it)) else {
                continue;
            };
            for name in [folder.clone(), folder.join(RUNS_FILE)] {
                if let Ok(file) = File::open(&name) {
                    locked(&file, &folder, File::try_lock_shared)?;
                    locks.push(file);
                }
            }
            known.push(folder);
        }
        Ok(Self(locks))
    }
}

/// Removes the runs that a folder keeps, and the replays of those that broke an invariant. Whoever calls it
/// holds the folder.
///
/// # Errors
/// When a file cannot be removed.
pub fn start_over(folder: &Path) -> Result<(), RunnerError> {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let replay = name.starts_with("replay-") && name.ends_with(".json");
        if name == RUNS_FILE || replay {
            let path = entry.path();
            fs::remove_file(&path).map_err(|source| RunnerError::Write { path, source })?;
        }
    }
    Ok(())
}

/// Name of the file in a folder of results that has its scenario.
pub const SCENARIO_FILE: &str = "scenario.json";

/// Writes a scenario with its files into a folder. Gives the paths.
///
/// # Errors
/// When a file cannot be read or written.
pub fn keep_scenario(folder: &Path, scenario: &KeptScenario) -> Result<Vec<PathBuf>, RunnerError> {
    let mut written = Vec::new();
    let keeps_runs = folder.join(RUNS_FILE).is_file();
    for file in &scenario.files {
        let path = folder.join(&file.name);
        let fail = |source| RunnerError::write_in(keeps_runs, &path, source);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(fail)?;
        }
        // A scenario of the folder itself has them there.
        let same = fs::canonicalize(&path).ok().zip(fs::canonicalize(&file.path).ok());
        if same.is_none_or(|(here, there)| here != there) {
            files::copy_file(&file.path, &path).map_err(fail)?;
            written.push(path);
        }
    }
    let path = folder.join(SCENARIO_FILE);
    let fail = |source| RunnerError::write_in(keeps_runs, &path, source);
    files::write_file(&path, scenario.text.as_bytes()).map_err(fail)?;
    written.push(path);
    Ok(written)
}

/// Removes what was left by processes that ended before a file was complete: whoever holds the lock
/// is the only one who writes here.
fn sweep_up(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if files::is_unfinished(&entry.file_name().to_string_lossy()) {
            // One that stays is in nobody's way.
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn locked(
    file: &File,
    folder: &Path,
    lock: fn(&File) -> Result<(), TryLockError>,
) -> Result<(), RunnerError> {
    match patiently(file, lock) {
        Err(TryLockError::WouldBlock) => Err(RunnerError::InUse { path: folder.into() }),
        // A file system without locks on folders, or without any: nobody can be kept out.
        _ => Ok(()),
    }
}

/// Locks a file for this process alone.
pub(crate) fn lock_file(file: &File) -> Result<(), TryLockError> {
    match patiently(file, File::try_lock) {
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
        other => other,
    }
}

/// A process that has just ended, or was killed, may still be about to let go of a file, so a lock
/// is asked for a few times.
fn patiently(file: &File, lock: fn(&File) -> Result<(), TryLockError>) -> Result<(), TryLockError> {
    const TRIES: u32 = 20;
    const PAUSE: Duration = Duration::from_millis(50);
    for _ in 1..TRIES {
        match lock(file) {
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
            other => return other,
        }
    }
    lock(file)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(result: Result<FolderLock, RunnerError>) {
        let error = result.expect_err("in use");
        assert!(matches!(error, RunnerError::InUse { .. }), "{error}");
    }

    #[test]
    fn a_folder_is_filled_by_one_and_others_share_what_is_left() {
        let root = tempfile::tempdir().expect("a folder");
        let out = root.path().join("a/b");
        let (inside, beside) = (out.join("trace.txt"), root.path().join("trace.txt"));
        let one = FolderLock::hold(Some(&out), &[&inside, &beside]).expect("free");
        refused(FolderLock::hold(Some(&out), &[]));
        refused(FolderLock::hold(None, &[&inside]));
        let other = FolderLock::hold(None, &[&beside]).expect("shared");
        refused(FolderLock::hold(Some(root.path()), &[]));
        drop((one, other));
        let shared = FolderLock::hold(None, &[&inside]).expect("free again");
        refused(FolderLock::hold(Some(&out), &[]));
        drop(shared);
        drop(FolderLock::hold(Some(&out), &[]).expect("free again"));
    }

    #[test]
    fn whoever_adds_runs_keeps_single_files_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let runs = File::create(folder.path().join(RUNS_FILE)).expect("made");
        runs.lock().expect("free");
        refused(FolderLock::hold(None, &[&folder.path().join("junit.xml")]));
    }

    #[test]
    fn runs_are_removed_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in [RUNS_FILE, "replay-sync-0.json", "replay.md", "scenario.json"] {
            fs::write(folder.path().join(name), "").expect("written");
        }
        start_over(folder.path()).expect("removed");
        let there = |name: &str| folder.path().join(name).exists();
        assert!(!there(RUNS_FILE) && !there("replay-sync-0.json"));
        assert!(there("replay.md") && there("scenario.json"));
    }

    #[test]
    fn what_killed_processes_left_is_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let left = folder.path().join(".apfsim-trace.txt-1.part");
        fs::write(&left, "").expect("written");
        let own = folder.path().join(".mine.part");
        fs::write(&own, "").expect("written");
        drop(FolderLock::hold(None, &[&own]).expect("free"));
        assert!(left.exists(), "somebody may still write it");
        drop(FolderLock::hold(Some(folder.path()), &[]).expect("free"));
        assert!(!left.exists() && own.exists());
    }
}
