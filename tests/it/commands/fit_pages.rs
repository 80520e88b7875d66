//! `apfsim fit pages` from outside: the restore of a real guest, and the scenario of the builders' guide.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::kit::{printed, program};

const RESTORED: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/data/userfaultfd/u09-pv-1cpu-4f4w-restore-uffd-100us-detail.txt.gz"
);

fn fit(folder: &Path, more: &[&str]) -> Value {
    let mut command = program();
    command.current_dir(folder).args(["fit", "pages", RESTORED, "--format", "json"]).args(more);
    serde_json::from_str(&printed(&mut command)).unwrap()
}

/// The scenario that the guide shows.
fn shown() -> String {
    let guide = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/vmm-builders.md"));
    let guide = guide.unwrap();
    let begin = guide.find("// my-guest.json").expect("the guide has the scenario");
    guide[begin..].split("```").next().unwrap().to_owned()
}

fn compared(folder: &Path, set: &[&str]) -> Value {
    let mut command = program();
    command.current_dir(folder).args(["compare", "my-guest.json", "--format", "json", "-q"]);
    set.iter().for_each(|set| {
        command.args(["--set", set]);
    });
    serde_json::from_str(&printed(&mut command)).unwrap()
}

fn metric(result: &Value, name: &str) -> f64 {
    result["policies"][0]["metrics"][name]["mean"].as_f64().unwrap()
}

#[test]
fn a_real_restore_becomes_a_list_and_a_trace() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["-o", "recorded.pages", "--trace", "recorded.trace"];
    let report = fit(folder.path(), &files);
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let (list, trace) = (read("recorded.pages"), read("recorded.trace"));
    let lines = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count() as u64;
    assert_eq!(report["pages"], 219);
    assert_eq!((lines(&list), lines(&trace)), (report["runs"].as_u64().unwrap(), 219));
    // The first fault of the log is at 0x3c2d810.
    assert!(list.contains("\nmemory 15405 1\n") && trace.contains("\n15405\n"), "{list}");
    // What is there is not lost.
    let mut again = program();
    again.current_dir(folder.path()).args(["fit", "pages", RESTORED]).args(files);
    let again = again.output().unwrap();
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8(again.stderr).unwrap().contains("--overwrite"));
    let by_address = fit(folder.path(), &["--order", "address"]);
    assert!(by_address["runs"].as_u64() < report["runs"].as_u64());
    assert!(fit(folder.path(), &["--until", "10ms"])["pages"].as_u64() < Some(219));
}

/// The guide's scenario runs, makes each touch once, and gains by bringing the set first.
#[test]
fn the_guides_scenario_replays_the_restore() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("my-guest.json"), shown()).unwrap();
    fit(folder.path(), &["-o", "recorded.pages", "--trace", "recorded.trace"]);
    let demand = compared(folder.path(), &["host.stores[0].handler.prefetch=null"]);
    assert_eq!(metric(&demand, "major_faults"), 219.0);
    let before = compared(folder.path(), &["host.stores[0].handler.prefetch.before_start=true"]);
    assert_eq!(metric(&before, "major_faults"), 0.0);
    let beside = compared(folder.path(), &[]);
    assert!(metric(&beside, "major_faults") < 219.0);
    assert!(metric(&beside, "completion_time") < metric(&demand, "completion_time"));
    // The pages lie where they lay: around them is nothing that is wanted, but for some.
    let around = ["host.stores[0].handler.prefetch=null", "host.stores[0].handler.around=64KiB"];
    let around = metric(&compared(folder.path(), &around), "major_faults");
    let report = fit(folder.path(), &[]);
    let blocks = report["around"][2]["messages"].as_f64().unwrap();
    assert!((around - blocks).abs() <= 2.0, "{around} faults, {blocks} blocks");
}

#[test]
fn list_and_touches_need_a_file_each() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program();
    command
        .current_dir(folder.path())
        .args(["fit", "pages", RESTORED, "-o", "one", "--trace", "one"]);
    let output = command.output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(error.contains("--trace") && error.contains("help: "), "{error}");
    assert!(!folder.path().join("one").exists());
}

#[test]
fn a_log_without_faults_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let log = "  vcpu0-100 [000] ..... 1.000001: kvm_entry: vcpu 0, rip 0x0\n";
    fs::write(folder.path().join("log"), log).unwrap();
    let output =
        program().current_dir(folder.path()).args(["fit", "pages", "log"]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(error.contains("no event kvm_page_fault") && error.contains("help: "), "{error}");
}
