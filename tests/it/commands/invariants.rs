//! `apfsim invariants` from outside.

use serde_json::Value;

use crate::kit::program;

fn output(args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = program();
    let output = command.arg("invariants").args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[track_caller]
fn fine(args: &[&str]) -> String {
    let (status, stdout, stderr) = output(args);
    assert_eq!((status, stderr.as_str()), (Some(0), ""), "{args:?}");
    assert!(stdout.lines().all(|line| line.chars().count() <= 78), "{args:?}: {stdout}");
    stdout
}

fn json(args: &[&str]) -> Value {
    serde_json::from_str(&fine_json(args)).unwrap()
}

fn fine_json(args: &[&str]) -> String {
    let (status, stdout, stderr) = output(&[args, &["--format", "json"]].concat());
    assert_eq!((status, stderr.as_str()), (Some(0), ""), "{args:?}");
    stdout
}

#[test]
fn all_are_listed() {
    insta::assert_snapshot!("invariants", fine(&[]));
}

#[test]
fn one_is_explained() {
    insta::assert_snapshot!("INV-13", fine(&["INV-13"]));
    insta::assert_snapshot!("INV-33", fine(&["inv-33"]));
    insta::assert_snapshot!("INV-39", fine(&["39"]));
}

#[test]
fn every_one_fits_the_page() {
    for number in 1..=51 {
        let id = format!("INV-{number:02}");
        assert!(fine(&[&id]).starts_with(&format!("{id}: ")));
    }
}

#[test]
fn json_says_the_same() {
    let all = json(&[]);
    let all = all.as_array().unwrap();
    assert_eq!(all.len(), 51);
    let one = json(&["INV-13"]);
    assert_eq!(all[12], one);
    assert_eq!((&one["kind"], &one["checked"]["trace"]), (&"liveness".into(), &"decided".into()));
    assert!(one["records"].as_array().unwrap().contains(&"page_ready_queued".into()));
}

#[test]
fn an_unknown_number_is_refused_with_help() {
    let (status, stdout, stderr) = output(&["INV-52"]);
    assert_eq!((status, stdout.as_str()), (Some(2), ""));
    assert!(stderr.contains("`INV-52`") && stderr.contains("INV-51"), "{stderr}");
}
