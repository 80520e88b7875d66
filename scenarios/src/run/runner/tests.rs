//! The runner on small machines: the same results on any number of threads, after an interruption,
//! and with any event queue.

mod edited;

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use sim_core::QueueKind;

use super::*;
use crate::run::folder::RUNS_FILE;
use crate::scenario::resolve::ScenarioOverrides;

/// The smoke scenario, cut to a fraction of a second.
fn scenario() -> Scenario {
    let text = crate::scenario::library::find("smoke").expect("built in").text;
    let text = text.replace("\"duration\": \"1s\"", "\"duration\": \"60ms\"");
    let scenario = Scenario::from_str("smoke", &text);
    scenario.unwrap_or_else(|error| panic!("{}", error.render()))
}

fn options(jobs: usize, out: Option<&Path>) -> RunOptions {
    RunOptions { jobs, out: out.map(Into::into), ..RunOptions::default() }
}

fn run(scenario: &Scenario, options: &RunOptions) -> Comparison {
    run_comparison(scenario, options, &|_| {}).unwrap_or_else(|error| panic!("{error}"))
}

/// What does not depend on whether there is a folder: only there runs are followed over time.
fn without_series(mut comparison: Comparison) -> Comparison {
    comparison.policies.iter_mut().for_each(|policy| policy.series = None);
    comparison
}

/// How many runs were taken over, and how many were run.
fn counted(scenario: &Scenario, options: &RunOptions) -> (Comparison, u32, u32) {
    let counts = Mutex::new((0, 0));
    let result = run_comparison(scenario, options, &|event| {
        let mut counts = counts.lock().expect("no panic");
        match event {
            Progress::Begin { resumed, .. } => counts.0 = resumed,
            Progress::Finished { .. } => counts.1 += 1,
            Progress::Prefill { .. } | Progress::Within { .. } => {}
        }
    });
    let (resumed, finished) = *counts.lock().expect("no panic");
    (result.unwrap_or_else(|error| panic!("{error}")), resumed, finished)
}

#[test]
fn results_are_the_same_on_any_number_of_threads() {
    let scenario = scenario();
    let one = run(&scenario, &options(1, None));
    assert_eq!(one, run(&scenario, &options(2, None)));
    assert_eq!(one, run(&scenario, &options(7, None)));
    assert_eq!(one.policies.len(), 4);
    assert!(!one.has_violation(), "{:?}", one.policies);
    for policy in &one.policies {
        let work = policy.metric("work_total").expect("work is counted");
        assert_eq!(work.values.len(), 2);
        assert!(work.mean > 0.0 && work.stderr.is_some());
        assert!(policy.per_task.iter().any(|task| task.name == "worker[3]"));
    }
    let first = &one.ratios[0];
    assert_eq!((first.policy.as_str(), first.metric.as_str()), ("halt", "work_total"));
    assert!(one.ratios.iter().any(|ratio| ratio.metric.starts_with("fault_latency")));
}

#[test]
fn seeds_change_results_and_policies_do_not_change_each_other() {
    let all = run(&scenario(), &options(0, None));
    let overrides = ScenarioOverrides { seed: Some(77), ..ScenarioOverrides::default() };
    let other = scenario().with_overrides(&overrides).expect("valid");
    assert_ne!(run(&other, &options(0, None)).digest, all.digest);
    let overrides =
        ScenarioOverrides { policies: vec!["halt".into()], ..ScenarioOverrides::default() };
    let alone = scenario().with_overrides(&overrides).expect("valid");
    let alone = run(&alone, &options(0, None));
    assert_eq!(alone.policy("halt"), all.policy("halt"));
    assert_ne!(alone.scenario_hash, all.scenario_hash);
}

