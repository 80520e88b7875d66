//! Whether requests from outside are so many that a run would never end.

use models::config::{Arrivals, Law, TaskGroup};
use sim_core::{Distribution, SimDuration};

use super::at::At;
use crate::syntax::error::ScenarioError;

/// Requests that may arrive for a group in a run. Each takes some hundred nanoseconds of a real processor,
/// and memory as long as it waits.
const MAX_ARRIVALS: u64 = 100_000_000;

/// Refuses gaps so short that more requests than that would arrive before `end` for one of the groups in this
/// place.
pub(super) fn fit(
    at: &At<'_>,
    groups: &[TaskGroup],
    laws: &[Law],
    end: SimDuration,
) -> Result<(), ScenarioError> {
    for (index, group) in groups.iter().enumerate() {
        let Some(Arrivals::Law { gap, on_off }) = &group.arrivals else { continue };
        let mean = |law: &models::base::ids::LawId| mean(&laws[law.index()]);
        let (on, off) = on_off.as_ref().map_or((1, 0), |(on, off)| (mean(on), mean(off)));
        let open = u128::from(end.as_ps()) * on / (on + off).max(1);
        let arrivals = open / mean(gap).max(1);
        if arrivals > MAX_ARRIVALS.into() {
            let at = at.index(index).field("arrivals");
            let message = format!("about {arrivals} requests would arrive in {end}");
            let help = format!(
                "at most {MAX_ARRIVALS} in a run: a longer gap, or a shorter `duration` and `warmup`"
            );
            return Err(at.fail(message, help));
        }
    }
    Ok(())
}

/// The mean of a law in picoseconds, or less where it has no formula for it.
pub(super) fn mean(Law { law, unit }: &Law) -> u128 {
    u128::from(law.mean_hint().unwrap_or_else(|| least(law))) * u128::from(*unit)
}

/// No value of a law is less.
fn least(law: &Distribution) -> u64 {
    match law {
        Distribution::Zipf { .. } => 1,
        Distribution::Pareto { scale, .. } => *scale,
        Distribution::Mixture { parts } => {
            parts.iter().map(|(_, part)| least(part)).min().unwrap_or(1)
        }
        _ => 1,
    }
}
