//! Figures that stand in sentences of the documents are those that the program gives.

use std::fs;
use std::path::Path;

use models::config::Op;
use models::monitors::CATALOGUE;
use scenarios::Scenario;
use serde_json::Value;
use sim_core::{QueueKind, SimDuration};

use crate::kit::program;

const README: &str = include_str!("../../../README.md");
const ARCHITECTURE: &str = include_str!("../../../ARCHITECTURE.md");
const PROMISES: &str = include_str!("../../../docs/promises.md");
const CHANGELOG: &str = include_str!("../../../CHANGELOG.md");
const TUTORIAL: &str = include_str!("../../../docs/tutorial.md");

/// The document has this sentence, wherever its lines end.
#[track_caller]
fn says(page: &str, sentence: &str) {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let sentence = words(sentence);
    assert!(words(page).contains(&sentence), "the document does not say: {sentence}");
}

fn word(number: usize) -> String {
    const ONES: [&str; 20] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const TENS: [&str; 10] =
        ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    match (number / 10, number % 10) {
        (0 | 1, _) => ONES[number].to_owned(),
        (tens, 0) => TENS[tens].to_owned(),
        (tens, ones) => format!("{}-{}", TENS[tens], ONES[ones]),
    }
}

fn part(number: usize) -> &'static str {
    match number {
        2 => "a half",
        3 => "a third",
        4 => "a quarter",
        5 => "a fifth",
        6 => "a sixth",
        7 => "a seventh",
        8 => "an eighth",
        9 => "a ninth",
        10 => "a tenth",
        _ => panic!("one in {number} has no name here"),
    }
}

/// The fenced block of a page that begins with this text.
fn block<'a>(page: &'a str, begin: &str) -> &'a str {
    let from = page.find(begin).unwrap();
    page[from..].split("```").next().unwrap()
}

/// The result of `apfsim compare` of a scenario as JSON.
fn compare(scenario: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("s.json"), scenario).unwrap();
    serde_json::from_str(&printed(&["compare", "s.json", "-q", "--format", "json"], folder.path()))
        .unwrap()
}

/// What is printed, whatever the verdict.
fn printed(args: &[&str], folder: &Path) -> String {
    let output = program().args(args).current_dir(folder).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// One access in so many, each of which goes anywhere in the heap, finds its page swapped out.
#[test]
fn the_shop_of_the_tutorial_has_so_much_of_its_heap_swapped_out() {
    let result = compare(block(TUTORIAL, "{\n  \"format\": 1,\n  \"name\": \"shop\""));
    let sync = &result["policies"][0];
    assert_eq!(sync["policy"], "sync");
    let tasks = sync["per_task"].as_array().unwrap();
    let sum = |name: &str| -> f64 {
        tasks.iter().filter(|task| task["role"] == "faulter").filter_map(|t| t[name].as_f64()).sum()
    };
    let accesses = sum("user_time_s") / 500.05e-6;
    let share = sum("major_faults") / accesses;
    let part = part((1.0 / share).round() as usize);
    says(TUTORIAL, &format!("What does the shop lose when {part} of its heap is swapped out?"));
}

#[test]
fn the_readme_says_what_its_first_command_simulates() {
    let scenario = Scenario::load("natapov-2010").unwrap();
    let machine = &scenario.machine;
    let group = |does: fn(&Op) -> bool| {
        let tasks = machine.workload.tasks.iter().find(|group| group.program.iter().any(does));
        word(tasks.unwrap().count as usize)
    };
    let faulters = group(|op| matches!(op, Op::Access { .. }));
    let workers = group(|op| matches!(op, Op::Count { .. }));
    let gib = (machine.workload.regions[0].pages * 4096) >> 30;
    let mib = (machine.host.memory_limit_pages * 4096) >> 20;
    let seconds = scenario.duration.as_ps() / SimDuration::from_secs(1).as_ps();
    says(
        README,
        &format!(
            "{faulters} tasks store to random pages of a {gib} GiB array, {workers} tasks count, \
             for {seconds} s, in a guest of {} vCPUs whose memory container holds {mib} MiB. It \
             simulates {} policies {} times each",
            machine.guest.vcpus,
            word(scenario.policies.len()),
            word(scenario.replications as usize)
        ),
    );
}

#[test]
fn invariants_and_their_monitors_are_counted() {
    let all = word(CATALOGUE.len());
    let monitors = word(CATALOGUE.iter().filter(|line| line.has_monitor()).count());
    says(README, &format!("lists the {all} invariants of the protocol"));
    says(
        ARCHITECTURE,
        &format!(
            "{all} invariants, each a sentence in `catalogue/`, and trace monitors for {monitors}:"
        ),
    );
    says(
        CHANGELOG,
        &format!("A catalogue of all {all} invariants, with trace monitors for {monitors} of them"),
    );
}

#[test]
fn event_queues_and_rules_of_the_house_are_counted() {
    says(PROMISES, &format!("{} event queues must give equal digests", word(QueueKind::ALL.len())));
    let (_, rules) = ARCHITECTURE.split_once(" rules\n").unwrap();
    let rules = rules.split("\n## ").next().unwrap();
    let numbered = |line: &&str| {
        let number = line.split_once(". **").map(|(number, _)| number);
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    let count = word(rules.lines().filter(numbered).count());
    let title = format!("## {}{} rules", count[..1].to_uppercase(), &count[1..]);
    says(ARCHITECTURE, &title);
}

/// `--help` and ARCHITECTURE.md promise a width.
#[test]
fn tables_have_at_most_so_many_columns() {
    const WIDTH: usize = 78;
    const WIDER: usize = 100;
    let wider = format!("(those of sweeps and of `anatomy` {WIDER})");
    says(ARCHITECTURE, &format!("Tables of at most {WIDTH} columns {wider}"));
    let folder = tempfile::tempdir().unwrap();
    for command in ["compare", "sweep"] {
        let help = printed(&[command, "--help"], folder.path());
        says(&help, &format!("Text for people, at most {WIDTH} columns (anatomy, sweep: {WIDER})"));
    }
    for args in [
        &["compare", "smoke"][..],
        &["run", "smoke"],
        &["anatomy", "smoke", "--duration", "200ms"],
        &["sweep", "smoke", "--axis", "guest.hz=100,1000", "--set", "duration=60ms"],
        &["test", "smoke"],
        &[
            "crossover",
            "smoke",
            "--field",
            "guest.hz",
            "--from",
            "100",
            "--to",
            "1000",
            "--set",
            "duration=100ms",
        ],
        &["explore", "--vcpus", "1", "--defect", "no-eoi"],
        &["zoo", "H03"],
        &["invariants"],
        &["invariants", "INV-13"],
        &["rules"],
        &["rules", "v6.19"],
        &["rules", "--diff", "v2.6.39", "v5.8"],
        &["policies"],
        &["presets"],
        &["presets", "skylake-sp"],
        &["scenarios"],
    ] {
        let text = printed(args, folder.path());
        assert!(text.lines().count() > 1, "{args:?}");
        // The line that repeats a run is never broken.
        let most = if matches!(args[0], "anatomy" | "sweep") { WIDER } else { WIDTH };
        let wide = |line: &&str| line.chars().count() > most && !line.starts_with("apfsim ");
        let wide: Vec<&str> = text.lines().filter(wide).collect();
        assert!(wide.is_empty(), "{args:?}: {wide:#?}");
    }
}
