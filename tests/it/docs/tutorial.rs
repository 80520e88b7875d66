//! The tutorial does what it says: its files are written and its commands run, in order.

use std::path::Path;

use crate::kit::{printed, program};

/// A fenced block: what stands behind the fence, and its lines.
struct Block<'a> {
    info: &'a str,
    lines: Vec<&'a str>,
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(_) if inside => inside = false,
            Some(info) => {
                blocks.push(Block { info, lines: Vec::new() });
                inside = true;
            }
            None if inside => blocks.last_mut().unwrap().lines.push(line),
            None => {}
        }
    }
    assert!(!inside, "a fence is not closed");
    blocks
}

/// Runs one line of a `bash` block and gives its standard output.
fn run(line: &str, folder: &Path) -> String {
    let mut words = line.split_whitespace();
    assert_eq!(words.next(), Some("apfsim"), "only apfsim can be run: {line}");
    printed(program().args(words).current_dir(folder))
}

/// Writes the files of a document into a folder and runs its commands there, in order.
fn outputs<'a>(text: &'a str, folder: &Path) -> Vec<(&'a str, String)> {
    let mut outputs = Vec::new();
    for block in blocks(text) {
        match block.info.split_once(' ') {
            Some(("jsonc", file)) => {
                std::fs::write(folder.join(file), block.lines.join("\n")).unwrap();
            }
            _ if block.info == "bash" => {
                for line in block.lines {
                    outputs.push((line, run(line, folder)));
                }
            }
            _ => assert_eq!(block.info, "sh", "a block that nobody checks"),
        }
    }
    outputs
}

#[test]
fn every_command_for_builders_of_vmms_works() {
    let folder = tempfile::tempdir().unwrap();
    let outputs = outputs(include_str!("../../../docs/vmm-builders.md"), folder.path());
    assert!(outputs.len() >= 6, "only {} commands", outputs.len());
    let of = |start: &str| {
        let found = outputs.iter().find(|(line, _)| line.starts_with(start));
        found.map_or("", |(_, output)| output.as_str())
    };
    assert!(of("apfsim compare my-restore.json").contains("completion time"));
    assert!(of("apfsim anatomy").contains("begins to install the page"));
    assert!(folder.path().join("results/installers/sweep.csv").is_file());
}

#[test]
fn every_command_works() {
    let folder = tempfile::tempdir().unwrap();
    let outputs = outputs(include_str!("../../../docs/tutorial.md"), folder.path());
    assert!(outputs.len() >= 10, "only {} commands", outputs.len());

    let exists = |file: &str| {
        assert!(folder.path().join("results").join(file).is_file(), "{file} is missing");
    };
    for file in ["table.txt", "sweep.csv", "sweep.jsonl", "gain.svg", "gain.png"] {
        exists(&format!("latency/{file}"));
    }
    for file in ["table.txt", "summary.json", "metrics.csv", "series.csv"] {
        exists(&format!("shop/{file}"));
    }
    for plot in ["work-by-policy", "fault-latency-cdf", "throughput-over-time"] {
        exists(&format!("shop/{plot}.svg"));
        exists(&format!("shop/{plot}.png"));
    }
    exists("anatomy/anatomy-p99.svg");
    exists("anatomy/anatomy-p99.png");

    let digest = |output: &str| output.split("digest ").last().unwrap().trim().to_owned();
    let last_two: Vec<String> =
        outputs[outputs.len() - 2..].iter().map(|(_, output)| digest(output)).collect();
    assert_eq!(last_two[0].len(), 32);
    assert_eq!(last_two[0], last_two[1]);
}
