//! `apfsim anatomy` from outside.

use std::fs;
use std::process::Output;

use serde_json::Value;

use crate::kit::program;

fn run(args: &[&str]) -> Output {
    program().arg("anatomy").args(args).output().unwrap()
}

#[track_caller]
fn fine(args: &[&str]) -> String {
    let output = run(args);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), error.as_str()), (Some(0), ""), "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn fails(args: &[&str], parts: &[&str]) {
    let output = run(args);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
    assert!(output.stdout.is_empty(), "{args:?}");
    for part in parts {
        assert!(error.contains(part), "{args:?}: no `{part}` in:\n{error}");
    }
    assert!(!error.contains("internal error"), "{error}");
}

/// Each fault that is shown: policy and pick, and its text.
fn faults(shown: &str) -> Vec<(String, String)> {
    let mut faults: Vec<(String, String)> = Vec::new();
    for line in shown.lines() {
        if line.ends_with(" major faults are not slower)") {
            let (name, _) = line.split_once(": ").unwrap();
            faults.push((name.to_owned(), String::new()));
        }
        if let Some((_, text)) = faults.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    faults
}

/// The median of each policy as it is shown, and that there is as much of all others. The last lines
/// are left out: digests change with every change of the model.
#[test]
fn smoke_is_shown_as_text() {
    let text = fine(&["smoke", "-q", "--duration", "200ms"]);
    let (shown, digests) = text.split_once("\napfsim ").unwrap();
    assert!(digests.contains("scenario smoke (") && digests.matches("digest").count() >= 2);
    for line in shown.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    let (shown, legend) = shown.split_at(shown.find("Offsets count from").unwrap());
    insta::assert_snapshot!("legend", legend);
    let faults = faults(shown);
    let names: Vec<&str> = faults.iter().map(|(name, _)| name.as_str()).collect();
    let expected = ["median", "p99", "worst"]
        .iter()
        .flat_map(|pick| ["sync", "halt", "apf-v2.6.39"].map(|policy| format!("{policy}, {pick}")));
    assert_eq!(names, expected.collect::<Vec<_>>());
    for (name, text) in &faults {
        for part in ["\n  latency  ", "\nstep     offset (us)", "leaves guest mode: EPT violation"]
        {
            assert!(text.contains(part), "{name} has no `{part}`: {text}");
        }
        assert!(text.trim_end().ends_with("the access goes through"), "{text}");
    }
    for (name, text) in &faults[..3] {
        insta::assert_snapshot!(name.replace(", ", "-"), text);
    }
}

#[test]
fn the_same_command_gives_the_same_bytes() {
    let args = ["smoke", "-q", "--duration", "50ms", "--format", "json"];
    assert_eq!(fine(&args), fine(&args));
}

#[test]
fn json_has_every_step_and_parts_that_add_up() {
    let args = ["smoke", "-q", "--duration", "100ms", "--format", "json", "--policy", "sync"];
    let args = [&args[..], &["--policy", "apf-v7-2010", "--pick", "worst", "--pick", "median"]];
    let value: Value = serde_json::from_str(&fine(&args.concat())).unwrap();
    let policies = value["policies"].as_array().unwrap();
    let names: Vec<&Value> = policies.iter().map(|policy| &policy["policy"]).collect();
    assert_eq!(names, ["sync", "apf-v7-2010"]);
    for fault in policies.iter().flat_map(|policy| policy["faults"].as_array().unwrap()) {
        let parts = fault["parts"].as_array().unwrap();
        let sum: u64 = parts.iter().map(|part| part["ps"].as_u64().unwrap()).sum();
        assert_eq!(Some(sum), fault["latency_ps"].as_u64());
        let steps = fault["steps"].as_array().unwrap();
        assert_eq!(steps[0]["records"][0], "kvm_exit");
        assert_eq!(steps[steps.len() - 1]["text"], "the access goes through");
        assert_eq!(steps[steps.len() - 1]["offset_ps"], fault["latency_ps"]);
    }
    let picks: Vec<&Value> =
        policies[0]["faults"].as_array().unwrap().iter().map(|fault| &fault["pick"]).collect();
    assert_eq!(picks, ["median", "worst"]);
}

#[test]
fn files_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a/b");
    let printed = fine(&[
        "smoke",
        "-q",
        "--duration",
        "50ms",
        "--pick",
        "p99",
        "--out",
        out.to_str().unwrap(),
    ]);
    let mut names: Vec<_> = fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let own = ["anatomy-p99.png", "anatomy-p99.svg", "anatomy.json", "anatomy.txt"];
    assert_eq!(names, [&own[..], &["report.html", "scenario.json"]].concat());
    assert_eq!(fs::read_to_string(out.join("anatomy.txt")).unwrap(), printed);
}

/// The page of a folder is of one scenario, with one seed.
#[test]
fn an_anatomy_is_not_mixed_with_results_of_other_runs() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let compared = ["compare", "smoke", "-q", "--duration", "50ms", "--policy", "sync,apf-v6.12"];
    let compare = |args: &[&str]| {
        let output = program().args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let table = compare(&[&compared[..], &["--seed", "3", "--out", out]].concat());
    let kept = fs::read_to_string(folder.path().join("scenario.json")).unwrap();
    let same = ["smoke", "-q", "--duration", "50ms", "--seed", "3", "--out", out];
    let other = "holds results of another scenario, or of other settings or another seed";
    fails(&["smoke", "-q", "--duration", "50ms", "--out", out], &[other]);
    fails(&[&same[..], &["--set", "host.swap.read_ahead=1"]].concat(), &[other]);
    fails(&["kv-tail", "-q", "--duration", "50ms", "--out", out], &[other]);
    fine(&same);
    assert_eq!(fs::read_to_string(folder.path().join("scenario.json")).unwrap(), kept);
    // What is kept gives the same runs without a word on the command line.
    let file = folder.path().join("scenario.json");
    assert_eq!(compare(&["compare", file.to_str().unwrap(), "-q"]), table);
}

#[test]
fn mistakes_are_told() {
    fails(&["smoke", "--policy", "apf-v8"], &["there is no policy `apf-v8`", "did you mean"]);
    fails(&["smokes"], &["`smokes`", "smoke"]);
    fails(&["smoke", "--pick", "best"], &["best", "median, p90, p99, p999, worst"]);
    fails(&["smoke", "--request"], &["no request ended in", "`request`", "\"passes\""]);
    fails(&["smoke", "--duration", "0s"], &["--duration", "longer than 0"]);
    fails(&["smoke", "--duration", "2"], &["--duration"]);
    fails(
        &["smoke", "--duration", "1us", "-q"],
        &["no major fault began and ended in 1us of `smoke` under `sync`", "longer --duration"],
    );
}
