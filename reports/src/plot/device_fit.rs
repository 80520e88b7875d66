//! Latencies of a device, measured and simulated, a panel a direction and depth.

use scenarios::DeviceFitReport;
use scenarios::logs::device::DeviceFitRow;

use super::multiples::{self, Multiple, Quantile, Words};
use super::scene::Scene;
use crate::format::grouped;

/// The percentiles of each direction and depth; none where nothing was measured.
pub(super) fn scene(report: &DeviceFitReport) -> Option<Scene> {
    let parts = report.rows.chunk_by(|a, b| (a.direction, a.depth) == (b.direction, b.depth));
    let multiples: Vec<Multiple> = parts.map(multiple).collect();
    let files: Vec<&str> = report.files.iter().map(|(path, _)| path.as_str()).collect();
    let origin = format!("apfsim {} fit device, {}.", env!("CARGO_PKG_VERSION"), report.name);
    let words = Words {
        title: "Measured and fitted device",
        about: &files.join(", "),
        sides: ["measured", "device"],
        upwards: "latency (log)",
        notes: vec![
            "Percentiles of the latency of requests. Each panel has a scale of its own.".to_owned(),
            origin,
        ],
    };
    multiples::scene(&multiples, &words)
}

fn multiple(rows: &[DeviceFitRow]) -> Multiple {
    let first = &rows[0];
    let quantile = |row: &DeviceFitRow| Quantile {
        name: row.name(),
        values: [Some(row.measured), Some(row.simulated)],
    };
    Multiple {
        title: format!(
            "{}s {}, {} requests",
            first.direction.name(),
            first.under(),
            grouped(first.count as f64)
        ),
        quantiles: rows.iter().filter(|row| row.ppm.is_some()).map(quantile).collect(),
    }
}
