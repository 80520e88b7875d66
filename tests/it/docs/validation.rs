//! The tables of docs/validation.md are those of `apfsim validate`: each stands between two remarks with the name
//! of its experiment. With `UPDATE_VALIDATION=1` a test writes what it would compare.

use std::fs;

use super::shapes;
use reports::formats;
use reports::validation::{ValidationReport, ValidationSummary};
use scenarios::RunOptions;
use scenarios::experiments::validate::{Experiment, ExperimentResult, library, run_experiments};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/validation.md");

/// Experiments that take seconds together and need much of what the others do.
const QUICK: [&str; 8] = ["R3", "R6", "R7b", "N1", "N17", "N61", "N70", "M5"];

fn run(names: &[&str]) -> Vec<ExperimentResult> {
    let load = |name: &&str| {
        Experiment::load(name).unwrap_or_else(|error| panic!("{name}: {}", error.render()))
    };
    let options = RunOptions { jobs: 2, ..RunOptions::default() };
    run_experiments(names.iter().map(load).collect(), &options, &|_| {}).unwrap()
}

/// What stands between the remarks of a block.
fn place(page: &str, name: &str) -> std::ops::Range<usize> {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let from = page.find(&begin).unwrap_or_else(|| panic!("docs/validation.md has no {begin}"));
    let from = from + begin.len();
    let to = page[from..].find(&end).unwrap_or_else(|| panic!("docs/validation.md has no {end}"));
    from..from + to
}

/// Compares blocks of the page, or writes them.
fn hold(blocks: &[(&str, String)]) {
    let mut page = fs::read_to_string(PAGE).unwrap();
    let update = std::env::var_os("UPDATE_VALIDATION").is_some();
    for (name, text) in blocks {
        let text = format!("\n{}\n", text.trim_end()) + "\n";
        let place = place(&page, name);
        if update {
            page.replace_range(place, &text);
        } else {
            assert_eq!(page[place], text, "{name}: UPDATE_VALIDATION=1 renews docs/validation.md");
        }
    }
    if update {
        fs::write(PAGE, page).unwrap();
    }
}

fn tables(results: &[ExperimentResult]) -> Vec<(&str, String)> {
    let markdown = formats::find("markdown").unwrap();
    let table = |result: &'_ ExperimentResult| {
        let report = ValidationReport { results: std::slice::from_ref(result) };
        markdown.print(&report).unwrap()
    };
    results.iter().map(|result| (result.experiment.name.as_str(), table(result))).collect()
}

#[test]
fn tables_of_quick_experiments_are_what_the_program_prints() {
    let results = run(&QUICK);
    hold(&tables(&results));
}

#[test]
fn shapes_are_what_their_experiments_give() {
    hold(&[("shapes", shapes::table(&run(&shapes::experiments())))]);
}

/// `cargo test --release --test it docs::validation::all_tables_are_what_the_program_prints -- --ignored`
#[test]
#[ignore = "minutes; with UPDATE_VALIDATION=1 it writes the tables of docs/validation.md: cargo test --release --test it docs::validation -- --ignored"]
fn all_tables_are_what_the_program_prints() {
    let names: Vec<&str> = library::all().iter().map(|entry| entry.name).collect();
    let results = run(&names);
    let summary = ValidationSummary { results: &results };
    let summary = formats::find("markdown").unwrap().print(&summary).unwrap();
    let mut blocks = tables(&results);
    blocks.push(("summary", summary));
    blocks.push(("shapes", shapes::table(&results)));
    hold(&blocks);
}
