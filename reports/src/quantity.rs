//! What a sensitivity is about, in words.

use models::trace::metrics::{self, Unit};
use scenarios::SensitivityResult;
use scenarios::experiments::sweep::Sensitivity;

use crate::format::{significant, span_ns};
use crate::measure::Measure;

/// What is looked at, and how far it goes.
pub(crate) fn title(result: &SensitivityResult, found: &Sensitivity) -> String {
    let (low, high) = found.range;
    match &found.metric {
        Some(metric) => {
            let amount = |value: f64| amount(metric, value);
            format!("{}, {metric}: {} to {}", found.policy, amount(low), amount(high))
        }
        None => {
            let first = &result.sweep.points[0].comparison;
            let measure = Measure::of(first);
            let what = if measure.is_work() { "work ratio" } else { measure.name };
            format!("{}, {what} to {}: {low:.3} to {high:.3}", found.policy, first.baseline)
        }
    }
}

fn amount(metric: &str, value: f64) -> String {
    match metrics::find(metric).map(|kind| kind.unit) {
        Some(Unit::Seconds) => span_ns(value * 1e9),
        _ => significant(value),
    }
}
