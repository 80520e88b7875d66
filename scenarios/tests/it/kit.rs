//! What tests of whole runs have in common.

use scenarios::experiments::judge::judge;
use scenarios::{Comparison, RunOptions, Scenario, run_comparison};

/// The result of a scenario, the same ahead and stepped, with all that it expects.
#[track_caller]
pub(crate) fn outcome(text: &str) -> Comparison {
    let scenario = Scenario::from_str("scenario", text).unwrap();
    let run = |skip| {
        let options = RunOptions { skip, ..RunOptions::default() };
        run_comparison(&scenario, &options, &|_| {}).unwrap()
    };
    let (ahead, stepped) = (run(true), run(false));
    assert_eq!(ahead, stepped);
    let unmet: Vec<_> =
        judge(&scenario.expect, &ahead).into_iter().filter(|line| !line.met).collect();
    assert!(unmet.is_empty(), "{unmet:?}");
    ahead
}
