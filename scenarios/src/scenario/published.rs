//! Results that were published elsewhere.

use serde::Serialize;

/// A published result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Published {
    /// The policy that stands for the published setup.
    pub policy: String,
    /// The metric.
    pub metric: String,
    /// The published mean.
    pub mean: f64,
    /// Its published standard error.
    pub stderr: Option<f64>,
    /// Where it was published.
    pub source: String,
}
