//! Sweeps and searches from outside: what is printed and written, and what a kill leaves behind.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::kit::program;

fn run(args: &[&str]) -> Output {
    program().args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
fn fine(args: &[&str]) -> String {
    let output = run(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "", "{args:?}");
    text(&output.stdout)
}

#[track_caller]
fn fails(args: &[&str], parts: &[&str]) {
    let output = run(args);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
    assert_eq!(text(&output.stdout), "", "{args:?}");
    for part in parts {
        assert!(error.contains(part), "{args:?}: no `{part}` in:\n{error}");
    }
}

/// Two latencies and two rates of ticks on the smoke scenario, cut to 60 ms.
const GRID: [&str; 9] = [
    "sweep",
    "smoke",
    "--axis",
    "host.swap.device.read_latency=50us..5ms/2",
    "--axis",
    "guest.hz=100,1000",
    "--set",
    "duration=60ms",
    "-q",
];

fn with<'a>(base: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [base, more].concat()
}

/// Lines with a space between their cells.
fn rows(table: &str) -> impl Iterator<Item = String> {
    table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn a_sweep_is_a_table_with_a_line_a_point() {
    let table = fine(&GRID);
    for part in ["latency", "hz", "work ratio", "p50", "apf-v7-2010", "Invariants: no violation"] {
        assert!(table.contains(part), "no `{part}` in:\n{table}");
    }
    for begin in ["0 50us 100 ", "1 50us 1000 ", "2 5ms 100 ", "3 5ms 1000 "] {
        assert!(rows(&table).any(|row| row.starts_with(begin)), "no {begin}in\n{table}");
    }
    let last = table.lines().last().unwrap();
    assert!(last.starts_with("apfsim ") && last.contains(" sweep smoke ("), "{last}");
    assert!(last.contains(" seed 1 replications 2 digest "), "{last}");
    assert!(table.lines().filter(|line| *line != last).all(|line| line.chars().count() <= 100));
}

#[test]
fn csv_and_json_lines_have_every_point() {
    let csv = fine(&with(&GRID, &["--format", "csv"]));
    let mut lines = csv.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    assert_eq!(header[..4], ["point", "read_latency", "hz", "policy"]);
    for name in ["work_total_mean", "work_total_stderr", "lost_time_per_fault_mean", "work_ratio"] {
        assert!(header.contains(&name), "no column {name}");
    }
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 4 * 4);
    assert!(rows.iter().all(|row| row.len() == header.len()));
    assert_eq!(rows[5][..4], ["1", "50us", "1000", "halt"]);
    assert_eq!(rows[4].last(), Some(&""), "the baseline has no ratio");

    let jsonl = fine(&with(&GRID, &["--format", "jsonl"]));
    let points: Vec<Value> =
        jsonl.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(points.len(), 4);
    assert_eq!(points[2]["point"], 2);
    assert_eq!(points[2]["axes"]["read_latency"], "5ms");
    assert_eq!(points[2]["set"]["guest.hz"], "100");
    assert_eq!(points[2]["comparison"]["policies"][0]["policy"], "sync");
    // What a point says is what the scenario by itself says.
    let digest = |point: &Value| point["comparison"]["digest"].as_str().unwrap().to_owned();
    assert_ne!(digest(&points[0]), digest(&points[2]));
}

#[test]
fn jobs_queue_and_skipping_change_nothing() {
    let arguments =
        with(&GRID, &["--format", "jsonl", "--policy", "sync", "--policy", "apf-v7-2010"]);
    let expect = fine(&with(&arguments, &["-j", "2"]));
    for option in [["-j", "1"].as_slice(), &["-j", "5"], &["--queue", "reference"], &["--no-skip"]]
    {
        assert_eq!(fine(&with(&arguments, option)), expect, "{option:?}");
    }
}

#[test]
fn variations_have_a_line_each() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("changes.json");
    let sweep = r#"{
        "format": 1, "name": "changes", "title": "One at a time", "scenario": "smoke",
        "set": { "duration": "60ms" },
        "variations": [{ "name": "slow clock", "set": { "guest.hz": 100 } }]
    }"#;
    fs::write(&path, sweep).unwrap();
    let path = path.to_str().unwrap();
    let table = fine(&["sweep", path]);
    assert!(rows(&table).any(|row| row.starts_with("0 none ")), "{table}");
    assert!(rows(&table).any(|row| row.starts_with("1 slow clock ")), "{table}");
    let out = folder.path().join("out");
    fine(&["sweep", path, "-q", "--out", out.to_str().unwrap()]);
    assert!(out.join("sweep.csv").is_file() && !out.join("gain.svg").exists());
}

