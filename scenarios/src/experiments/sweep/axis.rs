//! Axes of a sweep.

use super::point::{Origin, Patch};
use super::range::{Kind, Quantity};
use crate::scenario::patch::Target;
use crate::syntax::tree::NodeValue;

/// Something that is varied, with its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Its name in tables.
    pub name: String,
    /// Paths of the fields that have the value.
    pub fields: Vec<String>,
    /// The values, as tables have them.
    pub values: Vec<String>,
    /// What the values are.
    pub kind: AxisKind,
    /// The base unit of values that are times or numbers, as a part of a column's name: `s`, `bytes`, `hz`,
    /// `cycles`; none of plain numbers and of what has no order.
    pub unit: Option<&'static str>,
}

/// What the values of an axis are.
#[derive(Clone, Debug, PartialEq)]
pub enum AxisKind {
    /// Times, in seconds.
    Time(Vec<f64>),
    /// Sizes in bytes, rates in hertz, cycles, or plain numbers.
    Number(Vec<f64>),
    /// Something that has no order.
    Other,
}

/// An axis with its values and where they were written.
pub(super) struct AxisSpec {
    pub(super) axis: Axis,
    /// What has the value, and where that was written.
    pub(super) targets: Vec<(Target, Origin)>,
    pub(super) values: Vec<(NodeValue, Origin)>,
    /// Where the axis was written.
    pub(super) whole: Origin,
}

/// A variation and what it changes.
pub(super) struct Variation {
    pub(super) name: String,
    pub(super) set: Vec<Patch>,
}

impl Axis {
    /// Named like the first field unless it has a name of its own.
    pub(super) fn new(
        name: Option<String>,
        targets: &[(Target, Origin)],
        values: &[NodeValue],
    ) -> Self {
        let first = targets.first().map_or("", |(target, _)| target.last_name());
        let name = name.unwrap_or_else(|| first.to_owned());
        let fields = targets.iter().map(|(target, _)| target.text().to_owned()).collect();
        let quantities: Option<Vec<Quantity>> = values.iter().map(Quantity::of).collect();
        let kind = quantities.filter(|all| all.windows(2).all(|two| two[0].kind == two[1].kind));
        let unit = kind.as_ref().and_then(|all| all.first()?.kind.unit());
        let kind = kind.map_or(AxisKind::Other, |all| {
            let amounts = all.iter().map(|quantity| quantity.amount as f64);
            match all.first().map(|quantity| quantity.kind) {
                Some(Kind::Time) => AxisKind::Time(amounts.map(|ps| ps / 1e12).collect()),
                _ => AxisKind::Number(amounts.collect()),
            }
        });
        Self { name, fields, values: values.iter().map(text).collect(), kind, unit }
    }
}

/// A value as tables have it: text without quotes, everything else as JSON.
pub(super) fn text(value: &NodeValue) -> String {
    match value {
        NodeValue::String(text) => text.trim().into(),
        other => other.json(),
    }
}
