//! What a user is told: notes on runs that answer nothing, suggestions by meaning, and nothing of a
//! file that a terminal would act on.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::kit::program;

/// Exit status, standard output, standard error.
fn apfsim(args: &[&str], folder: &Path) -> (Option<i32>, String, String) {
    let output = program().args(args).current_dir(folder).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A folder with the smoke scenario, edited, as `s.json`.
fn edited(edits: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut text = scenarios::scenario::library::find("smoke").unwrap().text.to_owned();
    for (from, to) in [&[("\"duration\": \"1s\"", "\"duration\": \"40ms\"")], edits].concat() {
        assert!(text.contains(from), "no {from}");
        text = text.replace(from, to);
    }
    fs::write(folder.path().join("s.json"), text).unwrap();
    folder
}

#[test]
fn a_run_without_faults_says_so_as_text_and_as_json() {
    let folder = edited(&[("\"24MiB\"", "\"64MiB\"")]);
    let told = |args: &[&str]| {
        let (status, stdout, stderr) = apfsim(args, folder.path());
        assert_eq!(status, Some(0), "{stderr}");
        stdout
    };
    let note = "Note: no major fault under any policy";
    assert!(told(&["compare", "s.json"]).contains(note));
    assert!(told(&["run", "s.json"]).contains(note));
    let json: Value =
        serde_json::from_str(&told(&["compare", "s.json", "--format", "json"])).unwrap();
    assert_eq!(json["notes"][0]["note"], "no-faults");
    assert_eq!(json["notes"][0]["policy"], Value::Null);
    let sweep = ["sweep", "s.json", "--axis", "host.memory_limit=24MiB,64MiB"];
    assert!(told(&sweep).contains("Note at point 1: no major fault under any policy"));
    let lines = told(&[&sweep[..], &["--format", "jsonl"]].concat());
    let points: Vec<Value> = lines.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    // A run this short is hardly more than its beginning, which a point and the same comparison note alike.
    let own = ["compare", "s.json", "--set", "host.memory_limit=24MiB", "--format", "json"];
    let own: Value = serde_json::from_str(&told(&own)).unwrap();
    assert_eq!(own["notes"][0]["note"], "transient");
    assert_eq!(points[0]["comparison"]["notes"], own["notes"]);
    assert_eq!(points[1]["comparison"]["notes"][0]["note"], "no-faults");
}

/// One key joins a point in every file.
#[test]
fn the_runs_of_a_point_are_found_by_its_number() {
    let folder = edited(&[]);
    let sweep =
        ["sweep", "s.json", "--axis", "guest.hz=100,1000", "--axis", "host.cpus=4,8", "--out", "d"];
    let (status, table, stderr) = apfsim(&sweep, folder.path());
    assert_eq!(status, Some(0), "{stderr}");
    let read = |name: &str| fs::read_to_string(folder.path().join("d").join(name)).unwrap();
    let all: BTreeSet<u64> = (0..4).collect();
    let points = |name: &str, of: &dyn Fn(&Value) -> Option<u64>| -> BTreeSet<u64> {
        let text = read(name);
        text.lines().filter_map(|line| of(&serde_json::from_str(line).unwrap())).collect()
    };
    assert_eq!(points("runs.jsonl", &|line| line["run"]["point"].as_u64()), all);
    assert_eq!(points("sweep.jsonl", &|line| line["point"].as_u64()), all);
    let first = |text: &str| -> BTreeSet<u64> {
        text.lines().filter_map(|line| line.split([',', ' ']).next()?.parse().ok()).collect()
    };
    assert_eq!(first(&read("sweep.csv")), all);
    assert_eq!(first(&table), all);
    // And the values are the same: work of each run, by point and policy.
    let point = |line: &Value| {
        let policies = line["comparison"]["policies"].as_array().unwrap().clone();
        policies
            .into_iter()
            .map(move |policy| {
                (
                    line["point"].as_u64().unwrap(),
                    policy["policy"].clone(),
                    policy["metrics"]["work_total"]["mean"].as_f64().unwrap(),
                )
            })
            .collect::<Vec<_>>()
    };
    let runs: Vec<Value> =
        read("runs.jsonl").lines().skip(1).map(|it| serde_json::from_str(it).unwrap()).collect();
    for line in read("sweep.jsonl").lines() {
        for (point, policy, mean) in point(&serde_json::from_str(line).unwrap()) {
            let own = |run: &&Value| run["run"]["point"] == point && run["run"]["policy"] == policy;
            let works: Vec<f64> = runs
                .iter()
                .filter(own)
                .map(|run| run["run"]["metrics"][0]["value"].as_f64().unwrap())
                .collect();
            assert_eq!(works.len(), 2);
            assert!((works.iter().sum::<f64>() / 2.0 / mean - 1.0).abs() < 1e-12);
        }
    }
}

#[test]
fn names_are_suggested_by_meaning() {
    let newest = models::apf::rules::Generation::newest().name;
    let folder = edited(&[]);
    for (args, expect) in [
        (&["compare", "s.json", "--policy", "none"][..], "did you mean `sync`?"),
        (&["compare", "s.json", "--policy", "upstream"], &format!("did you mean `apf-{newest}`?")),
        (&["sweep", "s.json", "--axis", "guest.smp=1,2"], "did you mean `vcpus`?"),
        (&["sweep", "s.json", "--axis", "guest.ram=64MiB"], "did you mean `memory`?"),
        (
            &["sweep", "s.json", "--axis", "host.swap.device.latency=1ms"],
            "did you mean `read_latency`?",
        ),
        (
            &["sweep", "s.json", "--axis", "guest.hz=100", "--metric", "throughput"],
            "did you mean `work_total`?",
        ),
        (&["explore", "--rules", "userfaultfd"], "did you mean `user-uffd`?"),
        (&["explore", "--rules", "v6.19x"], "did you mean `v6.19`?"),
        (&["explore", "--defect", "tokenzero"], "did you mean `token-zero`?"),
        (&["explore", "--with", "oom"], "did you mean `alloc-failure`?"),
        (&["explore", "--set", "async_pf_per_vcpu=3"], "did you mean `cap`?"),
        (&["rules", "latest"], &format!("did you mean `{newest}`?")),
        (&["presets", "skylake"], "did you mean `skylake-sp`?"),
        (&["check", "s.json", "--rules", "mainline"], &format!("did you mean `{newest}`?")),
        (&["zoo", "h3"], "did you mean `H03`?"),
    ] {
        let (status, _, stderr) = apfsim(args, folder.path());
        assert_eq!(status, Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(expect), "{args:?}: {stderr}");
    }
}

/// What a terminal would act on: escape, the C1 form of it, and a change of direction.
const EVIL: [&str; 4] = ["\u{1b}[31m", "\u{9b}2J", "\u{202e}", "\u{7f}"];

#[test]
fn nothing_of_a_file_reaches_the_terminal_raw() {
    for evil in EVIL {
        let json = |text: &str| Value::from(text).to_string();
        let published = format!(
            "\"published\": [{{ \"policy\": \"sync\", \"metric\": \"work_total\", \"mean\": 1.0, \"source\": {} }}],\n  \"policies\"",
            json(&format!("a {evil}b"))
        );
        let unknown = format!("{}: 1, \"policies\"", json(&format!("x{evil}")));
        for (edit, status) in [(published, 0), (unknown, 2), (format!("{evil} \"policies\""), 2)] {
            let folder = edited(&[("\"policies\"", &edit)]);
            for args in [
                &["compare", "s.json"][..],
                &["compare", "s.json", "--format", "json"],
                &["show", "s.json"],
                &["test", "s.json"],
            ] {
                let (code, stdout, stderr) = apfsim(args, folder.path());
                assert_eq!(code == Some(2), status == 2, "{args:?}: {stderr}");
                for text in [&stdout, &stderr] {
                    let raw = text
                        .chars()
                        .find(|c| (c.is_control() && !"\n\t".contains(*c)) || *c == '\u{202e}');
                    assert_eq!(raw, None, "{args:?}: {text}");
                }
                if args.contains(&"json") && status == 0 {
                    let value: Value = serde_json::from_str(&stdout).unwrap();
                    assert_eq!(value["published"][0]["source"], format!("a {evil}b"));
                }
            }
        }
    }
}

#[test]
fn a_long_line_is_cut_around_the_mistake() {
    let long =
        format!("{}\"polices\": [], {} \"policies\"", "\"seed\": 1, ".repeat(0), " ".repeat(3000));
    let folder = edited(&[("\"policies\"", &long)]);
    let (status, _, stderr) = apfsim(&["compare", "s.json"], folder.path());
    assert_eq!(status, Some(2));
    assert!(stderr.contains("did you mean `policies`?"), "{stderr}");
    let lines: Vec<&str> = stderr.lines().collect();
    let at = lines.iter().position(|line| line.contains('^')).unwrap();
    assert!(lines[at - 1].chars().count() <= 78 && lines[at - 1].ends_with("..."), "{stderr}");
    let column = lines[at].find('^').unwrap();
    assert!(lines[at - 1][column..].starts_with("\"polices\""), "{stderr}");
}
