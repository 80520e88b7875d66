//! Sweeps in parts: the merged files are those of the sweep in one piece.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::kit::{printed, program};

/// Twelve points with two replications of two policies.
const SWEEP: [&str; 14] = [
    "sweep",
    "smoke",
    "--axis",
    "host.swap.device.read_latency,host.swap.device.write_latency=50us..5ms/6",
    "--axis",
    "guest.hz=100,1000",
    "--set",
    "duration=150ms",
    "--policy",
    "sync",
    "--policy",
    "apf-v7-2010",
    "-j",
    "2",
];

fn run(args: &[&str], more: &[&str]) -> String {
    printed(program().args(args).args(more))
}

#[track_caller]
fn fails(args: &[&str], parts: &[&str]) {
    let output = program().args(args).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
    assert!(output.stdout.is_empty(), "{args:?}");
    for part in parts {
        assert!(error.contains(part), "{args:?}: no `{part}` in:\n{error}");
    }
}

/// Every file of a folder but the stored runs, which are in the order in which they finished.
pub(crate) fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    let results = named.filter(|(name, _)| name != "runs.jsonl");
    results.map(|(name, path)| (name, fs::read(path).unwrap())).collect()
}

/// Lines of stored runs, the header among them.
pub(crate) fn stored(folder: &Path) -> usize {
    fs::read_to_string(folder.join("runs.jsonl")).map_or(0, |text| text.lines().count())
}

#[test]
fn merged_parts_are_the_files_of_the_sweep_in_one_piece() {
    let root = TempDir::new().unwrap();
    let path = |name: &str| root.path().join(name).to_str().unwrap().to_owned();
    let whole = path("whole");
    let table = run(&SWEEP, &["-q", "--out", &whole]);
    let parts: Vec<String> = (1..=5).map(|part| path(&format!("part-{part}"))).collect();
    for (number, part) in (1..).zip(&parts) {
        let shard = format!("{number}/5");
        let text = run(&SWEEP, &["-q", "--shard", &shard, "--out", part, "--format", "json"]);
        let done: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&done["shards"], &done["all_runs"]), (&Value::from(5), &Value::from(48)));
        assert_eq!(done["runs"].as_u64().unwrap() + 1, stored(Path::new(part)) as u64);
        let names: Vec<String> = files(Path::new(part)).into_keys().collect();
        assert_eq!(names, ["shard.json"], "a part has no results of its own");
    }
    let merge: Vec<&str> =
        ["sweep", "merge"].into_iter().chain(parts.iter().map(String::as_str)).collect();
    let merged = path("merged");
    assert_eq!(run(&merge, &["-q", "--out", &merged]), table);
    assert!(files(Path::new(&merged)) == files(Path::new(&whole)), "the files differ");
    assert_eq!(stored(Path::new(&merged)), stored(Path::new(&whole)));
    assert_eq!(run(&merge, &["--format", "csv"]), run(&SWEEP, &["--format", "csv"]));

    fails(&merge[..6], &["no folder of shard 5"]);
    fails(&[&merge[..], &["--out", &parts[0]]].concat(), &["is the folder of a shard"]);
    fails(&["sweep", "merge", &whole], &["shard.json", "--shard K/N"]);
    // Nor is the whole run into the folder of a part.
    let into_a_part = [&SWEEP[..], &["-q", "--out", &parts[0]]].concat();
    fails(&into_a_part, &["is the folder of a shard"]);
}

#[test]
fn a_part_that_was_killed_goes_on() {
    let root = TempDir::new().unwrap();
    let folder = |name: &str| root.path().join(name);
    let (whole, first, second) = (folder("whole"), folder("first"), folder("second"));
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    run(&SWEEP, &["-q", "--out", &text(&whole)]);
    run(&SWEEP, &["-q", "--shard", "1/2", "--out", &text(&first)]);
    let args = ["-q", "-j", "1", "--shard", "2/2", "--out", &text(&second)];
    let long = SWEEP[..12].to_vec();
    let mut killed = 0;
    for wanted in [3, 9, 15] {
        let mut child = program()
            .args(&long)
            .args(args)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begin = Instant::now();
        while stored(&second) < wanted && begin.elapsed() < Duration::from_secs(60) {
            if child.try_wait().unwrap().is_some() {
                break;
            }
            sleep(Duration::from_millis(1));
        }
        // SIGKILL: nothing can be tidied up.
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
    }
    assert!(killed > 0, "no run was under way when it was killed");
    run(&long, &args);
    let merged = folder("merged");
    let merge = ["sweep", "merge", &text(&second), &text(&first)];
    run(&merge, &["-q", "--out", &text(&merged)]);
    assert!(files(&merged) == files(&whole), "the files differ");
}

#[test]
fn wrong_parts_are_refused_before_anything_is_run() {
    fails(&["sweep", "device-latency", "--shard", "1/2"], &["--out"]);
    for shard in ["0/2", "3/2", "1", "1/0", "x/2"] {
        let args = ["sweep", "device-latency", "--out", "x", "--shard", shard];
        fails(&args, &["expected K/N with K from 1 to N"]);
    }
    fails(&["sweep", "merge"], &["DIR"]);
    fails(&["sweep"], &["SCENARIO"]);
    assert!(!Path::new("x").exists());
}
