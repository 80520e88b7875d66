//! Runs for data frames: a row for each policy and replication, with every metric.

use scenarios::run::plan::replication_seed;
use scenarios::{Comparison, PolicyResult};

use crate::json::finite;
use crate::page::{Column, Grid};

/// What stands before the metrics of a comparison: names and values of columns.
pub(crate) type Keys = Vec<(String, String)>;

/// The runs of comparisons: the columns of their keys, `scenario_hash`, `policy`, `replication` and `run_seed`, then a
/// column for each metric, in its base unit. What a run does not define is empty. The seed is that of the run,
/// which all policies share.
pub(crate) fn grid(comparisons: &[(Keys, &Comparison)]) -> Grid {
    let metrics = metric_names(comparisons.iter().map(|(_, comparison)| *comparison));
    let keys = comparisons.first().map(|(keys, _)| keys.iter().map(|(name, _)| name.as_str()));
    let own = ["scenario_hash", "policy", "replication", "run_seed"];
    let names = keys.into_iter().flatten().chain(own).chain(metrics.iter().copied());
    let mut grid = Grid::new(names.map(Column::left).collect());
    for (keys, comparison) in comparisons {
        for policy in &comparison.policies {
            for replication in 0..comparison.replications {
                let mut row: Vec<String> = keys.iter().map(|(_, value)| value.clone()).collect();
                row.extend([comparison.scenario_hash.clone(), policy.policy.clone()]);
                row.push(replication.to_string());
                row.push(replication_seed(comparison.seed, replication).to_string());
                let value = |name: &&str| value(policy, name, replication).unwrap_or_default();
                row.extend(metrics.iter().map(value));
                grid.row(row);
            }
        }
    }
    grid
}

/// The value of a metric in one run.
fn value(policy: &PolicyResult, metric: &str, replication: u32) -> Option<String> {
    let metric = policy.metric(metric)?;
    let at = metric.replications.iter().position(|it| *it == replication)?;
    finite(*metric.values.get(at)?).map(|value| value.to_string())
}

/// All metrics of comparisons, in order of first appearance.
pub(crate) fn metric_names<'a>(comparisons: impl Iterator<Item = &'a Comparison>) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    let policies = comparisons.flat_map(|comparison| &comparison.policies);
    for metric in policies.flat_map(|policy| &policy.metrics) {
        if !names.contains(&metric.name.as_str()) {
            names.push(&metric.name);
        }
    }
    names
}

/// Latencies of major faults: of each policy, over all its replications, every value that was met, how many faults had
/// it, and the share of faults that were not slower. Values above 2 us are rounded up to three digits.
pub(crate) fn latencies(comparison: &Comparison) -> Grid {
    let mut grid = Grid::named(["policy", "latency_s", "faults", "cdf"]);
    for policy in &comparison.policies {
        let shares = policy.latency.cumulative();
        for ((value, count), (_, share)) in policy.latency.iter().zip(shares) {
            let seconds = value as f64 / 1e9;
            grid.row(vec![
                policy.policy.clone(),
                seconds.to_string(),
                count.to_string(),
                share.to_string(),
            ]);
        }
    }
    grid
}

/// Latencies of requests as [`latencies`] has those of faults, by group of tasks; nothing where no request ended.
pub(crate) fn request_latencies(comparison: &Comparison) -> Option<Grid> {
    let mut grid = Grid::named(["policy", "group", "latency_s", "requests", "cdf"]);
    for policy in &comparison.policies {
        for (group, times) in &policy.request_latency {
            for ((value, count), (_, share)) in times.iter().zip(times.cumulative()) {
                grid.row(vec![
                    policy.policy.clone(),
                    group.clone(),
                    (value as f64 / 1e9).to_string(),
                    count.to_string(),
                    share.to_string(),
                ]);
            }
        }
    }
    let any = grid.rows().next().is_some();
    any.then_some(grid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn text(grid: &Grid, rows: usize) -> String {
        let head = std::iter::once(grid.titles().join(","));
        head.chain(grid.rows().map(|row| row.join(","))).take(rows).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn requests_have_a_distribution_by_group() {
        assert!(request_latencies(&fixture::natapov()).is_none());
        let mut comparison = fixture::natapov();
        let mut times = sim_core::Histogram::new();
        [1_000, 1_000, 2_000].into_iter().for_each(|ns| times.record(ns));
        comparison.policies[1].request_latency = vec![("server".to_owned(), times)];
        let grid = request_latencies(&comparison).expect("requests ended");
        let policy = &comparison.policies[1].policy;
        let rows = format!(
            "policy,group,latency_s,requests,cdf\n{policy},server,0.000001,2,0.6666666666666666\n\
             {policy},server,0.000002,1,1"
        );
        assert_eq!(text(&grid, 9), rows);
    }

    #[test]
    fn a_run_has_a_row() {
        let mut comparison = fixture::natapov();
        let latency = comparison.policies[0].metrics.iter_mut();
        let latency = latency.into_iter().find(|metric| metric.name == "major_faults").unwrap();
        // Defined by the second replication alone.
        latency.values = vec![7.0];
        latency.replications = vec![1];
        let grid = grid(&[(Vec::new(), &comparison)]);
        let policies = comparison.policies.len();
        assert_eq!(grid.rows().count(), policies * comparison.replications as usize);
        let titles = grid.titles();
        let at = |name: &str| titles.iter().position(|title| title == name).unwrap();
        let faults: Vec<&str> =
            grid.rows().take(3).map(|row| row[at("major_faults")].as_str()).collect();
        assert_eq!(faults, ["", "7", ""]);
        let seeds: Vec<&String> = grid.rows().map(|row| &row[at("run_seed")]).collect();
        let replications = comparison.replications as usize;
        assert_eq!(seeds[0], seeds[replications], "policies share their random numbers");
        assert_ne!(seeds[0], seeds[1]);
    }

    #[test]
    fn keys_stand_first() {
        let comparison = fixture::natapov();
        let keys = |point: &str| vec![("point".to_owned(), point.to_owned())];
        let grid = grid(&[(keys("0"), &comparison), (keys("1"), &comparison)]);
        let text = text(&grid, 2);
        assert!(text.starts_with("point,scenario_hash,policy,replication,run_seed,"), "{text}");
        assert!(text.contains("\n0,9e107d9d372bb6826bd81d3542a419d6,sync,0,"), "{text}");
        assert_eq!(grid.rows().last().unwrap()[0], "1");
    }

    #[test]
    fn the_distribution_ends_with_all() {
        let comparison = fixture::natapov();
        let grid = latencies(&comparison);
        let last = grid.rows().last().unwrap().to_vec();
        assert_eq!(last[3], "1");
        for policy in &comparison.policies {
            let own = grid.rows().filter(|row| row[0] == policy.policy);
            let faults: u64 = own.map(|row| row[2].parse::<u64>().unwrap()).sum();
            assert_eq!(faults, policy.latency.count());
        }
    }
}
