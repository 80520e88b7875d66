//! To begin with: a file of one's own, standard input, and what is meant by what was typed.

use std::fs;
use std::path::Path;

use crate::kit::{printed, program, with_input};

/// Status, standard output, standard error.
fn apfsim(args: &[&str], folder: &Path) -> (Option<i32>, String, String) {
    let output = program().args(args).current_dir(folder).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[track_caller]
fn fails(args: &[&str], parts: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let (status, stdout, stderr) = apfsim(args, folder.path());
    assert_eq!((status, stdout.as_str()), (Some(2), ""), "{args:?}: {stderr}");
    for part in parts {
        assert!(stderr.contains(part), "{args:?}: no `{part}` in {stderr}");
    }
}

#[test]
fn a_new_scenario_runs_and_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    for kind in ["compute", "requests", "restore"] {
        let file = format!("{kind}.json");
        let sizes =
            ["--memory", "64MiB", "--limit", if kind == "restore" { "64MiB" } else { "24MiB" }];
        let args = [&["new", &file, "--kind", kind, "--vcpus", "2", "--yes"], &sizes[..]].concat();
        let (status, _, stderr) = apfsim(&args, folder.path());
        assert_eq!(status, Some(0), "{stderr}");
        let before = fs::read_to_string(folder.path().join(&file)).unwrap();
        let run = ["run", &file, "-q", "--duration", "60ms", "--set", "warmup=0s"];
        let shown = printed(program().args(run).current_dir(folder.path()));
        assert!(shown.contains("Invariants: ") && !shown.contains("violation"), "{kind}: {shown}");
        let (status, _, stderr) = apfsim(&args, folder.path());
        assert_eq!(status, Some(2), "{stderr}");
        assert!(stderr.contains("is there already"), "{stderr}");
        assert_eq!(fs::read_to_string(folder.path().join(&file)).unwrap(), before);
    }
    fails(&["new", "x.json", "--memory", "64MB", "--yes"], &["64MB"]);
    fails(&["new", "x.json", "--device", "nvme-tlc-gen4", "--yes"], &["nvme-tlc-gen3"]);
    fails(&["new", "x.json", "--host-kernel", "linux-6.11", "--yes"], &["`linux-6.6`"]);
}

/// The path of a device's file is typed as seen from here, and written as seen from the scenario. Requests come no
/// faster than the device can serve them under the first policy.
#[test]
fn a_new_scenario_has_the_device_that_was_named_and_is_not_overloaded() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("sub/deep")).unwrap();
    fs::create_dir(folder.path().join("devices")).unwrap();
    let file = serde_json::json!({
        "name": "own", "summary": "a test's", "device": { "preset": "cloud-gp3" },
    });
    fs::write(folder.path().join("devices/own.json"), file.to_string()).unwrap();
    for (file, device, seen) in [
        ("sub/deep/a.json", "devices/own.json", "../../devices/own.json"),
        ("b.json", "devices/own.json", "devices/own.json"),
        ("sub/c.json", "hdd-7200", "hdd-7200"),
    ] {
        let new = ["new", file, "--kind", "requests", "--device", device, "--yes"];
        let sizes = ["--memory", "64MiB", "--limit", "24MiB", "--vcpus", "2"];
        let (status, _, stderr) = apfsim(&[&new[..], &sizes].concat(), folder.path());
        assert_eq!(status, Some(0), "{stderr}");
        let text = fs::read_to_string(folder.path().join(file)).unwrap();
        assert!(text.contains(&format!("\"device\": \"{seen}\"")), "{text}");
        let run = ["run", file, "--policy", "sync", "-q", "--format", "json"];
        let shown = printed(program().args(run).current_dir(folder.path()));
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        let metric = |name: &str| {
            let mean = &shown["policies"][0]["metrics"][name]["mean"];
            mean.as_f64().unwrap_or_else(|| panic!("no {name}"))
        };
        let (arrived, served) = (metric("request_arrivals"), metric("requests"));
        assert!(served > 0.9 * arrived, "{device}: {arrived} {served}");
    }
}