#[test]
fn a_screening_names_what_the_result_hangs_on() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out");
    let more = ["--sensitivity=4", "--out", out.to_str().unwrap()];
    let table = fine(&with(&GRID, &more));
    assert!(
        table.contains("4 trajectories through 2 axes (Morris): 4 points run, of 4 of the whole"),
        "{table}"
    );
    assert!(
        table.lines().all(|line| line.chars().count() <= 100 || line.starts_with("apfsim ")),
        "{table}"
    );
    let result: Value =
        serde_json::from_str(&fs::read_to_string(out.join("sensitivity.json")).unwrap()).unwrap();
    // Every policy but the baseline has a table.
    let found = result["sensitivities"].as_array().unwrap();
    assert!(!found.is_empty());
    for one in found {
        let noise = one["noise_log"].as_f64().unwrap();
        assert!(noise > 0.0 && noise < 0.2, "{one}");
        assert_eq!(one["axes"].as_array().unwrap().len(), 2);
        let sentence = one["verdict"].as_str().unwrap();
        assert!(
            (one["policy"] == "halt" || sentence.contains("hangs on read_latency"))
                && table.replace('\n', " ").contains("hangs on"),
            "{sentence}"
        );
        // Sorted by size.
        let size = |at: usize| one["axes"][at]["change_log"].as_f64().unwrap();
        assert!(size(0) >= size(1));
    }
    let files = [
        "sensitivity.txt",
        "sensitivity.csv",
        "sweep.csv",
        "runs.csv",
        "sweep.jsonl",
        "tornado.svg",
        "report.html",
    ];
    assert!(files.iter().all(|file| out.join(file).is_file()));
    assert_eq!(fs::read_to_string(out.join("sensitivity.txt")).unwrap(), table);
    // The same again from what was kept, and with another number of threads.
    assert_eq!(fine(&with(&GRID, &[&more[..], &["-j", "1"]].concat())), table);
    fails(&with(&GRID, &["--sensitivity=2"]), &["at least 4 trajectories are needed"]);
    fails(&["sweep", "natapov-2010-sensitivity", "--sensitivity"], &["only axes can be screened"]);
    fails(&["sweep", "smoke", "--axis", "guest.hz=100", "--sensitivity"], &["one value only"]);
}

#[test]
fn built_in_sweeps_are_listed_and_shown() {
    let list = fine(&["scenarios"]);
    for name in ["device-latency", "natapov-2010-sensitivity"] {
        assert!(list.lines().any(|line| line.starts_with(name)), "{list}");
        assert!(fine(&["show", name]).contains(&format!("\"name\": \"{name}\"")));
    }
    let schema: Value = serde_json::from_str(&fine(&["schema", "--sweep"])).unwrap();
    assert_eq!(schema["title"], "apfsim sweep");
}

#[test]
fn bad_sweeps_end_with_two() {
    fails(&["sweep", "smoke"], &["nothing is varied", "--axis"]);
    fails(&["sweep", "device-latncy"], &["device-latncy", "device-latency"]);
    fails(&["sweep", "device-latency", "--axis", "guest.hz=1,2"], &["has its own axes"]);
    fails(&["sweep", "smoke", "--axis", "guest.hs=100"], &["--axis:1:1", "guest.hs", "`hz`"]);
    fails(&["sweep", "smoke", "--axis", "guest.hz=100,0"], &["point 1 (hz 0)", "out of range"]);
    fails(&["sweep", "smoke", "--axis", "guest.hz=100", "--format", "xml"], &["json"]);
    let groups = ["request_latency_p99[nope]", "work_total[faulter]", "fault_latency_p50[worker]"];
    for metric in groups {
        let args = ["sweep", "smoke", "--axis", "guest.hz=100,250", "--metric", metric];
        fails(&args, &["there is no metric", metric, "at point 0"]);
    }
    fails(&["crossover", "smoke"], &["--field"]);
    fails(
        &[
            "crossover",
            "smoke",
            "--field",
            "guest.hz",
            "--from",
            "1",
            "--to",
            "2",
            "--tolerance",
            "x",
        ],
        &["--tolerance"],
    );
}

/// Every file of a folder but the runs, which are in the order in which they finished.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    let reports = named.filter(|(name, _)| name != "runs.jsonl");
    reports.map(|(name, path)| (name, fs::read(path).unwrap())).collect()
}

/// The header and the stored runs, in no order: lines are numbered as runs finish.
fn runs(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("runs.jsonl")).unwrap_or_default();
    let run = |line: &str| {
        let (_, run) = line.split_once(",\"run\":").unwrap_or(("", line));
        run.rsplit_once(",\"checksum\":").unwrap_or((run, "")).0.to_owned()
    };
    let mut lines: Vec<String> = text.lines().map(run).collect();
    lines.sort();
    lines
}

