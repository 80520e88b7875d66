//! The exponent of a power law.

use sim_core::stats::student_t_975;

/// The law that goes best through points, cost = factor * n^exponent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// The exponent.
    pub exponent: f64,
    /// Half of its 95 % interval, by least squares of the logarithms; unknown of two points.
    pub half_width: Option<f64>,
}

/// Least squares of the logarithms; none of fewer than two sizes.
pub fn fit(points: &[(f64, f64)]) -> Option<Fit> {
    let logs: Vec<(f64, f64)> = points.iter().map(|&(n, cost)| (n.ln(), cost.ln())).collect();
    let count = logs.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| logs.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = logs.iter().map(|point| (point.0 - x).powi(2)).sum();
    if spread <= 0.0 {
        return None;
    }
    let exponent = logs.iter().map(|point| (point.0 - x) * (point.1 - y)).sum::<f64>() / spread;
    let missed = |point: &(f64, f64)| (point.1 - y - exponent * (point.0 - x)).powi(2);
    let rest: f64 = logs.iter().map(missed).sum();
    let freedom = logs.len() - 2;
    let half_width = student_t_975(freedom).map(|t| t * (rest / freedom as f64 / spread).sqrt());
    Some(Fit { exponent, half_width })
}

/// The exponent that n log n has between two sizes: what grows faster bends upwards.
pub fn of_n_log_n(from: f64, to: f64) -> f64 {
    ((to * to.ln().max(1.0)) / (from * from.ln().max(1.0))).ln() / (to / from).ln()
}
