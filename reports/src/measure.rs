//! The metric that policies are compared by: what it is called and how its values are written.

use models::trace::metrics::{self, Better, Unit, WORK_TOTAL};
use scenarios::Comparison;

use crate::format::{grouped, significant, span_ns, thousands_exponent};

/// The measure of a comparison.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measure<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    unit: Unit,
    better: Better,
}

impl<'a> Measure<'a> {
    /// That of a comparison.
    pub(crate) fn of(comparison: &'a Comparison) -> Self {
        Self::named(&comparison.measure)
    }

    /// That of a metric's name.
    pub(crate) fn named(name: &'a str) -> Self {
        let kind = metrics::find(name);
        let unit = kind.map_or(Unit::Number, |kind| kind.unit);
        let better = kind.map_or(Better::Neither, |kind| kind.better);
        Self { name, unit, better }
    }

    /// Whether it is what workers count.
    pub(crate) fn is_work(&self) -> bool {
        self.name == WORK_TOTAL
    }

    /// Above a column of its values.
    pub(crate) fn heading(&self) -> String {
        let unit = self.unit.name();
        match self.unit {
            _ if self.is_work() => format!("Work ({unit})"),
            Unit::Rate | Unit::Pages => format!("{} ({unit}){}", self.name, self.remark()),
            _ => format!("{}{}", self.name, self.remark()),
        }
    }

    /// What is said of a ratio that is no gain where it is above one.
    pub(crate) fn remark(&self) -> &'static str {
        match self.better {
            Better::Less => ", less is better",
            Better::More | Better::Neither => "",
        }
    }

    /// A value in a table.
    pub(crate) fn value(&self, value: f64) -> String {
        match self.unit {
            Unit::Seconds if value.is_finite() => span_ns(value * 1e9),
            Unit::Seconds => "-".to_owned(),
            Unit::Rate | Unit::Number | Unit::Share => significant(value),
            Unit::Count | Unit::Work | Unit::Pages => grouped(value),
        }
    }

    /// What stands for one on an axis that goes up to a value, and what that is called; the exponent of ten
    /// where a power of a thousand is.
    pub(crate) fn scale(&self, max: f64) -> (f64, Scale) {
        if self.unit == Unit::Seconds {
            let (unit, name) = match max {
                1.0.. => (1.0, "s"),
                1e-3.. => (1e-3, "ms"),
                1e-6.. => (1e-6, "\u{b5}s"),
                _ => (1e-9, "ns"),
            };
            return (unit, Scale::Named(name));
        }
        let exponent = thousands_exponent(max);
        (10_f64.powi(exponent), Scale::Exponent(exponent, self.unit.name()))
    }
}

/// What one stands for on an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// A unit.
    Named(&'static str),
    /// A power of ten of a unit.
    Exponent(i32, &'static str),
}
