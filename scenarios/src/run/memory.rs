//! How much memory runs will take, before they do.

use crate::run::plan::Plan;
use crate::scenario::resolve::Scenario;

/// Bytes that a world holds for each page of the guests' regions, once all of them were touched: `apfsim run
/// natapov-2010 --policy sync --duration 10ms` with guests of 4 and 16 GiB, half of which is filled, takes 77
/// and 267 MB for a prefilled world and its clone, which is 62 bytes a page and world.
const PAGE: u64 = 62;
/// Bytes of a world without pages.
const WORLD: u64 = 4 << 20;

/// About how many bytes the runs of a scenario take at a time on so many threads, where every page of its
/// regions is touched. Clones share what they do not change, so that this is much for short runs.
pub fn needed(scenario: &Scenario, jobs: usize) -> u64 {
    let pages: u64 = scenario.machine.workload.regions.iter().map(|region| region.pages).sum();
    let runs = Plan::new(scenario).runs().len();
    let (runs, prefills) = (jobs.min(runs), jobs.min(scenario.replications as usize));
    let worlds = u64::try_from(runs + prefills).unwrap_or(u64::MAX);
    worlds.saturating_mul(WORLD + pages.saturating_mul(PAGE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_pages_and_more_threads_take_more() {
        let load = |size: &str| {
            let fields = ["guest.memory", "host.swap.size"];
            let mut set = fields.map(|field| format!("{field}={size}")).to_vec();
            set.push("workload.regions[0].size=50%".to_owned());
            Scenario::load_with("natapov-2010", &set).expect("valid")
        };
        let (small, large) = (load("2GiB"), load("64GiB"));
        assert!(needed(&small, 1) < needed(&large, 1) && needed(&large, 1) < needed(&large, 8));
        // Half of 64 GiB and half of that again were measured as 62 bytes a page.
        let one = Scenario { replications: 1, policies: large.policies[..1].to_vec(), ..large };
        assert_eq!(needed(&one, 8), 2 * (WORLD + 62 * (32 << 18)));
    }
}
