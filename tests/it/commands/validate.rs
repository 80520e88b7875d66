//! `apfsim validate`: results, lists, exit status.

use std::fs;

use crate::kit::{printed, program};

const EXPERIMENT: &str = r#"{ "format": 1, "name": "x", "title": "An experiment", "sources": ["a letter"],
  "setups": [{ "name": "a", "scenario": "smoke", "set": { "duration": "20ms" } }],
  "rows": [
    { "label": "vcpus", "published": 4, "measure": "vcpus@a" },
    { "label": "time", "published": 0.02, "unit": "s", "measure": "duration@a" },
    { "label": "more", "published": 9, "measure": "vcpus@a" }
  ] }"#;

#[test]
fn a_miss_is_a_result_unless_it_is_strict() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.json");
    fs::write(&file, EXPERIMENT).unwrap();
    let path = file.to_str().unwrap();
    let text = printed(program().args(["validate", path, "-q"]));
    assert!(text.contains("x: An experiment (within, 2 of 3 rows)"), "{text}");
    let strict = program().args(["validate", path, "-q", "--strict"]).output().unwrap();
    assert_eq!(strict.status.code(), Some(1));
    assert_eq!(String::from_utf8(strict.stdout).unwrap(), text);
    let markdown = printed(program().args(["validate", path, "-q", "--format", "markdown"]));
    assert!(markdown.contains("| more | 9.000 | 4.000 | -55.6 % | outside |"), "{markdown}");
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.json");
    fs::write(&file, EXPERIMENT.replace("duration@a", "duratin@a")).unwrap();
    let output = program().args(["validate", file.to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("rows[1].measure") && told.contains("did you mean `duration`"), "{told}");
    let output = program().args(["validate", "R99"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn experiments_are_listed_and_shown() {
    let list = printed(program().args(["validate", "--list"]));
    assert!(list.lines().count() >= 24, "{list}");
    let json = printed(program().args(["validate", "--list", "R1", "R6", "--format", "json"]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["name"], "R1");
    assert!(json[1]["not_modelled"].is_string());
    let shown = printed(program().args(["show", "N61"]));
    assert!(shown.contains("\"name\": \"N61\""), "{shown}");
}
