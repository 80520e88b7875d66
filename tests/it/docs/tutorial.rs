//! The tutorials do what they say: their files are written, their commands run, in order, and what they show
//! is printed.

use std::path::Path;

use crate::kit::program;

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

/// Runs one line of a `bash` block, which ends with this status, and gives its standard output.
fn run(line: &str, folder: &Path, status: i32) -> String {
    // As a shell does with quotes, in which no command here has a blank.
    let mut words = line.split_whitespace().map(|word| word.trim_matches('\''));
    assert_eq!(words.next(), Some("apfsim"), "only apfsim can be run: {line}");
    let output = program().args(words).current_dir(folder).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{line}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Lines that are shown begin lines of what was printed last.
fn shown(lines: &[&str], outputs: &[(&str, String)]) {
    let (command, output) = outputs.last().expect("nothing was run");
    for line in lines {
        let found = output.lines().any(|printed| printed.starts_with(line.trim_end()));
        assert!(found, "`{command}` prints no `{line}`:\n{output}");
    }
}

/// Writes the files of a document into a folder and runs its commands there, in order.
fn outputs<'a>(text: &'a str, folder: &Path) -> Vec<(&'a str, String)> {
    let mut outputs = Vec::new();
    for block in blocks(text) {
        match block.info.split_once(' ') {
            Some(("jsonc", file)) => {
                std::fs::write(folder.join(file), block.lines.join("\n")).unwrap();
            }
            Some(("bash", status)) => {
                for line in block.lines {
                    outputs.push((line, run(line, folder, status.parse().unwrap())));
                }
            }
            _ if block.info == "bash" => {
                for line in block.lines {
                    outputs.push((line, run(line, folder, 0)));
                }
            }
            _ if block.info == "text" => shown(&block.lines, &outputs),
            _ => assert_eq!(block.info, "sh", "a block that nobody checks"),
        }
    }
    outputs
}

/// A document, as it is now.
fn document(name: &str) -> String {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    std::fs::read_to_string(docs.join(name)).unwrap()
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
    restores_take_as_long_as_the_page_says(of("apfsim compare snapshot-restore"));
    strategies_take_as_long_as_the_page_says(of("apfsim sweep restore-strategies"));
    mappings_take_as_long_as_the_page_says(of("apfsim sweep restore-mapped"));
    differences_show(&of);
}

const BUILDERS: &str = include_str!("../../../docs/vmm-builders.md");

/// The page says that, wherever its lines end.
#[track_caller]
fn builders_read(sentence: &str) {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words(BUILDERS).contains(&words(sentence)), "the page does not say: {sentence}");
}

/// The cells of a row of a printed table that begins with this, two blanks apart.
fn cells(output: &str, begin: &[&str]) -> Vec<String> {
    let of = |line: &str| -> Vec<String> {
        line.split("  ").map(|it| it.trim().to_owned()).filter(|it| !it.is_empty()).collect()
    };
    let mut rows = output.lines().map(of);
    let found = rows.find(|row| begin.iter().all(|cell| row.iter().take(2).any(|own| own == cell)));
    found.unwrap_or_else(|| panic!("no row {begin:?}:\n{output}"))
}

fn restores_take_as_long_as_the_page_says(output: &str) {
    let of = |policy: &str| cells(output, &[policy])[1].clone();
    let [sync, halt, apf] = ["sync", "halt-v6.12", "apf-v6.12"].map(of);
    builders_read(&format!("the whole working set is there after {sync}, {halt} and {apf}"));
}

fn strategies_take_as_long_as_the_page_says(output: &str) {
    for (strategy, change) in [
        ("on demand", "none"),
        ("around, 64 KiB", "around 64KiB"),
        ("fill at 100 MiB/s", "fill, 100 MiB/s"),
        ("fill", "fill"),
        ("recorded set, while it runs", "recorded set"),
        ("recorded set, then run", "set, then run"),
        ("all 468 MiB, then run", "all, then run"),
    ] {
        let row = cells(output, &[change]);
        let [first, thousandth, set] = [2, 3, 4].map(|at| row[at].as_str());
        builders_read(&format!("| {strategy} | {first} | {thousandth} | {set} |"));
    }
    let (_, other) = output.split_once("apf-v6.12").unwrap();
    let ratio = |change: &str| -> f64 {
        cells(other, &[change])[2].split(' ').next().unwrap().parse().unwrap()
    };
    let [demand, fill, recorded] = ["none", "fill", "recorded set"].map(ratio);
    builders_read(&format!(
        "there in {demand:.2} of the time on demand, {fill:.2} beside a fill, {recorded:.2} beside a recorded set"
    ));
    let (first, sync) = (cells(other, &["none"])[3].clone(), cells(output, &["none"])[2].clone());
    let sync = sync.trim_end_matches(" us");
    builders_read(&format!("The first request pays for that: {first} instead of {sync}"));
}

