//! A folder of results has all that its runs were made of; and a command line chooses what of a scenario is run.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::kit::program;

/// Runs a command in a folder: its status, and what it prints and says.
fn run(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let output = program().args(args).current_dir(folder).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[track_caller]
fn fine(folder: &Path, args: &[&str]) -> (String, String) {
    let (status, out, err) = run(folder, args);
    assert_eq!(status, Some(0), "{args:?}: {err}");
    (out, err)
}

/// The last line, which names hash and digest.
fn named(output: &str) -> String {
    output.lines().last().unwrap().to_owned()
}

const DEVICE: &str = r#"{ "name": "mine", "summary": "Of a test",
  "device": { "kind": "channels", "channels": 4, "read": "37us", "write": "12us" } }"#;

/// A guest whose pages a handler brings, whose program has recorded addresses, on devices of preset files.
fn scenario(memory_limit: &str) -> String {
    let text = r#"{
  "format": 1, "name": "own", "title": "Files in files",
  "host": {
    "cpu": "skylake-sp", "cpus": 3, LIMIT "kernel": "linux-6.12",
    "swap": { "device": { "preset": "devices/mine.json", "write": "19us" } },
    "stores": [{
      "name": "snapshot", "device": "devices/mine.json",
      "handler": { "prefetch": { "file": "lists/pages", "rate": "4MiB" } }
    }]
  },
  "guest": { "kernel": "linux-6.12", "vcpus": 1, "memory": "32MiB" },
  "workload": {
    "regions": [
      { "name": "heap", "size": "1MiB", "content": "stored", "store": "snapshot" },
      { "name": "other", "size": "1MiB" }
    ],
    "tasks": [{
      "name": "server", "role": "faulter", "count": 2,
      "program": [
        { "op": "compute", "span": "50us" },
        { "op": "access", "region": "heap", "pattern": "uniform", "cost": "50ns" },
        { "op": "replay", "region": "other", "file": "recorded/pages", "instruction": "1ns" }
      ]
    }]
  },
  "policies": ["sync", "apf-v6.12"], "duration": "20ms"
}"#;
    text.replace("LIMIT", memory_limit)
}

fn with_files() -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in [
        ("own.json", scenario("").as_str()),
        ("devices/mine.json", DEVICE),
        ("lists/pages", "heap 8 8\nheap 3 # one\n"),
        ("recorded/pages", "1\n2 w\n7\n"),
    ] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

