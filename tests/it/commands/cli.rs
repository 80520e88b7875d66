//! The command line from outside: what is printed where, and how it ends.

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::kit::program;

fn run(args: &[&str]) -> Output {
    program().args(args).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs a command that must succeed with nothing on standard error, and gives its output.
#[track_caller]
fn fine(args: &[&str]) -> String {
    let output = run(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
    assert_eq!(stderr(&output), "", "{args:?}");
    stdout(&output)
}

/// Runs a command that must fail with status 2, nothing on standard output, and an error that
/// holds all of the given parts.
#[track_caller]
fn fails(args: &[&str], parts: &[&str]) {
    let output = run(args);
    let error = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
    assert_eq!(stdout(&output), "", "{args:?}");
    for part in parts {
        assert!(error.contains(part), "{args:?}: no `{part}` in:\n{error}");
    }
    assert!(!error.contains("internal error"), "{error}");
}

fn write(folder: &TempDir, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The smoke scenario with one piece of its text replaced, compared: must fail with status 2 and
/// an error that names the file and holds the given parts.
#[track_caller]
fn changed_smoke_fails(from: &str, to: &str, parts: &[&str]) {
    let text = fine(&["show", "smoke"]);
    assert!(text.contains(from), "the smoke scenario no longer holds `{from}`");
    let folder = TempDir::new().unwrap();
    let path = write(&folder, "changed.json", text.replacen(from, to, 1));
    fails(&["compare", &path], &[&["changed.json"], parts].concat());
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

mod usage {
    use super::*;

    #[test]
    fn version_and_help_are_results() {
        assert_eq!(fine(&["-V"]), format!("apfsim {}\n", env!("CARGO_PKG_VERSION")));
        let help = fine(&["--help"]);
        assert!(help.contains("Exit status:") && help.contains("compare"));
        assert!(fine(&["compare", "--help"]).contains("Examples:"));
    }

    #[test]
    fn bad_usage_ends_with_two() {
        fails(&[], &["Usage"]);
        fails(&["simulate"], &["simulate"]);
        fails(&["compare"], &["<SCENARIO>"]);
        fails(&["compare", "smoke", "--frmat", "json"], &["--format"]);
        fails(&["compare", "smoke", "--format", "xml"], &["table", "json"]);
        fails(&["compare", "smoke", "-j", "0"], &["0"]);
        fails(&["compare", "smoke", "--seed", "-1"], &["--seed"]);
        fails(&["compare", "smoke", "--queue", "heap"], &["reference"]);
        fails(&["run", "smoke", "--policy", "sync", "--policy", "halt"], &["--policy"]);
    }

    #[test]
    fn overrides_are_checked() {
        fails(&["compare", "smoke", "--policy", "haltt"], &["haltt", "halt"]);
        fails(&["compare", "smoke", "--policy", "sync", "--policy", "sync"], &["twice"]);
        fails(&["compare", "smoke", "--replications", "0"], &["0 replications"]);
        fails(&["compare", "smoke", "--replications", "4000000000"], &["4000000000"]);
    }
}

mod listings {
    use super::*;

    #[test]
    fn scenarios_are_listed_and_shown() {
        let list = fine(&["scenarios"]);
        for name in ["natapov-2010", "smoke"] {
            assert!(list.lines().any(|line| line.starts_with(name)), "{list}");
            let text = fine(&["show", name]);
            assert!(text.contains(&format!("\"name\": \"{name}\"")));
        }
        fails(&["show", "smok"], &["smok", "smoke"]);
    }

    #[test]
    fn values_are_shown_with_their_sources() {
        let text = fine(&["show", "smoke", "--resolved", "--set", "host.swap.read_ahead=2"]);
        let line = |field: &str| text.lines().find(|line| line.starts_with(field)).unwrap();
        assert!(line("host.swap.read_ahead ").ends_with("--set host.swap.read_ahead=2"), "{text}");
        assert!(line("host.memory_limit ").contains("  line "), "{text}");
        assert!(line("host.costs.exit_light ").contains("  processor "), "{text}");
        assert!(line("guest.thp ").ends_with("  default"), "{text}");
        let all = json(&fine(&["show", "smoke", "--resolved", "--format", "json"]));
        assert!(all.as_array().unwrap().iter().any(|row| row["field"] == "sync: cap"), "{all}");
        fails(&["show", "smoke", "--resolved", "--set", "host.cpu_s=1"], &["host.cpu_s", "cpus"]);
        fails(&["show", "smoke", "--set", "seed=1"], &["--resolved"]);
    }

    #[test]
    fn schema_is_json() {
        assert!(json(&fine(&["schema"]))["$schema"].is_string());
    }

    #[test]
    fn policies_and_presets_are_listed() {
        let policies = fine(&["policies"]);
        assert!(policies.lines().any(|line| line.starts_with("sync ")), "{policies}");
        let presets = fine(&["presets"]);
        assert!(presets.contains("westmere-2010") && presets.contains("hdd-7200-swap"));
    }

    #[test]
    fn the_numbers_of_a_processor_have_meanings_and_sources() {
        let numbers = fine(&["presets", "westmere-2010"]);
        for part in ["exit_hw", "761 cycles", "Hardware part of an exit", "Agesen"] {
            assert!(numbers.contains(part), "no `{part}` in:\n{numbers}");
        }
        fails(&["presets", "westmere"], &["`westmere`", "valid: `westmere-2010`"]);
    }

    #[test]
    fn a_reader_that_goes_away_is_no_error() {
        let mut child =
            program().arg("schema").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(stderr(&output), "");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_device_is_an_error() {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = program().arg("schema").stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("standard output"));
    }
}

mod bad_input {
    use super::*;

    #[test]
    fn missing_files_and_names() {
        fails(&["compare", "no/such/file.json"], &["no/such/file.json", "help:"]);
        fails(&["compare", "natapov-2011"], &["natapov-2011", "natapov-2010"]);
        fails(&["run", "smokey"], &["smokey", "smoke"]);
    }

    #[test]
    fn things_that_are_no_scenario_files() {
        let folder = TempDir::new().unwrap();
        fails(&["compare", folder.path().to_str().unwrap()], &["directory"]);
        fails(&["compare", &write(&folder, "empty.json", "")], &["empty.json", "empty"]);
        fails(&["compare", &write(&folder, "raw.json", b"{\"a\": \"\xff\xfe\"}")], &["UTF-8"]);
        fails(&["compare", &write(&folder, "huge.json", vec![b' '; 2 << 20])], &["bytes"]);
        fails(&["compare", &write(&folder, "array.json", "[1, 2]")], &["array.json:1:"]);
    }

    #[test]
    fn syntax_errors_have_a_place() {
        let folder = TempDir::new().unwrap();
        let path = write(&folder, "broken.json", "{\n  \"format\": 1,\n  \"name\": \n}\n");
        fails(&["compare", &path], &["broken.json:"]);
        changed_smoke_fails("\"vcpus\": 4,", "\"vcpus\": 4", &[]);
    }

    #[test]
    fn misspelled_fields_have_a_suggestion() {
        changed_smoke_fails("\"vcpus\": 4", "\"vcpu\": 4", &["vcpu", "vcpus", "help:"]);
        changed_smoke_fails("\"westmere-2010\"", "\"westmer-2010\"", &["westmere-2010"]);
        changed_smoke_fails("\"op\": \"count\"", "\"op\": \"cuont\"", &["count"]);
    }

    #[test]
    fn impossible_machines() {
        changed_smoke_fails("\"24MiB\"", "\"128MiB\"", &["memory_limit"]);
        changed_smoke_fails("\"vcpus\": 4", "\"vcpus\": 0", &["vcpus"]);
        changed_smoke_fails("\"cpus\": 6", "\"cpus\": 0", &["cpus"]);
        changed_smoke_fails("\"size\": \"32MiB\"", "\"size\": \"32GiB\"", &["size"]);
    }

    #[test]
    fn absurd_numbers() {
        changed_smoke_fails("\"vcpus\": 4", "\"vcpus\": 99999999999999999999", &["vcpus"]);
        changed_smoke_fails("\"vcpus\": 4", "\"vcpus\": 1e308", &["vcpus"]);
        changed_smoke_fails("\"duration\": \"1s\"", "\"duration\": \"0s\"", &["duration"]);
        changed_smoke_fails("\"duration\": \"1s\"", "\"duration\": \"9999999h\"", &["duration"]);
        changed_smoke_fails("\"duration\": \"1s\"", "\"duration\": 1", &["duration"]);
        changed_smoke_fails("\"memory\": \"64MiB\"", "\"memory\": \"64EiB\"", &["memory"]);
        changed_smoke_fails("\"replications\": 2", "\"replications\": 0", &["replications"]);
    }
}

mod results {
    use super::*;

    #[test]
    fn a_comparison_is_a_table() {
        let table = fine(&["compare", "smoke"]);
        for part in ["Work", "sync", "apf-v7-2010", "CPU time", "Faults", "Invariants: "] {
            assert!(table.contains(part), "no `{part}` in:\n{table}");
        }
        let last = table.lines().last().unwrap();
        assert!(last.starts_with("apfsim ") && last.contains(" scenario smoke ("), "{last}");
        assert!(last.contains(" seed 1 replications 2 digest "), "{last}");
    }

    #[test]
    fn json_is_one_object_of_the_documented_shape() {
        let value = json(&fine(&["compare", "smoke", "--format", "json"]));
        assert_eq!(value["scenario"], "smoke");
        assert_eq!(value["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(value["digest"].as_str().unwrap().len(), 32);
        let policies = value["policies"].as_array().unwrap();
        assert_eq!(policies.len(), 4);
        for policy in policies {
            assert!(policy["policy"].is_string());
            assert_eq!(policy["digest"].as_str().unwrap().len(), 32);
            let work = &policy["metrics"]["work_total"];
            assert!(work["mean"].as_f64().unwrap() > 0.0);
            assert!(work["stderr"].is_number());
            assert!(work["unit"].is_string());
        }
        let ratios = value["ratios"].as_array().unwrap();
        let work: Vec<_> = ratios.iter().filter(|ratio| ratio["metric"] == "work_total").collect();
        assert_eq!(work.len(), 3);
        for ratio in work {
            assert_eq!(ratio["baseline"], "sync");
            assert!(ratio["mean"].is_number());
            let interval = ratio["ci95"].as_array().unwrap();
            assert!(interval[0].as_f64() <= interval[1].as_f64());
        }
    }

    #[test]
    fn a_run_is_one_policy_and_one_replication() {
        let value = json(&fine(&["run", "smoke", "--format", "json"]));
        assert_eq!(value["replications"], 1);
        assert_eq!(value["policies"].as_array().unwrap().len(), 1);
        assert_eq!(value["policies"][0]["policy"], "apf-v2.6.39");
        assert_eq!(value["policies"][0]["metrics"]["work_total"]["stderr"], Value::Null);
        let table = fine(&["run", "smoke", "--policy", "halt", "--seed", "7"]);
        assert!(table.contains("Policy halt") && table.contains("Task"), "{table}");
        assert!(table.contains(" seed 7 replications 1 "), "{table}");
    }

    #[test]
    fn jobs_queue_and_skipping_change_nothing() {
        let arguments = ["compare", "smoke", "--format", "json", "--policy", "apf-v7-2010"];
        let expect = fine(&arguments);
        for option in [["-j", "1"].as_slice(), &["--queue", "reference"], &["--no-skip"]] {
            assert_eq!(fine(&[arguments.as_slice(), option].concat()), expect, "{option:?}");
        }
    }

    #[test]
    fn seeds_matter_and_repeat() {
        let digest = |seed: &str| {
            let text = fine(&["run", "smoke", "--seed", seed, "--format", "json"]);
            json(&text)["digest"].as_str().unwrap().to_owned()
        };
        assert_eq!(digest("5"), digest("5"));
        assert_ne!(digest("5"), digest("6"));
    }

    #[test]
    fn a_file_runs_like_the_library() {
        let folder = TempDir::new().unwrap();
        let path = write(&folder, "mine.json", fine(&["show", "smoke"]));
        let arguments = ["--policy", "sync", "--format", "json"];
        let from_file = fine(&[["compare", path.as_str()].as_slice(), &arguments].concat());
        assert_eq!(from_file, fine(&[["compare", "smoke"].as_slice(), &arguments].concat()));
    }
}

mod files {
    use super::*;

    const COMPARE: [&str; 6] = ["compare", "smoke", "--policy", "sync", "--policy", "apf-v7-2010"];

    fn into(folder: &Path, options: &[&str]) -> Output {
        let out = folder.to_str().unwrap();
        run(&[COMPARE.as_slice(), &["--out", out], options].concat())
    }

    #[test]
    fn reports_are_written_and_named() {
        let folder = TempDir::new().unwrap();
        let results = folder.path().join("deep/results");
        let output = into(&results, &[]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        for name in [
            "summary.json",
            "metrics.csv",
            "table.txt",
            "scenario.json",
            "report.html",
            "work-by-policy.svg",
            "work-by-policy.png",
            "fault-latency-cdf.svg",
            "fault-latency-cdf.png",
        ] {
            assert!(results.join(name).is_file(), "no {name}");
            assert!(stderr(&output).contains(name), "{name} is not named");
        }
        let table = fs::read_to_string(results.join("table.txt")).unwrap();
        assert_eq!(table, stdout(&output));
        let summary = json(&fs::read_to_string(results.join("summary.json")).unwrap());
        assert_eq!(summary["policies"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn quiet_says_nothing_and_a_second_time_changes_nothing() {
        let folder = TempDir::new().unwrap();
        let first = into(folder.path(), &["--quiet"]);
        assert_eq!(stderr(&first), "");
        let summary = fs::read(folder.path().join("summary.json")).unwrap();
        let second = into(folder.path(), &["--quiet"]);
        assert_eq!(first, second);
        assert_eq!(fs::read(folder.path().join("summary.json")).unwrap(), summary);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let folder = TempDir::new().unwrap();
        let taken = write(&folder, "taken", "");
        fails(&["compare", "smoke", "--policy", "sync", "--out", &taken], &["taken"]);
    }
}
