//! Parts of a sweep put together are the sweep; what does not fit is refused.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::file::ShardFile;
use super::*;
use crate::experiments::sweep::{Sweep, SweepOverrides, SweepResult, run_sweep};
use crate::run::folder::RUNS_FILE;
use crate::run::runner::RunOptions;
use crate::run::shard::Shard;
use crate::scenario::resolve::ScenarioOverrides;

/// Two points, three replications, two policies: six replications to be dealt.
fn command() -> SweepCommand {
    SweepCommand {
        scenario: "smoke".into(),
        overrides: SweepOverrides {
            axes: vec!["guest.hz=100,1000".into()],
            set: vec!["duration=30ms".into(), "warmup=0s".into()],
            metrics: Vec::new(),
            scenario: ScenarioOverrides {
                policies: vec!["sync".into(), "apf-v7-2010".into()],
                seed: Some(7),
                replications: Some(3),
            },
        },
    }
}

fn sweep(command: &SweepCommand) -> Sweep {
    command.load().unwrap_or_else(|error| panic!("{}", error.render()))
}

fn options() -> RunOptions {
    RunOptions { jobs: 2, ..RunOptions::default() }
}

fn run_part(command: &SweepCommand, part: &str, folder: &Path) -> Result<SweepShard, ShardError> {
    let shard: Shard = part.parse().expect("a part");
    run_sweep_shard(command, &sweep(command), shard, folder, &options(), &|_| {})
}

/// The folders of all parts, run.
fn parts(root: &Path, count: u32) -> Vec<PathBuf> {
    let part = |number: u32| {
        let folder = root.join(format!("{number}-of-{count}"));
        let done = run_part(&command(), &format!("{number}/{count}"), &folder);
        let done = done.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((done.runs.all, done.runs.violation), (12, false));
        folder
    };
    (1..=count).map(part).collect()
}

fn whole() -> SweepResult {
    let options = RunOptions::default();
    run_sweep(&sweep(&command()), &options, &|_| {}).unwrap_or_else(|error| panic!("{error}"))
}

