//! `apfsim report` and the page that other commands leave.

use std::fs;

use tempfile::TempDir;

use crate::kit::{printed, program};

const SHORT: [&str; 6] = ["--duration", "60ms", "--replications", "1", "-q", "--out"];

#[test]
fn the_page_is_made_again_and_takes_in_what_another_command_left() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("results");
    let path = out.to_str().unwrap();
    printed(program().args(["compare", "smoke"]).args(SHORT).arg(path));
    let page = || fs::read_to_string(out.join("report.html")).unwrap();
    let first = page();
    assert!(first.contains("Does everything work?"));
    let scenario = fs::read_to_string(out.join("scenario.json")).unwrap();
    // As it was run: the measured time is put in.
    assert!(scenario.contains("\"smoke\"") && scenario.contains("60000000000ps"), "{scenario}");
    fs::remove_file(out.join("report.html")).unwrap();
    printed(program().args(["report", path]));
    assert!(page() == first, "another page");
    assert!(!first.contains("Anatomy: the median fault"));
    printed(program().args(["anatomy", "smoke", "--duration", "60ms", "-q", "--out", path]));
    let both = page();
    assert!(both.contains("Anatomy: the median fault") && both.contains("times sync's work_total"));
}

#[test]
fn a_folder_without_results_is_an_error_that_says_what_leaves_some() {
    let folder = TempDir::new().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("nothing")] {
        let output = program().arg("report").arg(&path).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains("`--out` of compare, run, sweep and anatomy"), "{error}");
    }
}
