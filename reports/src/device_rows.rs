//! What rows of a fitted device are called, in tables and in plots.

use scenarios::logs::device::DeviceFitRow;

/// What of the file is compared.
pub(crate) fn under(row: &DeviceFitRow) -> String {
    match row.depth {
        Some(depth) => format!("at depth {depth}"),
        None => "at the trace's times".to_owned(),
    }
}

/// The mean, or a percentile as people write it.
pub(crate) fn name(row: &DeviceFitRow) -> String {
    row.ppm.map_or_else(|| "mean".to_owned(), |ppm| format!("p{}", f64::from(ppm) / 10_000.0))
}