fn merged(folders: &[PathBuf], out: Option<&Path>) -> SweepResult {
    merge_sweep(folders, out).unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn refused(folders: &[PathBuf], parts: &[&str]) -> ShardError {
    let error = merge_sweep(folders, None).expect_err("they do not fit");
    for part in parts {
        assert!(error.to_string().contains(part), "no `{part}` in: {error}");
    }
    error
}

#[test]
fn parts_put_together_are_the_sweep_in_one_piece() {
    let root = TempDir::new().expect("a folder");
    let expect = whole();
    // More parts than there are replications: some are empty.
    for count in [1, 2, 4, 7] {
        let mut folders = parts(root.path(), count);
        folders.reverse();
        assert_eq!(merged(&folders, None), expect, "{count} parts");
    }
}

#[test]
fn merged_runs_are_a_sweep_that_has_nothing_left_to_run() {
    let root = TempDir::new().expect("a folder");
    let folders = parts(root.path(), 3);
    let out = root.path().join("out");
    let expect = merged(&folders, Some(&out));
    let stored = fs::read(out.join(RUNS_FILE)).expect("written");
    let options = RunOptions { out: Some(out.clone()), ..options() };
    let finished = std::sync::Mutex::new(0);
    let again = run_sweep(&sweep(&command()), &options, &|progress| {
        if matches!(progress, crate::run::runner::Progress::Finished { .. }) {
            *finished.lock().expect("no panic") += 1;
        }
    });
    assert_eq!(again.unwrap_or_else(|error| panic!("{error}")), expect);
    assert_eq!(*finished.lock().expect("no panic"), 0);
    // Once more, over it.
    assert_eq!(merged(&folders, Some(&out)), expect);
    assert_eq!(fs::read(out.join(RUNS_FILE)).expect("there"), stored);
}

#[test]
fn a_part_that_was_cut_off_is_refused_and_goes_on() {
    let root = TempDir::new().expect("a folder");
    let folders = parts(root.path(), 2);
    let path = folders[1].join(RUNS_FILE);
    let text = fs::read_to_string(&path).expect("written");
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    assert_eq!(lines.len(), 1 + 6);
    let cut = lines[..3].concat() + &lines[3][..40];
    fs::write(&path, cut).expect("written");
    let error = refused(&folders, &["shard 2/2", "4 of its 6 runs are missing"]);
    assert!(matches!(error, ShardError::Unfinished { missing: 4, runs: 6, .. }));
    run_part(&command(), "2/2", &folders[1]).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(merged(&folders, None), whole());
}

#[test]
fn all_parts_are_wanted_and_none_twice() {
    let root = TempDir::new().expect("a folder");
    let folders = parts(root.path(), 4);
    let error = refused(&folders[1..3], &["no folder of shards 1, 4"]);
    assert!(matches!(&error, ShardError::Missing { shards, count: 4 } if *shards == [1, 4]));
    refused(&folders[..3], &["no folder of shard 4"]);
    let copy = root.path().join("copy");
    run_part(&command(), "3/4", &copy).unwrap_or_else(|error| panic!("{error}"));
    let double: Vec<PathBuf> = folders.iter().cloned().chain([copy]).collect();
    let error = refused(&double, &["shard 3/4", "copy"]);
    assert!(matches!(error, ShardError::Twice { .. }));
    refused(&[&folders[..], &folders[..1]].concat(), &["shard 1/4"]);
    let error = refused(&[], &["no folder"]);
    assert!(matches!(error, ShardError::Missing { .. }));
    let error = refused(&[root.path().to_owned()], &["shard.json", "--shard K/N"]);
    assert!(matches!(error, ShardError::Read { .. }));
}

#[test]
fn parts_of_other_sweeps_and_cuts_are_refused() {
    let root = TempDir::new().expect("a folder");
    let folders = parts(root.path(), 2);
    let other = |name: &str, part: &str, change: &dyn Fn(&mut SweepOverrides)| {
        let mut command = command();
        change(&mut command.overrides);
        let folder = root.path().join(name);
        run_part(&command, part, &folder).unwrap_or_else(|error| panic!("{error}"));
        [folders[0].clone(), folder]
    };
    let with = |folders: &[PathBuf], part: &str| {
        let error = refused(folders, &["does not go with", part]);
        assert!(matches!(error, ShardError::OtherSweep { .. }), "{error}");
    };
    with(&other("seed", "2/2", &|it| it.scenario.seed = Some(8)), "seed 8 instead of");
    with(&other("axes", "2/2", &|it| it.axes = vec!["guest.hz=100,250".into()]), "axes");
    with(&other("set", "2/2", &|it| it.set.push("host.swap.read_ahead=2".into())), "settings");
    with(
        &other("more", "2/2", &|it| it.scenario.replications = Some(1)),
        "replications 1 instead of",
    );
    let none = |it: &mut SweepOverrides| it.scenario.policies.clear();
    with(&other("all", "2/2", &none), "policies as the file has them instead of `");
    with(&other("table", "2/2", &|it| it.metrics = vec!["work_total".into()]), "metrics");
    with(&other("cut", "2/3", &|_| {}), "number of shards 3 instead of 2");
}

#[test]
fn files_that_changed_meanwhile_are_noticed() {
    let root = TempDir::new().expect("a folder");
    let path = root.path().join("mine.json");
    let smoke = crate::scenario::library::find("smoke").expect("built in").text;
    fs::write(&path, smoke).expect("written");
    let command = SweepCommand { scenario: path.to_string_lossy().into(), ..command() };
    let folder = root.path().join("part");
    run_part(&command, "1/1", &folder).unwrap_or_else(|error| panic!("{error}"));
    let folders = [folder];
    // A title changes no result; another rate of something does.
    merged(&folders, None);
    let changed = smoke.replace("\"read_ahead\": 8", "\"read_ahead\": 4");
    assert_ne!(changed, smoke);
    fs::write(&path, changed).expect("written");
    let error = refused(&folders, &["is not what the shards were run of"]);
    assert!(matches!(error, ShardError::OtherFiles { .. }));
    fs::remove_file(&path).expect("it was there");
    let error = refused(&folders, &["mine.json", "merge in the folder in which"]);
    assert!(matches!(error, ShardError::NoSweep { .. }));
}

#[test]
fn a_folder_belongs_to_one_part() {
    let root = TempDir::new().expect("a folder");
    let folders = parts(root.path(), 2);
    let error = run_part(&command(), "2/2", &folders[0]).expect_err("it is of the first part");
    assert!(matches!(error, ShardError::OtherShard { .. }), "{error}");
    assert!(error.to_string().contains("shard 1/2 and not 2/2"), "{error}");
    let mut other = command();
    other.overrides.scenario.seed = Some(8);
    let error = run_part(&other, "1/2", &folders[0]).expect_err("it is of another sweep");
    assert!(error.to_string().contains("another sweep: seed 7 instead of 8"), "{error}");

    // What the whole sweep left, or added, belongs to no part.
    let out = root.path().join("whole");
    let options = RunOptions { out: Some(out.clone()), ..options() };
    run_sweep(&sweep(&command()), &options, &|_| {}).unwrap_or_else(|error| panic!("{error}"));
    let error = run_part(&command(), "1/2", &out).expect_err("there are other runs");
    assert!(matches!(error, ShardError::Foreign { .. }), "{error}");
    fs::copy(out.join(RUNS_FILE), folders[0].join(RUNS_FILE)).expect("copied");
    let error = refused(&folders, &["a run that is not of shard 1/2: point ", ", replication "]);
    assert!(matches!(error, ShardError::Foreign { .. }));

    let error = merge_sweep(&folders, Some(&folders[1])).expect_err("it is a part");
    assert!(matches!(error, ShardError::Out { .. }), "{error}");
}

#[test]
fn what_was_run_by_another_build_or_edited_is_refused() {
    let root = TempDir::new().expect("a folder");
    let folders = parts(root.path(), 2);
    let path = folders[1].join(SHARD_FILE);
    let text = fs::read_to_string(&path).expect("written");
    fs::write(&path, text.replace("\"seed\": 7", "\"seed\": 8")).expect("written");
    assert!(matches!(refused(&folders, &["shard.json"]), ShardError::Changed { .. }));
    fs::write(&path, "{}").expect("written");
    assert!(matches!(refused(&folders, &["format null"]), ShardError::Broken { .. }));
    fs::write(&path, &text).expect("written");

    let mut file = ShardFile::load(&folders[1]).expect("whole");
    file.build = "0".repeat(32);
    file.write(&folders[1]).expect("written");
    let error = refused(&folders, &["2-of-2", "build 0000", "with one program"]);
    assert!(matches!(error, ShardError::OtherBuild { .. }));
    let error = run_part(&command(), "2/2", &folders[1]).expect_err("of another build");
    assert!(matches!(error, ShardError::OtherBuild { .. }), "{error}");
}

#[test]
fn a_part_that_is_being_run_is_left_alone() {
    let root = TempDir::new().expect("a folder");
    let folders = parts(root.path(), 2);
    let file = fs::File::open(folders[0].join(RUNS_FILE)).expect("there");
    file.lock().expect("free");
    refused(&folders, &["another apfsim is writing"]);
    drop(file);
    merged(&folders, None);
}
