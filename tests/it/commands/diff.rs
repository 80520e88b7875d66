//! `apfsim diff` from outside.

use serde_json::Value;

use crate::kit::program;

/// What a diff of short runs of the smoke scenario prints, and its exit status.
fn diff(args: &[&str]) -> (String, Option<i32>) {
    let output =
        program().args(["diff", "smoke", "--duration", "50ms"]).args(args).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(error, "", "{args:?}");
    (String::from_utf8(output.stdout).unwrap(), output.status.code())
}

fn object(args: &[&str]) -> (Value, Option<i32>) {
    let (text, status) = diff(&[args, &["--format", "json"]].concat());
    (serde_json::from_str(&text).unwrap(), status)
}

#[test]
fn equal_runs_end_with_zero() {
    let (text, status) = diff(&["--no-skip-b", "--queue-b", "reference"]);
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("No setting differs") && text.contains("The runs are equal"), "{text}");
    // A setting that no policy asks for.
    let (found, status) = object(&["--policy", "sync", "--set-b", "guest.send_always=true"]);
    assert_eq!(status, Some(0), "{found}");
    assert_eq!(found["settings"].as_array().unwrap().len(), 1);
}

#[test]
fn a_setting_is_named_with_what_it_changes_first() {
    let (found, status) = object(&["--policy", "sync", "--set-b", "host.swap.read_ahead=1"]);
    assert_eq!(status, Some(1));
    let settings = found["settings"].as_array().unwrap();
    assert_eq!(settings.len(), 1);
    assert_eq!(settings[0]["setting"], "host.swap.read_ahead");
    assert_eq!((&settings[0]["a"], &settings[0]["b"]), (&"8".into(), &"1".into()));
    let first = &found["difference"];
    assert!(first["a"] != first["b"]);
    // The device is read while the memory fills, already.
    assert_eq!(first["phase"], "prefill");
    let before = first["history"].as_array().unwrap();
    assert!(!before.is_empty());
    let same = found["same_records"].as_u64().unwrap();
    assert!(before.iter().all(|step| step["number"].as_u64().unwrap() < same));
}

#[test]
fn text_says_the_same() {
    let args = ["--policy-a", "sync", "--policy-b", "halt", "--history", "3"];
    let (text, status) = diff(&args);
    assert_eq!(status, Some(1));
    let (found, _) = object(&args);
    let first = &found["difference"];
    for mark in ["a", "b"] {
        let record = first[mark].as_str().unwrap();
        assert!(text.contains(&format!("{}  {record}\n", mark.to_uppercase())), "{text}");
    }
    for line in text.lines().filter(|line| !line.contains(": ")) {
        assert!(line.chars().count() <= 100, "{line}");
    }
    assert!(text.contains("host_async") && text.contains("goes on with"), "{text}");
}

#[test]
fn what_cannot_be_run_ends_with_two() {
    for (args, part) in [
        (&["smok"][..], "did you mean `smoke`"),
        (&["smoke", "--policy-b", "haltt"], "haltt"),
        (&["smoke", "--set-a", "host.swap.read_ahed=1"], "read_ahead"),
        (&["smoke", "nothing.json"], "nothing.json"),
    ] {
        let output = program().arg("diff").args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(part), "{args:?}: {error}");
    }
}
