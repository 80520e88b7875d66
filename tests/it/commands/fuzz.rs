//! `apfsim fuzz` from outside.

use std::fs;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::kit::program;

fn run(args: &[&str]) -> Output {
    program().arg("fuzz").args(args).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn seeds_are_counted_and_the_same_program_agrees_with_itself() {
    let program = env!("CARGO_BIN_EXE_apfsim");
    let args = ["--seeds", "0..12", "--events", "5000", "--against", program, "--share", "50"];
    let output = run(&[&args[..], &["--format", "json", "--quiet"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    assert_eq!(stderr(&output), "");
    let value: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(value["scenarios"], 12);
    assert_eq!(value["next_seed"], 12);
    assert_eq!(value["ended_early"], false);
    assert!(value["against"].as_u64().unwrap() > 0, "{value}");
    assert_eq!(value["failed"]["difference"], 0);
    let table = stdout(&run(&args));
    assert!(table.starts_with("seeds 0 to 11\n"), "{table}");
    assert!(table.lines().all(|line| line.len() <= 78), "{table}");
}

/// A program that answers something else, as another build might.
#[cfg(unix)]
#[test]
fn what_fails_is_made_small_and_written_down() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = TempDir::new().unwrap();
    let other = folder.path().join("other");
    fs::write(&other, "#!/bin/sh\necho '{\"digest\": \"0\"}'\n").unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).unwrap();
    let out = folder.path().join("out");
    let output = run(&[
        "--seeds",
        "1..9",
        "--events",
        "2000",
        "--against",
        other.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(1), "{}{}", stdout(&output), stderr(&output));
    // The first seed whose runs are short enough to be compared.
    let file = (1..9).map(|seed| (seed, out.join(format!("fuzz-{seed}-build.json"))));
    let (seed, file) = file.into_iter().find(|(_, file)| file.exists()).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    let first = format!("// The smallest scenario found that fails as seed {seed} of");
    assert!(text.starts_with(&first), "{text}");
    assert!(
        text.contains(&format!("// Again: apfsim fuzz --seeds {seed}..{}", seed + 1)),
        "{text}"
    );
    // Next to nothing is needed to fail so; and what is left is a scenario.
    assert!(text.lines().count() < 40, "{text}");
    let again = program().arg("run").arg(file).output().unwrap();
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
}

#[test]
fn a_seed_is_printed_as_a_scenario() {
    let output = run(&["--print", "3"]);
    assert_eq!(output.status.code(), Some(0));
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("printed.json");
    fs::write(&path, &output.stdout).unwrap();
    assert!(scenarios::Scenario::load(path.to_str().unwrap()).is_ok());
}

#[test]
fn bad_usage_says_what_would_be_right() {
    for (args, part) in [
        (&["--seeds", "5"][..], "seeds such as `0..1000`"),
        (&["--seeds", "5..5"], "seeds such as `0..1000`"),
        (&["--seeds", "5.."], "need `--minutes`"),
        (&["--against", "/no/such/program"], "there is no program"),
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(stderr(&output).contains(part), "{args:?}: {}", stderr(&output));
    }
}
