//! `apfsim fit device` from outside: files that fio made of a virtual machine's disk.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::kit::{printed, program, with_input};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/fio");

fn fit(files: &[&str]) -> Value {
    let mut command = program();
    command.current_dir(FOLDER).args(["fit", "device"]).args(files).args(["--format", "json"]);
    serde_json::from_str(&printed(&mut command)).unwrap()
}

/// The device answers at the depth of the file as the file has it: percentiles from the first to
/// the 99.9th, and the mean, within 5 %.
#[track_caller]
fn within_five_percent(report: &Value, kinds: &[(&str, u64)]) {
    let rows = report["rows"].as_array().unwrap();
    for row in rows {
        let far = row["quantile"].as_str().unwrap().trim_start_matches('p').parse::<f64>();
        if far.is_ok_and(|percent| percent > 99.9) {
            continue;
        }
        assert!(row["error"].as_f64().unwrap().abs() < 0.05, "{row}");
    }
    for &(direction, depth) in kinds {
        let own = rows.iter().filter(|row| row["direction"] == direction && row["depth"] == depth);
        assert!(own.count() > 10, "{direction} {depth}");
    }
}

#[test]
fn a_device_answers_as_fio_measured_it() {
    within_five_percent(&fit(&["read-depth-1-bins.txt"]), &[("read", 1)]);
    // Its 99.5th percentile is 130 us, its 99.9th 4 ms.
    within_five_percent(&fit(&["read-depth-1-plain.json"]), &[("read", 1)]);
    let kinds = [("read", 1), ("read", 16), ("write", 1)];
    within_five_percent(&fit(&["reads-and-writes.json"]), &kinds);
    within_five_percent(&fit(&["mixed-with-terse.txt"]), &[("read", 1), ("write", 1)]);
    let both = fit(&["read-depth-1-bins.txt", "four-jobs.json"]);
    within_five_percent(&both, &[("read", 1), ("read", 4)]);
}

#[test]
fn four_jobs_at_once_are_no_service_times() {
    let output = program().current_dir(FOLDER).args(["fit", "device", "four-jobs.json"]).output();
    let output = output.unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("measured at depth 4 only") && error.contains("help: "), "{error}");
}

/// 32 at once and 50 ms of idle time: 1.3 are under way on average over all time, and each waits for others.
#[test]
fn bursts_are_no_service_times() {
    let output =
        program().current_dir(FOLDER).args(["fit", "device", "bursts-of-32.json"]).output();
    let output = output.unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("measured at depth 17 only"), "{error}");
    let both = fit(&["read-depth-1-plain.json", "bursts-of-32.json"]);
    within_five_percent(&both, &[("read", 1), ("read", 17)]);
}

/// The written file is named by a scenario beside it, and its changes by a sweep.
#[test]
fn scenarios_name_the_device_that_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let device = folder.path().join("disk.json");
    let file = Path::new(FOLDER).join("reads-and-writes.json");
    let text = printed(program().args(["fit", "device"]).arg(file).arg("-o").arg(&device));
    assert!(text.lines().all(|line| line.chars().count() <= 78), "{text}");
    let scenario = printed(program().args(["show", "smoke"]));
    let at = scenario.find("\"device\":").unwrap();
    let end = scenario[at..].find('}').unwrap() + at + 1;
    let put = |device: &str| format!("{}\"device\": {device}{}", &scenario[..at], &scenario[end..]);
    let path = folder.path().join("mine.json");
    let mut hashes = Vec::new();
    for device in ["\"disk.json\"", "{ \"preset\": \"disk.json\", \"channels\": 3 }"] {
        fs::write(&path, put(device)).unwrap();
        let mut command = program();
        command.args(["run"]).arg(&path).args(["--format", "json"]);
        let run: Value = serde_json::from_str(&printed(&mut command)).unwrap();
        hashes.push(run["scenario_hash"].as_str().unwrap().to_owned());
    }
    assert_ne!(hashes[0], hashes[1]);
    fs::write(&path, put("\"none.json\"")).unwrap();
    let output = program().arg("run").arg(&path).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("cannot read") && error.contains("none.json"), "{error}");
}

#[test]
fn a_file_that_is_there_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let device = folder.path().join("disk.json");
    fs::write(&device, "mine").unwrap();
    let fit = |more: &[&str]| {
        let mut command = program();
        command.current_dir(FOLDER).args(["fit", "device", "read-depth-1-bins.txt", "-q", "-o"]);
        command.arg(&device).args(more).output().unwrap()
    };
    let refused = fit(&[]);
    let error = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{error}");
    assert!(error.contains("is there already") && error.contains("--overwrite"), "{error}");
    assert_eq!(fs::read_to_string(&device).unwrap(), "mine");
    assert!(fit(&["--overwrite"]).status.success());
    assert!(fs::read_to_string(&device).unwrap().contains("\"channels\""));
}

/// What fio wrote is told from a device's file, by whatever way a scenario names it.
#[test]
fn a_result_of_fio_is_no_device() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(Path::new(FOLDER).join("four-jobs.json"), folder.path().join("raw.json")).unwrap();
    let device = "host.swap.device=raw.json";
    let scenario = folder.path().join("kv.json");
    fs::write(&scenario, printed(program().args(["show", "smoke"]))).unwrap();
    let run = program().arg("run").arg(&scenario).args(["--set", device]).output().unwrap();
    let error = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(2), "{error}");
    assert!(error.contains("`raw.json` is a result of fio"), "{error}");
    assert!(error.contains("apfsim fit device raw.json"), "{error}");
    // A device's file that is broken is named itself.
    fs::write(folder.path().join("raw.json"), "{\n \"name\": \"x\", \"sumary\": \"\" }").unwrap();
    let run = program().arg("run").arg(&scenario).args(["--set", device]).output().unwrap();
    let error = String::from_utf8(run.stderr).unwrap();
    assert!(error.contains("raw.json:2:") && !error.contains("kv.json"), "{error}");
}

#[test]
fn standard_input_is_read_too() {
    let text = fs::read(Path::new(FOLDER).join("read-depth-1-bins.txt")).unwrap();
    let mut command = program();
    let output = with_input(command.args(["fit", "device", "-", "-q"]), &text);
    assert!(output.status.success());
    assert!(
        String::from_utf8(output.stdout).unwrap().contains("standard input")
            || output.stderr.is_empty()
    );
}
