//! How many operations runs take, before they do.

use crate::run::plan::Plan;
use crate::scenario::resolve::{Scenario, pace};

/// Operations that one run and all runs of a scenario may take: of programs that never wait for a page, so that
/// runs take fewer.
pub fn operations(scenario: &Scenario) -> (f64, f64) {
    let end = scenario.warmup + scenario.duration;
    let one = pace::operations(&scenario.machine, end);
    (one, one * Plan::new(scenario).runs().len() as f64)
}