#[test]
fn what_a_folder_of_results_has_gives_the_same_bytes() {
    let folder = with_files();
    let here = folder.path();
    let (first, _) = fine(here, &["compare", "own.json", "-q", "--out", "pub"]);
    // Nothing but the folder goes elsewhere.
    let elsewhere = TempDir::new().unwrap();
    fs::rename(here.join("pub"), elsewhere.path().join("pub")).unwrap();
    for name in ["own.json", "devices/mine.json", "lists/pages", "recorded/pages"] {
        fs::remove_file(here.join(name)).unwrap();
    }
    let there = elsewhere.path();
    let (again, _) = fine(there, &["compare", "pub/scenario.json", "-q"]);
    assert_eq!(named(&again), named(&first));
    // The devices stand in the file and on the page, the rest beside it.
    let kept = fs::read_to_string(there.join("pub/scenario.json")).unwrap();
    assert!(
        kept.contains("37us") && kept.contains("19us") && !kept.contains("mine.json"),
        "{kept}"
    );
    assert!(fs::read_to_string(there.join("pub/report.html")).unwrap().contains("37us"));
    let mut inputs: Vec<_> = fs::read_dir(there.join("pub/inputs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    inputs.sort();
    assert_eq!(inputs, ["2-pages", "pages"]);
    // A folder may be filled from its own scenario, and an anatomy belongs to its runs.
    fine(there, &["compare", "pub/scenario.json", "-q", "--out", "pub"]);
    fine(there, &["anatomy", "pub/scenario.json", "-q", "--out", "pub"]);
    assert_eq!(fs::read_to_string(there.join("pub/scenario.json")).unwrap(), kept);
    // So may that of a sweep, a point of which it has.
    let axis = ["--axis", "guest.hz=100,250"];
    fine(there, &[&["sweep", "pub/scenario.json", "-q", "--out", "swept"], &axis[..]].concat());
    fine(there, &["compare", "swept/scenario.json", "-q"]);
}

#[test]
fn a_path_on_a_command_line_is_one_from_there() {
    let folder = with_files();
    let here = folder.path();
    fs::create_dir(here.join("sub")).unwrap();
    fs::write(here.join("sub/smoke.json"), fine(here, &["show", "smoke"]).0).unwrap();
    fs::write(here.join("here.json"), DEVICE).unwrap();
    let set = ["--set", "host.swap.device=here.json", "--set", "duration=20ms"];
    fine(here, &[&["run", "sub/smoke.json", "-q"], &set[..]].concat());
    let (status, _, error) =
        run(here, &["run", "sub/smoke.json", "-q", "--set", "host.swap.device=nowhere.json"]);
    assert!(status == Some(2) && error.contains("sub/nowhere.json"), "{error}");
}

/// `apf-user-exit` goes with no poison, and nobody runs it.
#[test]
fn policies_that_are_not_run_are_not_judged() {
    let folder = with_files();
    let here = folder.path();
    let text = scenario("").replace(
        r#""rate": "4MiB" }"#,
        r#""rate": "4MiB" }, "poison": [{ "region": "heap", "first": 200 }]"#,
    );
    let text =
        text.replace(r#"["sync", "apf-v6.12"]"#, r#"["sync", "apf-v6.12", "apf-user-exit"]"#);
    fs::write(here.join("own.json"), text).unwrap();
    let (status, _, error) = run(here, &["compare", "own.json", "-q"]);
    assert!(status == Some(2) && error.contains("apf-user-exit"), "{error}");
    for args in [
        &["compare", "own.json", "-q", "--policy", "sync,apf-6.6"][..],
        &["run", "own.json", "-q", "--policy", "apf-v6.12"],
        &["anatomy", "own.json", "-q", "--policy", "sync"],
        &["sweep", "own.json", "-q", "--policy", "sync", "--axis", "guest.hz=100,250"],
    ] {
        fine(here, args);
    }
    let (status, ..) = run(here, &["compare", "own.json", "-q", "--policy", "apf-user-exit"]);
    assert_eq!(status, Some(2));
}

#[test]
fn expectations_of_other_policies_are_left_out_with_a_note() {
    let folder = TempDir::new().unwrap();
    let here = folder.path();
    let policies = r#"policies=["sync",{"name":"x","base":"apf-v6.12"}]"#;
    let set = ["--set", policies, "--set", "duration=20ms", "--replications", "1"];
    let (_, said) = fine(here, &[&["compare", "smoke", "--out", "pub"], &set[..]].concat());
    assert!(said.contains("left out, as its policy is not among those chosen"), "{said}");
    // What is kept is a scenario of its own.
    fine(here, &["compare", "pub/scenario.json", "-q"]);
    // A file that expects something of a policy that it does not have is wrong.
    let text = fine(here, &["show", "smoke"]).0.replace("\"apf-v7-2010\", ", "");
    fs::write(here.join("wrong.json"), text).unwrap();
    let (status, ..) = run(here, &["test", "wrong.json"]);
    assert_eq!(status, Some(2));
}

/// A restored guest needs no limit, as nothing is swapped.
#[test]
fn without_a_limit_nothing_is_swapped() {
    let folder = with_files();
    let (with, _) = {
        fs::write(folder.path().join("limit.json"), scenario(r#""memory_limit": "32MiB","#))
            .unwrap();
        fine(folder.path(), &["compare", "limit.json", "-q"])
    };
    let (without, _) = fine(folder.path(), &["compare", "own.json", "-q"]);
    assert_eq!(named(&with), named(&without));
}

#[test]
fn every_wrong_line_of_a_list_is_told() {
    let folder = with_files();
    fs::write(folder.path().join("lists/pages"), "heap 1\nhaep 2\nheap two\nheap 255 9\n").unwrap();
    let (status, _, error) = run(folder.path(), &["compare", "own.json"]);
    assert_eq!(status, Some(2));
    for line in ["line 2: no region", "line 3: this is no run", "line 4: the region has 256 pages"]
    {
        assert!(error.contains(line), "{error}");
    }
}
