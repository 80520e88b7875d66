//! Fields of a scenario that a command line changes.

use std::fs;

use tempfile::TempDir;

use crate::kit::program;

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let output = program().args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The last line of a table has the hash of the scenario, its seed and the digest of its runs.
#[track_caller]
fn identity(args: &[&str]) -> String {
    let (code, out, error) = run(args);
    assert_eq!(code, Some(0), "{args:?}: {error}");
    out.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn a_field_set_on_the_command_line_is_as_if_the_file_said_so() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("smoke.json").to_str().unwrap().to_owned();
    let (_, text, _) = run(&["show", "smoke"]);
    let changed = text.replacen("\"duration\": \"1s\"", "\"duration\": \"50ms\"", 1).replacen(
        "\"cpus\": 6,",
        "\"cpus\": 2,",
        1,
    );
    fs::write(&path, changed).unwrap();
    let sync = ["--policy", "sync", "-q"];
    let of_file = identity(&[&["compare", &path], &sync[..]].concat());
    let set = ["compare", "smoke", "--set", "host.cpus=2", "--duration", "50ms"];
    assert_eq!(identity(&[&set[..], &sync].concat()), of_file);
    let plain = ["compare", "smoke", "--duration", "50ms"];
    assert_ne!(identity(&[&plain[..], &sync].concat()), of_file);
    // One policy alone, and a sweep of which it is the only point, have the change too.
    let row = |args: &[&str]| run(&[args, &["--format", "csv", "-q"]].concat()).1;
    let with = row(&["run", "smoke", "--policy", "sync", "--duration", "50ms"]);
    assert_ne!(with, row(&["run", "smoke", "--policy", "sync", "--duration", "60ms"]));
    let (code, _, error) = run(&[
        "sweep",
        "smoke",
        "--axis",
        "guest.hz=100",
        "--set",
        "duration=9s",
        "--duration",
        "20ms",
    ]);
    assert_eq!(code, Some(2));
    assert!(error.contains("this replaces the value of `duration`"), "{error}");
}

#[test]
fn a_wrong_setting_is_told_at_its_place() {
    for (set, told) in [
        ("host.swp=3", "--set:1:1: `host.swp` is no field of a scenario"),
        ("x", "--set:1:1: there is no `=` in it"),
        ("host.swap.read_ahead=3", "--set:1:22: with this value, `host.swap.read_ahead`: 3 is not"),
        ("workload.tasks[nobody].count=2", "nobody"),
    ] {
        for command in ["compare", "run", "anatomy"] {
            let (code, out, error) = run(&[command, "smoke", "--set", set]);
            assert_eq!((code, out.as_str()), (Some(2), ""), "{command} {set}");
            assert!(error.contains(told), "{command} {set}: {error}");
        }
    }
}