#[test]
fn standard_input_is_a_scenario_or_a_sweep() {
    let text = printed(program().args(["show", "smoke"]));
    let more = ["-q", "--duration", "20ms", "--format", "json"];
    let named = printed(program().args(["compare", "smoke"]).args(more));
    let read = with_input(program().args(["compare", "-"]).args(more), text.as_bytes());
    assert_eq!(String::from_utf8(read.stdout).unwrap(), named);
    let both = with_input(
        program().args(["diff", "-", "-", "--duration", "20ms", "--format", "json"]),
        text.as_bytes(),
    );
    assert_eq!(both.status.code(), Some(0), "{}", String::from_utf8_lossy(&both.stderr));
    let axis = ["sweep", "-", "--axis", "guest.hz=100,250", "--duration", "20ms", "-q"];
    let swept = with_input(program().args(axis), text.as_bytes());
    assert_eq!(swept.status.code(), Some(0), "{}", String::from_utf8_lossy(&swept.stderr));
    let wrong = with_input(program().args(["compare", "-"]), b"{ \"format\": 1, \"nam\": 2 }");
    let error = String::from_utf8(wrong.stderr).unwrap();
    assert!(error.contains("standard input:1:"), "{error}");
}

#[test]
fn what_is_meant_is_said() {
    fails(&["compare", "device-latency"], &["it is a sweep: `apfsim sweep device-latency`"]);
    fails(&["compare", "smoke", "--policy", "v6.12"], &["did you mean `apf-v6.12`"]);
    fails(&["compare", "smoke", "--policy", "apf-v9.9"], &["did you mean `apf-v7.3`"]);
    let kernel = |name: &str| format!("host.kernel={name}");
    for (given, meant) in
        [("linux-6.11", "linux-6.6"), ("v5.12", "linux-5.10"), ("linux-2.6.32", "linux-2.6.36")]
    {
        let meant = format!("did you mean `{meant}`");
        fails(&["run", "smoke", "--set", &kernel(given)], &[&meant]);
    }
    let folder = tempfile::tempdir().unwrap();
    let sweep = printed(program().args(["show", "device-latency"]));
    fs::write(folder.path().join("s.json"), sweep).unwrap();
    let (status, _, stderr) = apfsim(&["run", "s.json"], folder.path());
    assert_eq!(status, Some(2));
    assert!(
        stderr.contains("this is a sweep") && stderr.contains("apfsim sweep s.json"),
        "{stderr}"
    );
}

#[test]
fn policies_stand_between_commas() {
    let short = ["-q", "--duration", "20ms"];
    let many = ["compare", "smoke", "--policy", "sync", "--policy", "halt"];
    let one = ["compare", "smoke", "--policy", "sync,halt"];
    assert_eq!(printed(program().args(many).args(short)), printed(program().args(one).args(short)));
}

#[test]
fn a_folder_of_other_runs_is_taken_where_it_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let run = |duration: &str, more: &[&str]| {
        let args = ["run", "smoke", "-q", "--out", "o", "--duration", duration];
        apfsim(&[&args[..], more].concat(), folder.path())
    };
    assert_eq!(run("20ms", &[]).0, Some(0));
    let (status, _, stderr) = run("30ms", &[]);
    assert_eq!(status, Some(2));
    assert!(stderr.contains("--overwrite"), "{stderr}");
    assert_eq!(run("30ms", &["--overwrite"]).0, Some(0));
    assert_eq!(run("30ms", &[]).0, Some(0), "they are there now");
    fails(&["run", "smoke", "--overwrite"], &["--out"]);
}

/// What is wrong at several places is told in one go, each with its line.
#[test]
fn all_mistakes_of_a_file_are_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let text = printed(program().args(["show", "smoke"]));
    let wrong = text
        .replace("\"read_ahead\": 8", "\"read_ahead\": 7")
        .replace("\"seed\": 1", "\"sead\": 1")
        .replace("\"replications\": 2", "\"replications\": 0");
    fs::write(folder.path().join("w.json"), wrong).unwrap();
    let (status, _, stderr) = apfsim(&["compare", "w.json"], folder.path());
    assert_eq!(status, Some(2));
    assert_eq!(stderr.matches("error: w.json:").count(), 3, "{stderr}");
    assert!(stderr.matches('^').count() >= 3, "{stderr}");
}
