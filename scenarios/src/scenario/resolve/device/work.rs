//! Laws of work of a processor.

use sim_core::{Distribution, SimDuration};

use crate::scenario::resolve::at::At;
use crate::syntax::error::ScenarioError;

/// Longest mean of a page. A thread that works for longer is at its first pages when the run should end:
/// filling memory takes the compression of all that do not fit.
const MAX_MEAN: SimDuration = SimDuration::from_secs(1);

/// The law of work of a processor, which needs a mean.
pub(in crate::scenario) fn work(
    at: &At<'_>,
    law: Distribution,
) -> Result<Distribution, ScenarioError> {
    match law.mean_hint() {
        Some(mean) if mean <= MAX_MEAN.as_ps() => Ok(law),
        _ => Err(at.fail(
            "this is work of a processor, and has no mean or a long one",
            "a law whose mean is at most 1s a page: `pareto` with a `shape_milli` above 1000, `log_normal` \
             with a smaller `sigma_milli`",
        )),
    }
}
