//! How long files, functions and comments may be ([CONTRIBUTING](../../CONTRIBUTING.md)). Exceptions may only get
//! shorter, but for tables with a line for each record or word.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a file that is no test.
const FILE: usize = 500;
/// Lines of a function that is no test, from its head to its closing brace.
const FUNCTION: usize = 80;
/// Columns of a line of comment.
const COMMENT: usize = 120;

/// Tables, of which one reads a line and not the whole.
const LONG_FILES: [(&str, usize); 3] = [
    ("models/src/apf/rules/choices.rs", 510),
    ("models/src/base/record/event.rs", 626),
    ("models/src/trace/metrics/list.rs", 655),
];
const LONG_FUNCTIONS: [(&str, &str, usize); 14] = [
    ("models/src/machine/protocol/step.rs", "follow", 89),
    ("models/src/machine/world/flow.rs", "doing", 87),
    ("models/src/monitors/dispatch.rs", "step", 92),
    ("models/src/monitors/log/announced.rs", "announced", 86),
    ("models/src/monitors/log/observe.rs", "step", 92),
    ("models/src/trace/kernel/parse.rs", "meaning", 90),
    ("models/src/trace/kernel/text.rs", "values", 111),
    ("models/src/trace/metrics/collector.rs", "step", 94),
    ("models/src/trace/owners.rs", "observe", 134),
    ("models/src/trace/timeline/host.rs", "observe", 95),
    ("reports/src/anatomy.rs", "words", 81),
    ("reports/src/check/left_out.rs", "left_out", 99),
    ("scenarios/src/run/dat/value.rs", "values", 106),
    ("scenarios/src/scenario/resolve/mod.rs", "scenario", 86),
];

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [
        "sim-core/src",
        "models/src",
        "scenarios/src",
        "reports/src",
        "src",
        "benches/src",
        "python/src",
    ];
    let mut paths: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut sources = Vec::new();
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            sources.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    sources.sort();
    assert!(sources.len() > 500, "{}", sources.len());
    sources
}

fn is_test(name: &str) -> bool {
    name.ends_with("tests.rs") || name.contains("/tests/")
}

/// The lines before the unit tests.
fn code(text: &str) -> Vec<&str> {
    text.lines().take_while(|line| *line != "#[cfg(test)]").collect()
}

/// Functions with their lengths.
fn functions<'a>(lines: &[&'a str]) -> Vec<(&'a str, usize)> {
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let Some((before, rest)) = trimmed.split_once("fn ") else { continue };
        let is_head = before.split_whitespace().all(|word| {
            word.starts_with("pub")
                || ["const", "async", "in", "crate"].iter().any(|it| word.starts_with(it))
        });
        let name = rest.split(['(', '<']).next().unwrap_or_default();
        if !is_head || name.is_empty() || line.ends_with(';') || line.ends_with('}') {
            continue;
        }
        let end = format!("{}}}", &line[..line.len() - trimmed.len()]);
        if let Some(length) = lines[at..].iter().position(|line| *line == end) {
            found.push((name, length + 1));
        }
    }
    found
}

#[test]
fn files_have_at_most_500_lines() {
    let mut long = Vec::new();
    for (name, text) in sources().iter().filter(|(name, _)| !is_test(name)) {
        let lines = code(text).len();
        let most = LONG_FILES.iter().find(|(long, _)| long == name).map_or(FILE, |(_, most)| *most);
        if lines > most || (most > FILE && lines + 20 < most) {
            long.push((name.clone(), lines, most));
        }
    }
    assert_eq!(long, [], "too long, or shorter than its exception says");
}

#[test]
fn a_function_fits_a_screen() {
    let (all, mut long) = (sources(), Vec::new());
    for (file, text) in all.iter().filter(|(name, _)| !is_test(name)) {
        for (name, lines) in functions(&code(text)) {
            let own = LONG_FUNCTIONS.iter().find(|(of, long, _)| of == file && *long == name);
            let most = own.map_or(FUNCTION, |(.., most)| *most);
            if lines > most || (most > FUNCTION && lines + 10 < most) {
                long.push((file.clone(), name, lines, most));
            }
        }
    }
    assert_eq!(long, [], "too long, or shorter than its exception says");
}

#[test]
fn comments_have_at_most_120_columns() {
    for (name, text) in sources() {
        for (at, line) in text.lines().enumerate() {
            let is_comment = line.trim_start().starts_with("//");
            assert!(!is_comment || line.chars().count() <= COMMENT, "{name}:{}", at + 1);
        }
    }
}

#[test]
fn a_function_is_measured_from_head_to_brace() {
    let text = "impl A {\n    pub(super) fn long(\n        x: u8,\n    ) {\n        x;\n    }\n\n    fn short() {}\n}\n";
    assert_eq!(functions(&text.lines().collect::<Vec<_>>()), [("long", 5)]);
}