#[test]
fn an_interrupted_comparison_goes_on_where_it_stopped() {
    let scenario = scenario();
    let dir = tempfile::tempdir().expect("a directory");
    let (whole, resumed, finished) = counted(&scenario, &options(2, Some(dir.path())));
    assert_eq!((resumed, finished), (0, 8));
    let plain = run(&scenario, &options(1, None));
    assert_eq!(without_series(whole.clone()), plain, "storing changes no result");
    let path = dir.path().join(RUNS_FILE);
    let text = fs::read_to_string(&path).expect("written");
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    assert_eq!(lines.len(), 9);

    // All done: nothing is run.
    let (again, resumed, finished) = counted(&scenario, &options(2, Some(dir.path())));
    assert_eq!((resumed, finished), (8, 0));
    assert_eq!(again, whole);

    // Cut off in the middle of the fourth run.
    let cut = format!("{}{}", lines[..4].concat(), &lines[4][..lines[4].len() / 2]);
    fs::write(&path, cut).expect("written");
    let (again, resumed, finished) = counted(&scenario, &options(2, Some(dir.path())));
    assert_eq!((resumed, finished), (3, 5));
    assert_eq!(again, whole);

    // Cut off in the header.
    fs::write(&path, &lines[0][..10]).expect("written");
    let (again, resumed, _) = counted(&scenario, &options(2, Some(dir.path())));
    assert_eq!((again, resumed), (whole, 0));
}

#[test]
fn more_replications_take_over_the_first_ones() {
    let dir = tempfile::tempdir().expect("a directory");
    run(&scenario(), &options(0, Some(dir.path())));
    let overrides = ScenarioOverrides { replications: Some(3), ..ScenarioOverrides::default() };
    let more = scenario().with_overrides(&overrides).expect("valid");
    let (grown, resumed, finished) = counted(&more, &options(0, Some(dir.path())));
    assert_eq!((resumed, finished), (8, 4));
    assert_eq!(without_series(grown), run(&more, &options(0, None)));
}

#[test]
fn runs_of_something_else_are_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let base = options(0, Some(dir.path()));
    run(&scenario(), &base);
    let refused = |scenario: &Scenario, options: &RunOptions| {
        let error = run_comparison(scenario, options, &|_| {}).expect_err("refused");
        assert!(matches!(error, RunnerError::OtherRuns { .. }), "{error}");
        error.to_string()
    };
    let seeded = Scenario { seed: 5, ..scenario() };
    assert!(refused(&seeded, &base).contains("seed 1 instead of 5"));
    let mut other = scenario();
    other.machine.host.cpus += 1;
    assert!(refused(&other, &base).contains("another scenario"));
    let queue = RunOptions { queue: QueueKind::Reference, ..base.clone() };
    assert!(refused(&scenario(), &queue).contains("event queue"));
    let stepping = RunOptions { skip: false, ..base };
    assert!(refused(&scenario(), &stepping).contains("`skip` true instead of false"));
}

#[test]
fn a_damaged_line_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = options(0, Some(dir.path()));
    run(&scenario(), &options);
    let path = dir.path().join(RUNS_FILE);
    let text = fs::read_to_string(&path).expect("written");
    let mut lines: Vec<&str> = text.lines().collect();
    lines[2] = "{\"policy\":";
    fs::write(&path, lines.join("\n") + "\n").expect("written");
    let error = run_comparison(&scenario(), &options, &|_| {}).expect_err("refused");
    assert!(matches!(error, RunnerError::Broken { line: 3, .. }), "{error}");
}

#[test]
fn an_output_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("file");
    fs::write(&file, "").expect("written");
    let options = options(0, Some(&file));
    let error = run_comparison(&scenario(), &options, &|_| {}).expect_err("refused");
    assert!(matches!(error, RunnerError::Write { .. }), "{error}");
    assert!(error.to_string().contains(&*file.to_string_lossy()), "{error}");
    assert!(!error.to_string().contains("kept"), "nothing could be: {error}");
}

/// A device that takes no byte.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_with_the_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join(RUNS_FILE);
    std::os::unix::fs::symlink("/dev/full", &path).expect("linked");
    // Reading /dev/full gives zeros without end, so the store is asked for itself.
    let header = Header::new("setup".into(), 1, "std", true);
    let mut store = Store::for_test(&path);
    let error = store.write(header.line().0.as_bytes()).expect_err("full");
    assert!(matches!(error, RunnerError::Write { .. }), "{error}");
    assert!(error.to_string().contains(RUNS_FILE), "{error}");
}

#[test]
fn queues_and_skipping_change_no_result() {
    let scenario = scenario();
    let plain = run(&scenario, &options(0, None));
    let queue = RunOptions { queue: QueueKind::Reference, ..options(0, None) };
    assert_eq!(run(&scenario, &queue).digest, plain.digest);
}

