//! A recorded trace of a real program, `/bin/echo hello` under Valgrind's lackey, replayed as its page says.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use serde_json::Value;
use tempfile::TempDir;

use crate::kit::{printed, program};

const TRACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/addresses/echo.lackey.gz");

/// The scenario of docs/replay.md.
fn documented() -> &'static str {
    let page = include_str!("../../../docs/replay.md");
    let (_, rest) = page.split_once("```jsonc\n").unwrap();
    rest.split_once("```").unwrap().0
}

fn folder(scenario: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::copy(TRACE, folder.path().join("echo.lackey.gz")).unwrap();
    fs::write(folder.path().join("echoes.json"), scenario).unwrap();
    folder
}

fn compare(folder: &Path, more: &[&str]) -> Value {
    let mut command = program();
    command.current_dir(folder).args(["compare", "echoes.json", "--format", "json", "-q"]);
    serde_json::from_str(&printed(command.args(more))).unwrap()
}

fn metric(result: &Value, policy: usize, name: &str) -> f64 {
    result["policies"][policy]["metrics"][name]["mean"]
        .as_f64()
        .unwrap_or_else(|| panic!("no {name}"))
}

/// Pages of the trace and instructions in it, counted in the plain way.
fn counted() -> (usize, usize) {
    let mut text = String::new();
    MultiGzDecoder::new(fs::File::open(TRACE).unwrap()).read_to_string(&mut text).unwrap();
    let (mut pages, mut instructions) = (BTreeSet::new(), 0);
    for line in text.lines() {
        let Some(rest) = ["I ", " L", " S", " M"].iter().find_map(|kind| line.strip_prefix(kind))
        else {
            continue;
        };
        let (address, size) = rest.trim().split_once(',').unwrap();
        let address = u64::from_str_radix(address, 16).unwrap();
        let size: u64 = size.parse().unwrap();
        pages.extend((address >> 12)..=((address + size - 1) >> 12));
        instructions += usize::from(line.starts_with('I'));
    }
    (pages.len(), instructions)
}

#[test]
fn a_recorded_program_is_replayed_as_the_page_says() {
    let here = folder(documented());
    let result = compare(here.path(), &[]);
    assert!(metric(&result, 0, "major_faults") > 100.0);
    assert!(metric(&result, 1, "async_faults") > 100.0);
    assert!(metric(&result, 0, "completion_time") < 1.0);
    // Stepped it is the same.
    assert_eq!(compare(here.path(), &["--no-skip"])["digest"], result["digest"]);
    // Another trace is another scenario.
    fs::write(here.path().join("echo.lackey.gz"), "1\n2w\n3\n").unwrap();
    let other = compare(here.path(), &[]);
    assert_ne!(other["scenario_hash"], result["scenario_hash"]);
    assert_ne!(other["digest"], result["digest"]);
}

/// With enough memory each page is touched first once, and instructions take what they are said to take.
#[test]
fn its_pages_and_instructions_are_those_of_the_trace() {
    let (pages, instructions) = counted();
    let text = documented()
        .replace("\"prefill\": true", "\"prefill\": false")
        .replace("1400KiB", "12MiB")
        .replace("\"passes\": 3", "\"passes\": 1")
        .replace("0.3ns", "30ns");
    let here = folder(&text);
    let set = ["--set", "workload.tasks[two].program=[{\"op\":\"compute\",\"span\":\"1ns\"}]"];
    let result = compare(here.path(), &[&set[..], &["--policy", "sync"]].concat());
    assert_eq!(metric(&result, 0, "major_faults"), 0.0);
    let minor = metric(&result, 0, "minor_faults");
    // Tables of the guest's are frames too.
    assert!((minor - pages as f64) >= 0.0 && minor < pages as f64 + 20.0, "{minor} {pages}");
    let time = metric(&result, 0, "completion_time");
    let own = instructions as f64 * 30e-9;
    assert!(time > own && time < own * 1.3, "{time} {own}");
}

#[test]
fn what_cannot_be_replayed_is_told_at_its_place() {
    for (from, to, told) in [
        (
            "840KiB\", \"pre",
            "836KiB\", \"pre",
            "the trace touches 210 pages, and the region has 209\n",
        ),
        ("\"echo.lackey.gz\"", "\"none.gz\"", "cannot read none.gz"),
        ("\"file\": \"echo.lackey.gz\", ", "", "what is replayed?"),
        ("\"file\": \"echo.lackey.gz\"", "\"pages\": \"1 2 x\"", "this is no list of pages"),
        ("\"file\": \"echo.lackey.gz\"", "\"file\": \"echoes.json\"", "has no access"),
        ("\"file\": \"echo.lackey.gz\"", "\"file\": \".\"", "it is a directory"),
    ] {
        let here = folder(&documented().replacen(from, to, 1));
        let mut command = program();
        let output =
            command.current_dir(here.path()).args(["compare", "echoes.json"]).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{to}: {error}");
        assert!(error.contains(told), "{to}: {error}");
        assert!(error.contains("echoes.json:"), "{error}");
    }
}
