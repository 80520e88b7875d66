//! The published tables, as far as their orderings and ratios go, and the README's copy of the whole
//! comparison.

use scenarios::experiments::judge::judge;
use scenarios::{Comparison, RunOptions, Scenario, run_comparison};

use crate::kit::{printed, program};

/// Ten seconds, twice.
fn natapov() -> Comparison {
    let duration = "10s";
    let text = scenarios::scenario::library::find("natapov-2010").unwrap().text;
    let text = text
        .replace("\"duration\": \"60s\"", &format!("\"duration\": \"{duration}\""))
        .replace("\"replications\": 10", "\"replications\": 2");
    assert!(text.contains(duration) && text.contains("\"replications\": 2"));
    let scenario = Scenario::from_str("natapov-2010", &text).unwrap();
    let options = RunOptions { jobs: 2, ..RunOptions::default() };
    run_comparison(&scenario, &options, &|_| {}).unwrap()
}

#[test]
fn ratios_and_fairness_are_as_published() {
    let comparison = natapov();
    async_against_sync_is_in_the_published_range(&comparison);
    workers_are_as_equal_as_published(&comparison);
    // What the file itself expects, of sixty seconds, is not so narrow that ten would miss it.
    let whole = Scenario::load("natapov-2010").unwrap();
    let judgements = judge(&whole.expect, &comparison);
    assert_eq!(judgements.len(), 3);
    assert!(judgements.iter().all(|line| line.met), "{judgements:?}");
}

/// Natapov's v7 letter: async against synchronous is 1.909; his v4 letter has 1.995.
fn async_against_sync_is_in_the_published_range(comparison: &Comparison) {
    let gain = |policy: &str| {
        let mut ratios = comparison.ratios.iter();
        ratios.find(|r| r.policy == policy && r.metric == "work_total").unwrap().mean
    };
    let async_pf = gain("apf-v7-2010");
    assert!((1.70..=2.15).contains(&async_pf), "{async_pf}");
    // Fair charging of halted time predicts one; the published 1.128 is not a target.
    let halt = gain("halt");
    assert!((0.97..=1.03).contains(&halt), "{halt}");
    assert!(!comparison.has_violation());
}

/// His v4 letter lists each worker: the largest is 1.045 (async) and 1.109 (sync) times the least.
fn workers_are_as_equal_as_published(comparison: &Comparison) {
    for (policy, most) in [("sync", 1.11), ("apf-v7-2010", 1.05)] {
        let tasks = &comparison.policy(policy).unwrap().per_task;
        let works: Vec<f64> = tasks.iter().map(|t| t.work).filter(|&work| work > 0.0).collect();
        assert_eq!(works.len(), 4, "{policy}");
        let (least, largest) =
            works.iter().fold((f64::MAX, 0f64), |(l, h), &w| (l.min(w), h.max(w)));
        assert!(largest / least <= most, "{policy}: {works:?}");
    }
}

/// To the last digit and the digest: whoever repeats the README's command sees what it shows.
#[test]
fn the_readme_shows_what_its_first_command_prints() {
    let readme = include_str!("../../../README.md");
    let from = readme.find("natapov-2010: What does async PF buy").unwrap();
    let shown = readme[from..].split("```").next().unwrap();
    let output = printed(program().args(["compare", "natapov-2010", "-q"]));
    assert_eq!(output.trim_end(), shown.trim_end());
}