#[test]
fn a_machine_that_gives_up_names_policy_and_seed() {
    let mut scenario = scenario();
    // The region does not fit in the guest: no scenario file can say so.
    scenario.machine.guest.memory_pages = 100;
    let error = run_comparison(&scenario, &options(2, None), &|_| {}).expect_err("no memory");
    assert!(matches!(error, RunnerError::Run { .. }), "{error}");
    let seed = crate::run::plan::replication_seed(1, 0);
    assert!(error.to_string().contains(&format!("replication 0 (seed {seed})")), "{error}");
}

#[test]
fn the_least_memory_and_swap_that_a_scenario_may_have_is_enough_to_run() {
    let text = crate::scenario::library::find("smoke").expect("built in").text;
    for (read_ahead, batch) in [(1, 32), (8, 32), (32, 1), (1, 256)] {
        let in_flight = 8 * read_ahead + batch;
        let limit = 256 + 2 * in_flight;
        // Sixteen page tables of level 1, and one of each other level.
        let size = 8192 + 19 - limit + in_flight;
        let edits = [
            ("\"duration\": \"1s\"", "\"duration\": \"20ms\"".into()),
            ("\"24MiB\"", format!("\"{}KiB\", \"reclaim_batch\": {batch}", limit * 4)),
            (
                "\"read_ahead\": 8",
                format!("\"size\": \"{}KiB\", \"read_ahead\": {read_ahead}", size * 4),
            ),
            ("\"replications\": 2", "\"replications\": 1".into()),
        ];
        let scenario = |edits: &[(&str, String)]| {
            let edit = |text: String, (from, to): &(&str, String)| text.replace(from, to);
            Scenario::from_str("least", &edits.iter().fold(text.to_owned(), edit))
        };
        let least = scenario(&edits).unwrap_or_else(|error| panic!("{}", error.render()));
        run(&least, &options(0, None));
        for (at, whole) in [(1, limit * 4), (2, size * 4)] {
            let mut edits = edits.clone();
            edits[at].1 = edits[at].1.replace(&whole.to_string(), &(whole - 4).to_string());
            assert!(scenario(&edits).is_err(), "{edits:?}");
        }
    }
}

#[test]
fn a_trace_changes_no_result() {
    let scenario = scenario();
    let folder = tempfile::TempDir::new().expect("a folder");
    let trace = Some(folder.path().join("trace.txt"));
    let plain = run(&scenario, &options(2, None));
    assert_eq!(plain, run(&scenario, &RunOptions { trace, ..options(2, None) }));
    let files = fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(files, 8, "4 policies, 2 replications");
}

#[test]
fn runs_that_are_stopped_end_in_the_middle_and_go_on() {
    let folder = tempfile::tempdir().expect("a directory");
    let long = Scenario { duration: sim_core::SimDuration::from_ms(600), ..scenario() };
    let stop = Stop::default();
    let options = RunOptions { stop: Some(stop.clone()), ..options(1, Some(folder.path())) };
    let error = run_comparison(&long, &options, &|event| {
        // The second run is then under way, or about to begin.
        if matches!(event, Progress::Finished { .. }) {
            stop.now();
        }
    });
    assert!(matches!(error, Err(RunnerError::Stopped)), "{error:?}");
    let (_, resumed, finished) = counted(&long, &RunOptions { stop: None, ..options.clone() });
    assert_eq!((resumed, finished), (1, 7));
    // One that may be stopped and is not gives the same.
    let again = RunOptions { stop: Some(Stop::default()), out: None, ..options };
    assert_eq!(run(&long, &again), run(&long, &RunOptions { stop: None, ..again.clone() }));
}

/// Whoever waits for a run hears how far it is, and gets the same result.
#[test]
fn how_far_a_run_is_is_told_in_order() {
    let scenario = scenario();
    let heard = Mutex::new(std::collections::BTreeMap::<u32, Vec<u32>>::new());
    let progress = |event: Progress| {
        if let Progress::Within { number, percent } = event {
            heard.lock().expect("nobody fails").entry(number).or_default().push(percent);
        }
    };
    let within = RunOptions { within: true, ..options(2, None) };
    let told = run_comparison(&scenario, &within, &progress).expect("it runs");
    assert_eq!(told, run(&scenario, &options(2, None)));
    let heard = heard.into_inner().expect("nobody fails");
    assert!(!heard.is_empty());
    for percents in heard.values() {
        assert!(percents.windows(2).all(|pair| pair[0] < pair[1]), "{percents:?}");
        assert!(percents.iter().all(|percent| (1..100).contains(percent)), "{percents:?}");
    }
}
