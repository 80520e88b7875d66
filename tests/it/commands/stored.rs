//! What is written stays true: files appear complete or not at all, folders belong to one process,
//! and what was edited is not believed.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};

use scenarios::run::plan::replication_seed;
use serde_json::{Value, json};

use crate::kit::{PROGRAM, program};

fn apfsim(args: &[&str], folder: &Path) -> Output {
    program().args(args).current_dir(folder).output().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The command ends with 2 and says so with these words.
#[track_caller]
fn refused(args: &[&str], folder: &Path, words: &[&str]) -> String {
    let output = apfsim(args, folder);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {told}");
    for word in words {
        assert!(told.contains(word), "{args:?}: no `{word}` in: {told}");
    }
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const RUN: [&str; 6] = ["run", "closed-form", "--policy", "sync", "-q", "--out"];

/// Every command that writes, with a file of the folder `d` where it takes one.
const WRITERS: [&[&str]; 12] = [
    &["run", "closed-form", "--out", "d"],
    &["run", "closed-form", "--trace", "d/trace.txt"],
    &["run", "closed-form", "--out", "other", "--trace", "d/trace.txt.gz"],
    &["compare", "closed-form", "--out", "d"],
    &["sweep", "closed-form", "--axis", "guest.hz=100", "--out", "d"],
    &["anatomy", "closed-form", "--out", "d"],
    &["test", "closed-form", "--junit", "d/results.xml"],
    &["explore", "--vcpus", "1", "--out", "d/known.json"],
    &["explore", "--vcpus", "1", "--trace", "d/way.txt"],
    &["zoo", "H03", "--trace", "d/h03.txt"],
    &["check", "log.txt", "--out", "d"],
    &["fit-scenario", "log.txt", "--no-run", "-o", "d/host.json"],
];

/// A log that a simulated kernel wrote.
fn log(folder: &Path) {
    let output = apfsim(&["run", "smoke", "--trace", "log.txt", "-q"], folder);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[cfg(unix)]
#[test]
fn every_command_keeps_out_of_a_folder_that_another_one_fills() {
    let folder = tempfile::tempdir().unwrap();
    log(folder.path());
    let d = folder.path().join("d");
    fs::create_dir(&d).unwrap();
    let lock = File::open(&d).unwrap();
    lock.lock().unwrap();
    for args in WRITERS {
        refused(args, folder.path(), &["another apfsim is writing to", "d`"]);
    }
    assert!(names(&d).is_empty());
    drop(lock);
    // Adding runs locks the file of runs, which is enough to keep single files out.
    let runs = File::create(d.join("runs.jsonl")).unwrap();
    runs.lock().unwrap();
    refused(WRITERS[1], folder.path(), &["another apfsim is writing to"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_with_the_file_after_the_result() {
    let folder = tempfile::tempdir().unwrap();
    log(folder.path());
    for (args, result) in [
        (&["run", "closed-form", "--trace", "/dev/full"][..], ""),
        (&["test", "closed-form", "--junit", "/dev/full"], "1 ok, 0 failed"),
        (&["explore", "--vcpus", "1", "--out", "/dev/full"], "exhaustive"),
        (&["zoo", "H03", "--trace", "/dev/full"], ""),
        (&["fit-scenario", "log.txt", "--no-run", "-o", "/dev/full"], "scenario"),
    ] {
        let printed = refused(args, folder.path(), &["/dev/full", "No space left on device"]);
        assert!(printed.contains(result), "{args:?}: {printed}");
    }
    assert_eq!(names(folder.path()), ["log.txt"]);
}

/// A device in the place of a file may never end.
#[cfg(target_os = "linux")]
#[test]
fn a_device_in_a_folder_of_results_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let d = folder.path().join("d");
    for (file, args) in [
        ("runs.jsonl", &["compare", "smoke", "--duration", "1ms", "--out", "d"][..]),
        ("table.txt", &["report", "d"]),
        ("shard.json", &["sweep", "merge", "d"]),
    ] {
        for device in ["/dev/zero", "/dev/full"] {
            fs::create_dir(&d).unwrap();
            std::os::unix::fs::symlink(device, d.join(file)).unwrap();
            refused(args, folder.path(), &[file, "it is no regular file"]);
            fs::remove_dir_all(&d).unwrap();
        }
    }
}

/// A limit on the size of files acts like a disk that is full in the middle of a file.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_does_not_fit_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let limited = |blocks: u32, args: &str| {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" {args}");
        let mut shell = Command::new("sh");
        let shell = shell.arg("-c").arg(script).arg(PROGRAM).current_dir(folder.path());
        let output = shell.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    fs::write(folder.path().join("t.txt"), "an older trace").unwrap();
    let (status, told) = limited(16, "run smoke --trace t.txt");
    assert_eq!(status, Some(2), "{told}");
    assert!(told.contains("cannot write the trace `t.txt`"), "{told}");
    assert_eq!(fs::read_to_string(folder.path().join("t.txt")).unwrap(), "an older trace");
    assert_eq!(names(folder.path()), ["t.txt"]);

    // No run fits, so that none is kept.
    let (status, told) = limited(1, "compare smoke -j 1 --replications 1 -q --out d");
    assert_eq!(status, Some(2), "{told}");
    assert!(told.contains("d/runs.jsonl`") && !told.contains("kept"), "{told}");
    // Runs that fit are kept, and go on where there is room again.
    let one = ["compare", "smoke", "--policy", "sync", "--replications", "1", "--out", "d"];
    assert_eq!(apfsim(&one, folder.path()).status.code(), Some(0));
    let (status, told) = limited(1, "compare smoke -j 1 --replications 1 -q --out d");
    assert_eq!(status, Some(2), "{told}");
    assert!(told.contains("d/runs.jsonl`") && told.contains("finished runs are kept"), "{told}");
    let text = fs::read_to_string(folder.path().join("d/runs.jsonl")).unwrap();
    assert!(text.ends_with('\n'), "no part of a line: {text:?}");
    let output = apfsim(&["compare", "smoke", "--replications", "1", "--out", "d"], folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!names(&folder.path().join("d")).iter().any(|name| name.ends_with(".part")));
}

#[test]
fn a_killed_command_leaves_no_half_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program();
    command.args(["run", "natapov-2010", "--trace", "d/t.txt", "-q", "--out", "d"]);
    let mut child = command.current_dir(folder.path()).spawn().unwrap();
    let d = folder.path().join("d");
    let begun = || d.is_dir() && names(&d).iter().any(|name| name.ends_with(".part"));
    while !begun() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it began to write");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!d.join("t.txt").exists());
    // Whoever fills the folder next cleans it up.
    let output = apfsim(&[&RUN[..], &["d"]].concat(), folder.path());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("runs.jsonl` holds runs of"), "{told}");
    assert!(!begun(), "{:?}", names(&d));
}

#[test]
fn no_flipped_digit_of_a_baseline_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let base = ["explore", "--rules", "v6.12", "--vcpus", "1", "--with", "smi"];
    let output = apfsim(&[&base[..], &["--out", "known.json"]].concat(), folder.path());
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let known = |file: &str| {
        let args = [&base[..], &["-q", "--baseline", file]].concat();
        apfsim(&args, folder.path()).status.code()
    };
    assert_eq!(known("known.json"), Some(0));
    let text = fs::read_to_string(folder.path().join("known.json")).unwrap();
    let digits: Vec<usize> =
        text.bytes().zip(0..).filter(|(byte, _)| byte.is_ascii_digit()).map(|(_, at)| at).collect();
    for number in 0..200 {
        let drawn = replication_seed(11, number);
        let at = digits[(drawn % digits.len() as u64) as usize];
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] = b'0' + (bytes[at] - b'0' + 1 + (drawn >> 32) as u8 % 9) % 10;
        fs::write(folder.path().join("flipped.json"), bytes).unwrap();
        assert_eq!(known("flipped.json"), Some(2), "byte {at}");
    }
    // Laid out anew it is the same; a list by hand is whatever its writer says.
    let value: Value = serde_json::from_str(&text).unwrap();
    fs::write(folder.path().join("compact.json"), value.to_string()).unwrap();
    assert_eq!(known("compact.json"), Some(0));
    fs::write(folder.path().join("list.json"), value["findings"].to_string()).unwrap();
    assert_eq!(known("list.json"), Some(0));
    fs::write(folder.path().join("old.json"), json!({ "format": 1, "findings": [] }).to_string())
        .unwrap();
    assert_eq!(known("old.json"), Some(2));
}

#[test]
fn the_long_version_names_the_build() {
    let folder = tempfile::tempdir().unwrap();
    let told = |arg| String::from_utf8(apfsim(&[arg], folder.path()).stdout).unwrap();
    assert_eq!(told("-V"), format!("apfsim {}\n", scenarios::VERSION));
    assert_eq!(
        told("--version"),
        format!("apfsim {}\nbuild {}\n", scenarios::VERSION, scenarios::BUILD)
    );
    assert!(scenarios::BUILD.len() == 32 && scenarios::BUILD != "0".repeat(32));
}
