//! `apfsim zoo` from outside.

use serde_json::Value;

use crate::kit::program;

fn zoo(args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = program();
    let output = command.arg("zoo").args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Times differ from run to run.
fn without_times(text: &str) -> String {
    let is_time = |word: &str| {
        let word = word.trim_end_matches(')');
        word.strip_suffix(" s").is_some_and(|number| number.parse::<f64>().is_ok())
    };
    let lines = text.lines().map(|line| match line.rsplit_once(", ") {
        Some((before, last)) if is_time(last) => before.to_owned(),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Everything that does not take long comes as expected, and as `docs/zoo.md` says. The rest is
/// `apfsim zoo`, of which the table there is made.
#[test]
fn the_fast_part_is_as_the_page_says() {
    let (status, stdout, stderr) = zoo(&["--fast", "--format", "markdown"]);
    assert_eq!((status, stderr.as_str()), (Some(0), ""), "{stdout}");
    let page = include_str!("../../../docs/zoo.md");
    let missing: Vec<&str> = stdout.lines().filter(|line| !page.contains(line)).collect();
    assert!(missing.is_empty(), "docs/zoo.md lacks these rows: {missing:#?}");
    assert!(stdout.lines().count() > 40, "{stdout}");
}

#[test]
fn one_is_told() {
    let (status, stdout, _) = zoo(&["h03"]);
    assert_eq!(status, Some(0), "{stdout}");
    assert!(stdout.lines().all(|line| line.chars().count() <= 78), "{stdout}");
    insta::assert_snapshot!("H03", without_times(&stdout));
}

#[test]
fn programs_get_the_traces() {
    let (status, stdout, _) = zoo(&["G04", "--format", "json"]);
    assert_eq!(status, Some(0));
    let rows: Value = serde_json::from_str(&stdout).unwrap();
    let row = &rows[0];
    assert_eq!((&row["id"], &row["outcome"]), (&Value::from("G04"), &Value::from("caught")));
    assert_eq!(row["with"][0]["caught"]["invariant"], "INV-26");
    assert!(row["with"][0]["caught"]["chart"].as_str().unwrap().contains("dummy"));
    assert!(row["without"].as_array().unwrap().iter().all(|shown| shown["caught"].is_null()));
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let (status, stdout, stderr) = zoo(&["H99"]);
    assert_eq!((status, stdout.as_str()), (Some(2), ""));
    assert!(stderr.contains("H01") && stderr.contains("G16"), "{stderr}");
}

/// The way to a mistake, written as a kernel's trace, is a log in which the same invariant is broken.
#[test]
fn a_mistake_is_a_log_with_its_invariant() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h36.txt");
    let path = path.to_str().unwrap();
    let (status, _, stderr) = zoo(&["H36", "--trace", path]);
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    let mut command = program();
    let output = command.args(["check", path]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("violation INV-02"), "{text}");
    let (status, _, stderr) = zoo(&["C04", "--trace", path]);
    assert!(status == Some(2) && stderr.contains("no mistake"), "{stderr}");
}