fn mappings_take_as_long_as_the_page_says(output: &str) {
    // Tables of a policy, one below the other: times, pages.
    let (waiting, told) = output.split_once("apf-v6.12").unwrap();
    let (times, pages) = told.split_once("apf-v6.12").unwrap();
    for (memory, dense, scattered) in [
        ("a handler's", "none", "scattered, handler"),
        ("mapped without advice", "dense, mapped", "scattered, mapped"),
        ("mapped with MADV_RANDOM", "dense, mapped, random", "scattered, mapped, random"),
        ("mapped without advice, host 7.3", "dense, mapped, 7.3", "scattered, mapped, 7.3"),
    ] {
        let of = |change: &str| {
            let last = |row: Vec<String>| row.last().cloned().unwrap();
            let [sync, apf] =
                [(waiting, 4), (times, 5)].map(|(table, at)| cells(table, &[change])[at].clone());
            format!("{sync} | {apf} | {}", last(cells(pages, &[change])))
        };
        builders_read(&format!("| {memory} | {} | {} |", of(dense), of(scattered)));
    }
}

/// What the page advises shows in the sweeps beside the advice.
fn differences_show<'a>(of: &impl Fn(&str) -> &'a str) {
    let ms = |cell: &str| -> f64 { cell.trim_end_matches(" ms").parse().unwrap() };
    let us = |cell: &str| -> f64 { cell.trim_end_matches(" us").parse().unwrap() };
    let readers = of("apfsim sweep my-restore.json --set host.cpus=2");
    let time = |row: &[String]| ms(&row[3]);
    let all = cells(readers, &["2", "8"]);
    let one = cells(readers, &["3", "8"]);
    let slower = time(&all) / time(&one);
    assert!((1.15..1.25).contains(&slower), "{slower}: a fifth longer");
    let contended =
        |row: &[String]| -> f64 { row[4].replace([' ', '\u{202f}'], "").parse().unwrap() };
    let more = contended(&all) / contended(&one);
    assert!((30.0..50.0).contains(&more), "{more}: forty times as often");
    let device = "apfsim sweep my-restore.json --set host.stores[0].device=ram-disk --axis";
    let exits = of(&format!("{device} host.stores[0].handler.plain_exits"));
    let half =
        us(&cells(exits, &["1", "vcpu-thread"])[3]) / us(&cells(exits, &["0", "handler"])[3]);
    assert!((0.45..0.55).contains(&half), "{half}: half");
    let install = of(&format!("{device} host.stores[0].handler.install"));
    let fault = |row: &[&str]| us(&cells(install, row)[3]);
    let (copy, entry) = (fault(&["0", "copy"]), fault(&["1", "continue"]));
    builders_read(&format!("saves some {:.1} us of the {copy:.0} us", copy - entry));
}

#[test]
fn every_command_for_kernel_engineers_works() {
    let folder = tempfile::tempdir().unwrap();
    let text = document("tutorial-kernel.md");
    let outputs = outputs(&text, folder.path());
    assert!(outputs.len() >= 12, "only {} commands", outputs.len());
    // The trace in both forms has the same verdict and as many events.
    let checked: Vec<&str> = outputs
        .iter()
        .filter(|(line, _)| line.starts_with("apfsim check"))
        .map(|(_, output)| output.split_once("\n\n").unwrap().1)
        .collect();
    assert_eq!(checked.len(), 2);
    assert_eq!(checked[0].lines().next(), checked[1].lines().next());
}

#[test]
fn every_command_for_researchers_works() {
    let folder = tempfile::tempdir().unwrap();
    let text = document("tutorial-research.md");
    let outputs = outputs(&text, folder.path());
    assert!(outputs.len() >= 8, "only {} commands", outputs.len());
    let digest = |line: &str| {
        let (_, output) = outputs.iter().find(|(own, _)| own.starts_with(line)).unwrap();
        output.split("digest ").last().unwrap().trim().to_owned()
    };
    // What is published gives the same bytes again.
    let first = digest("apfsim compare server.json");
    assert_eq!(first, digest("apfsim compare results/server/scenario.json"));
    assert_eq!(first.len(), 32);
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
