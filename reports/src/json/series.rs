//! Runs over time.

use models::trace::series::Level;
use scenarios::Comparison;

use crate::page::Grid;

/// The windows of the first replication of each policy, the content of `series.csv`. Times are in
/// picoseconds, from the beginning of the measured phase; the times of vCPUs are sums over all.
pub(crate) fn series(comparison: &Comparison) -> Grid {
    let mut grid = Grid::named([
        "policy",
        "begin_ps",
        "length_ps",
        "work",
        "major_faults",
        "running_ps",
        "stalled_ps",
        "halted_ps",
        "idle_ps",
        "waiting_ps",
        "outstanding_mean",
        "outstanding_max",
        "workers_mean",
        "workers_max",
        "in_flight_mean",
        "in_flight_max",
    ]);
    for policy in &comparison.policies {
        let Some(series) = &policy.series else { continue };
        for (index, window) in series.windows.iter().enumerate() {
            let length = series.length_ps(index);
            let counts = [
                series.begin_ps(index),
                length,
                window.work,
                window.major_faults,
                window.running_ps,
                window.stalled_ps,
                window.halted_ps,
                window.idle_ps,
                window.waiting_ps,
            ];
            let mut fields = vec![policy.policy.clone()];
            fields.extend(counts.map(|count| count.to_string()));
            for level in [window.outstanding, window.workers, window.in_flight] {
                fields.extend(mean_and_max(level, length));
            }
            grid.row(fields);
        }
    }
    grid
}

fn mean_and_max(level: Level, length: u64) -> [String; 2] {
    let mean = if length == 0 { 0.0 } else { level.sum_ps as f64 / length as f64 };
    [mean.to_string(), level.max.to_string()]
}