/// A sweep that takes a while, so that it can be killed in the middle.
const LONG: [&str; 9] = [
    "sweep",
    "smoke",
    "--axis",
    "host.swap.device.read_latency,host.swap.device.write_latency=50us..5ms/10",
    "--set",
    "duration=300ms",
    "-q",
    "-j",
    "2",
];

#[test]
fn a_killed_sweep_ends_like_an_uninterrupted_one() {
    let folder = TempDir::new().unwrap();
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    fine(&with(&LONG, &["--out", whole.to_str().unwrap()]));
    let all = runs(&whole).len();
    assert_eq!(all, 1 + 10 * 4 * 2);

    let out = ["--out", killed.to_str().unwrap()];
    let mut interrupted = 0_usize;
    // Killed ten times, each time after some more runs.
    let kills = [2, 9, 16, 23, 30, 37, 44, 51, 58, 65];
    for wanted in kills {
        let mut child = program()
            .args(with(&LONG, &out))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begin = Instant::now();
        while runs(&killed).len() < wanted && begin.elapsed() < Duration::from_secs(60) {
            if child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        // SIGKILL: nothing can be tidied up.
        child.kill().unwrap();
        let status = child.wait().unwrap();
        interrupted += usize::from(!status.success());
    }
    assert!(interrupted > 0, "no run was under way when it was killed");
    assert!(!killed.join("sweep.csv").exists() || interrupted < kills.len());

    fine(&with(&LONG, &out));
    assert_eq!(files(&killed), files(&whole));
    assert!(runs(&killed) == runs(&whole), "other runs are stored");
    let names: Vec<String> = files(&whole).into_keys().collect();
    assert_eq!(
        names,
        [
            "gain.png",
            "gain.svg",
            "report.html",
            "runs.csv",
            "scenario.json",
            "sweep.csv",
            "sweep.jsonl",
            "table.txt"
        ]
    );
}

#[test]
fn a_folder_belongs_to_one_sweep_and_one_process() {
    let folder = TempDir::new().unwrap();
    let out = ["--out", folder.path().to_str().unwrap()];
    fine(&with(&GRID, &out));
    fails(
        &with(&["sweep", "smoke", "--axis", "guest.hz=100,1000"], &out),
        &["runs.jsonl", "another scenario"],
    );
    fails(&with(&["compare", "smoke"], &out), &["runs.jsonl"]);

    let file = fs::File::open(folder.path().join("runs.jsonl")).unwrap();
    file.lock().unwrap();
    fails(&with(&GRID, &out), &["another apfsim is writing"]);
    drop(file);
    fine(&with(&GRID, &out));
}

/// A short search on the built-in pair of tasks.
const SEARCH: [&str; 18] = [
    "crossover",
    "faulting-pair",
    "--policy",
    "apf-v7-2010",
    "--metric",
    "lost_time_per_fault",
    "--field",
    "host.swap.device.read_latency,host.swap.device.write_latency",
    "--to",
    "2ms",
    "--set",
    "duration=100ms",
    "--set",
    "workload.regions[field].size=16MiB",
    "--tolerance",
    "5%",
    "--replications",
    "2",
];

#[test]
fn a_search_shows_its_steps_and_what_it_found() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().to_str().unwrap();
    let table = fine(&with(&SEARCH, &["--from", "2us", "-q", "--out", out]));
    for part in ["They are equal at ", "Below, sync ", "difference", " digest "] {
        assert!(table.contains(part), "no `{part}` in:\n{table}");
    }
    assert_eq!(fs::read_to_string(folder.path().join("crossover.txt")).unwrap(), table);
    let json = fine(&with(&SEARCH, &["--from", "2us", "--format", "json"]));
    let found: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(found["answer"], "crossing");
    let at = found["crossing"]["amount"].as_f64().unwrap();
    assert!((2e-6..50e-6).contains(&at), "{at}");
    assert!(found["steps"].as_array().unwrap().len() > 4);
    assert_eq!(fs::read_to_string(folder.path().join("crossover.json")).unwrap(), json);
    let csv = fine(&with(&SEARCH, &["--from", "2us", "--format", "csv"]));
    assert_eq!(fs::read_to_string(folder.path().join("crossover.csv")).unwrap(), csv);
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 1 + found["steps"].as_array().unwrap().len());
    assert_eq!(rows[0][..5], ["value", "amount", "policy_mean", "policy_low", "policy_high"]);
    assert!(rows[1..].iter().all(|row| row[1..11].iter().all(|cell| cell.parse::<f64>().is_ok())));

    let none = fine(&with(&SEARCH, &["--from", "500us"]));
    assert!(none.contains("There is no crossing: apf-v7-2010 is better"), "{none}");
}
