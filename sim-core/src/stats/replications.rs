//! What independent runs say together.

use serde::{Deserialize, Serialize};

/// The 0.975 quantiles of Student's t for 1 to 30 degrees of freedom.
const T_975: [f64; 30] = [
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010,
    2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860, 2.0796, 2.0739, 2.0687,
    2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423,
];
/// The same at some larger degrees of freedom.
const T_975_ABOVE: [(f64, f64); 4] =
    [(30.0, 2.0423), (40.0, 2.0211), (60.0, 2.0003), (120.0, 1.9799)];
/// The limit: the normal distribution's quantile.
const Z_975: f64 = 1.9600;

/// The 0.975 quantile of Student's t distribution, to four decimals: from a table up to 30
/// degrees of freedom, and interpolated over their reciprocal above. `None` for none.
pub fn student_t_975(degrees_of_freedom: usize) -> Option<f64> {
    let index = degrees_of_freedom.checked_sub(1)?;
    if let Some(t) = T_975.get(index) {
        return Some(*t);
    }
    let df = degrees_of_freedom as f64;
    let above = T_975_ABOVE.partition_point(|(at, _)| *at <= df);
    let (df0, t0) = T_975_ABOVE[above - 1];
    // The limit stands at a reciprocal of zero.
    let (reciprocal1, t1) = T_975_ABOVE.get(above).map_or((0.0, Z_975), |(at, t)| (1.0 / at, *t));
    let reciprocal0 = 1.0 / df0;
    Some(t1 + (t0 - t1) * (1.0 / df - reciprocal1) / (reciprocal0 - reciprocal1))
}

/// A mean of independent runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// How many runs.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// The 95 % confidence interval, lower end first; `None` for a single run, which says
    /// nothing of its own spread.
    pub ci95: Option<(f64, f64)>,
}

/// One number from each of several independent runs.
///
/// Push in the order of run numbers, not of completion: sums of floats depend on their order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Replications {
    values: Vec<f64>,
}

impl Replications {
    /// No runs yet.
    pub const fn new() -> Self {
        Self { values: Vec::new() }
    }

    /// Adds one run's number.
    pub fn push(&mut self, value: f64) {
        self.values.push(value);
    }

    /// How many runs.
    pub fn n(&self) -> usize {
        self.values.len()
    }

    /// The numbers, as pushed.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The mean; `None` without runs.
    pub fn mean(&self) -> Option<f64> {
        if self.values.is_empty() {
            return None;
        }
        Some(self.values.iter().sum::<f64>() / self.n() as f64)
    }

    /// The standard deviation among runs, with n-1; `None` below two runs.
    pub fn std_deviation(&self) -> Option<f64> {
        let mean = self.mean().filter(|_| self.n() >= 2)?;
        let squares: f64 = self.values.iter().map(|v| (v - mean) * (v - mean)).sum();
        Some((squares / (self.n() - 1) as f64).sqrt())
    }

    /// The standard error of the mean; `None` below two runs.
    pub fn std_error(&self) -> Option<f64> {
        Some(self.std_deviation()? / (self.n() as f64).sqrt())
    }

    /// The 95 % confidence interval of the mean by Student's t; `None` below two runs.
    pub fn confidence_interval_95(&self) -> Option<(f64, f64)> {
        let half = student_t_975(self.n().checked_sub(1)?)? * self.std_error()?;
        let mean = self.mean()?;
        Some((mean - half, mean + half))
    }

    /// Mean and interval together; `None` without runs.
    pub fn estimate(&self) -> Option<Estimate> {
        Some(Estimate { n: self.n(), mean: self.mean()?, ci95: self.confidence_interval_95() })
    }
}

impl FromIterator<f64> for Replications {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self { values: values.into_iter().collect() }
    }
}

impl Extend<f64> for Replications {
    fn extend<I: IntoIterator<Item = f64>>(&mut self, values: I) {
        self.values.extend(values);
    }
}
