//! Scenarios that say what they expect: the page that explains it does what it says, in order, and
//! the quick built-in scenarios are as they expect.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::kit::program;

fn apfsim(args: &[&str], folder: &Path) -> Output {
    program().args(args).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What stands behind the fence of each block, and its lines.
fn blocks(page: &str) -> Vec<(&str, Vec<&str>)> {
    let mut blocks: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match line.strip_prefix("```") {
            Some(_) if inside => inside = false,
            Some(info) => {
                blocks.push((info, Vec::new()));
                inside = true;
            }
            None if inside => blocks.last_mut().unwrap().1.push(line),
            None => {}
        }
    }
    assert!(!inside, "a fence is not closed");
    blocks
}

/// Puts lines in the place of those that differ from them in digits only.
fn change(path: &Path, lines: &[&str]) {
    let letters = |line: &str| line.replace(|c: char| c.is_ascii_digit(), "").trim().to_owned();
    let text = fs::read_to_string(path).unwrap();
    let mut changed: Vec<&str> = text.lines().collect();
    for line in lines {
        let mut places = changed.iter_mut().filter(|old| letters(old) == letters(line));
        *places.next().unwrap_or_else(|| panic!("no line like `{line}`")) = line;
        assert!(places.next().is_none(), "several lines like `{line}`");
    }
    fs::write(path, changed.join("\n")).unwrap();
}

/// Whether a line was printed. Digits that may change with the models are left out by dots.
fn is_told(printed: &str, expected: &str) -> bool {
    printed.lines().any(|line| match expected.strip_suffix("...") {
        Some(beginning) => line.starts_with(beginning),
        None => line == expected,
    })
}

#[test]
fn the_page_does_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let mut printed = String::new();
    let (mut commands, mut compared) = (0, 0);
    for (info, lines) in blocks(include_str!("../../../docs/regression-testing.md")) {
        let status = match info.split_once(' ') {
            Some(("jsonc", file)) if file.starts_with("changes ") => {
                change(&folder.path().join(file.trim_start_matches("changes ")), &lines);
                continue;
            }
            Some(("jsonc", file)) => {
                let path = folder.path().join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, lines.join("\n")).unwrap();
                continue;
            }
            Some(("bash", "fails")) => 1,
            None if info == "bash" => 0,
            None if info == "text" => {
                compared += 1;
                for expected in lines {
                    assert!(is_told(&printed, expected), "no `{expected}` in\n{printed}");
                }
                continue;
            }
            _ => panic!("a block that nobody checks: {info}"),
        };
        for line in lines {
            let words: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(words[0], "apfsim", "only apfsim can be run: {line}");
            let output = apfsim(&words[1..], folder.path());
            printed = text(&output.stdout);
            let told = format!("{line}:\n{printed}{}", text(&output.stderr));
            assert_eq!(output.status.code(), Some(status), "{told}");
            commands += 1;
        }
    }
    assert!(commands >= 5 && compared >= 2, "{commands} commands, {compared} outputs");
    let junit = fs::read_to_string(folder.path().join("results.xml")).unwrap();
    assert!(junit.contains("<testsuites name=\"apfsim\""), "{junit}");
}

#[test]
fn quick_built_in_scenarios_are_as_they_expect() {
    let folder = tempfile::tempdir().unwrap();
    let run = |jobs: &str| {
        let args = ["test", "smoke", "closed-form", "-j", jobs, "--format", "json"];
        let output = apfsim(&args, folder.path());
        assert_eq!(
            output.status.code(),
            Some(0),
            "{}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    };
    let one = run("1");
    assert_eq!(one, run("2"));
    let results: Value = serde_json::from_str(&one).unwrap();
    for case in results.as_array().unwrap() {
        assert_eq!(case["outcome"], "ok");
        assert!(case["expectations"].as_array().unwrap().len() >= 3, "{case}");
    }
}

#[test]
fn what_cannot_be_run_ends_with_two_after_all_else() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    let smoke = scenarios::scenario::library::find("smoke").unwrap().text;
    let quiet = smoke.split("  \"expect\"").next().unwrap().trim_end().trim_end_matches(',');
    let silent = format!("{quiet}\n}}");
    let with = |line: &str| format!("{quiet},\n  \"expect\": [{line}]\n}}");
    write("all/a.json", &with("\"work_total sync > 1\"").replace("\"1s\"", "\"20ms\""));
    write("all/sub/b.json", &with("\"work_totl sync > 1\""));
    write("all/silent.json", &silent);
    write("all/other.json", "{ \"findings\": [] }");
    write("all/notes.txt", "not looked at");
    let output = apfsim(&["test", "all", "--junit", "r.xml"], folder.path());
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(2), "{out}{err}");
    for line in [
        "ok    all/a.json: 1 met",
        "skip  all/other.json: no scenario: it has no `format`",
        "skip  all/silent.json: it expects nothing",
        "BAD   all/sub/b.json: cannot be run",
        "1 ok, 0 failed, 2 skipped, 1 bad",
    ] {
        assert!(out.lines().any(|printed| printed == line), "no `{line}` in\n{out}");
    }
    for part in ["all/sub/b.json:", "in `expect[0]`", "did you mean `work_total`?"] {
        assert!(err.contains(part), "{err}");
    }
    let junit = fs::read_to_string(folder.path().join("r.xml")).unwrap();
    assert!(junit.contains("tests=\"4\" failures=\"0\" errors=\"1\" skipped=\"2\""), "{junit}");

    for (args, part) in [
        (vec!["test"], "DIR|FILE"),
        (vec!["test", "nowhere"], "nowhere"),
        (vec!["test", "all", "--junit", "no/such/folder.xml"], "no/such/folder.xml"),
    ] {
        let output = apfsim(&args, folder.path());
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains(part), "{args:?}: {}", text(&output.stderr));
    }
}
