//! What a sweep must not have twice: names, fields, and values that are one and the same.

use std::collections::BTreeMap;

use models::trace::metrics;

use super::axis::{AxisSpec, Variation};
use super::point::{Base, Origin, Patch, Point};
use super::range::Quantity;
use crate::syntax::error::ScenarioError;
use crate::syntax::tree::{FieldPath, NodeValue};

/// Columns of tables that are no axes.
const COLUMNS: [&str; 13] = [
    "scenario_hash",
    "replication",
    "run_seed",
    "point",
    "label",
    "variation",
    "policy",
    "work_ratio",
    "work_ratio_low",
    "work_ratio_high",
    "measure_ratio",
    "measure_ratio_low",
    "measure_ratio_high",
];

/// Refuses names, fields and values that collide.
pub(super) fn collisions(
    base: &Base,
    set: &[Patch],
    axes: &[AxisSpec],
    variations: &[Variation],
) -> Result<(), ScenarioError> {
    names(axes)?;
    axes.iter().try_for_each(values)?;
    fields(base, set, axes)?;
    for variation in variations {
        let patches: Vec<&Patch> = set.iter().chain(&variation.set).collect();
        let places = base.places(&patches)?;
        one_after_the_other(&patches[set.len()..], &places[set.len()..])?;
    }
    Ok(())
}

fn names(axes: &[AxisSpec]) -> Result<(), ScenarioError> {
    let mut known: Vec<String> = Vec::new();
    for AxisSpec { axis, whole, .. } in axes {
        let name = axis.name.as_str();
        let help = "give it another name, in a sweep file as `name`, else as `NAME:` before the field; by \
                    default it is the last word of the field";
        let of_metric = name.strip_suffix("_mean").or_else(|| name.strip_suffix("_stderr"));
        let is_metric = metrics::find(name).or(of_metric.and_then(metrics::find)).is_some();
        if COLUMNS.contains(&name) || is_metric {
            let message = format!("an axis cannot be named `{name}`: results have such a column");
            return Err(whole.error(message, Some(help.into())));
        }
        // In `runs.csv` the numbers of an axis have a column with their unit in its name.
        let with_unit = axis.unit.map(|unit| format!("{name}_{unit}"));
        for name in std::iter::once(name.to_owned()).chain(with_unit) {
            if known.contains(&name) {
                let message = format!("another axis is named `{name}` already");
                return Err(whole.error(message, Some(help.into())));
            }
            known.push(name);
        }
    }
    Ok(())
}

/// What has a value from an axis has it from that axis alone.
fn fields(base: &Base, set: &[Patch], axes: &[AxisSpec]) -> Result<(), ScenarioError> {
    let varied: Vec<Patch> = axes.iter().flat_map(first_patches).collect();
    let patches: Vec<&Patch> = set.iter().chain(&varied).collect();
    let places = base.places(&patches)?;
    let (of_set, of_axes) = places.split_at(set.len());
    let typed = |&at: &usize| set[at].named.doc.file == "--set";
    let typed: Vec<usize> = (0..set.len()).filter(typed).collect();
    let of_typed: Vec<FieldPath> = typed.iter().map(|&at| of_set[at].clone()).collect();
    given_twice(&typed.iter().map(|&at| &set[at]).collect::<Vec<_>>(), &of_typed)?;
    for (patch, place) in set.iter().zip(of_set) {
        if let Some(at) = of_axes.iter().position(|axis| axis.leads_to(place)) {
            let message = format!(
                "`{}` has no effect: the axis over `{}` replaces it",
                patch.target.text(),
                varied[at].target.text()
            );
            let help = "leave out one of the two".to_owned();
            return Err(patch.named.error(message, Some(help)));
        }
    }
    one_after_the_other(&varied.iter().collect::<Vec<_>>(), of_axes)
}

/// Refuses settings that have the same place.
pub(super) fn given_twice(set: &[&Patch], places: &[FieldPath]) -> Result<(), ScenarioError> {
    for (at, place) in places.iter().enumerate() {
        if let Some(first) = places[..at].iter().position(|before| before == place) {
            return Err(twice(&set[at].named, set[first].target.text()));
        }
    }
    Ok(())
}

/// What the first values of an axis put into the scenario.
fn first_patches(axis: &AxisSpec) -> Vec<Patch> {
    let Some((value, origin)) = axis.values.first() else { return Vec::new() };
    let patch = |(target, named): &(crate::scenario::patch::Target, Origin)| Patch {
        target: target.clone(),
        named: named.clone(),
        value: value.clone(),
        origin: origin.clone(),
    };
    axis.targets.iter().map(patch).collect()
}

/// No value replaces one that was put in before it.
fn one_after_the_other(patches: &[&Patch], places: &[FieldPath]) -> Result<(), ScenarioError> {
    for (at, place) in places.iter().enumerate() {
        if let Some(first) = places[..at].iter().position(|before| place.leads_to(before)) {
            return Err(twice(&patches[at].named, patches[first].target.text()));
        }
    }
    Ok(())
}

fn twice(named: &Origin, before: &str) -> ScenarioError {
    let message = format!("this replaces the value of `{before}`, which was given before");
    let help = "name each field once, and an object before its own fields";
    named.error(message, Some(help.into()))
}

/// Values of an axis that are written differently and are the same.
fn values(axis: &AxisSpec) -> Result<(), ScenarioError> {
    let mut known: BTreeMap<String, &str> = BTreeMap::new();
    for ((value, origin), text) in axis.values.iter().zip(&axis.axis.values) {
        if let Some(first) = known.insert(meaning(value), text) {
            return Err(same_value(origin, text, first));
        }
    }
    Ok(())
}

fn same_value(origin: &Origin, text: &str, first: &str) -> ScenarioError {
    let message = match text == first {
        true => format!("the value `{text}` is given twice"),
        false => format!("the value `{text}` is the same as `{first}`"),
    };
    origin.error(message, Some("give each value of an axis once".into()))
}

/// A value as text that equals that of every other way to write it.
fn meaning(value: &NodeValue) -> String {
    if let Some(Quantity { kind, amount }) = Quantity::of(value) {
        return format!("{kind:?} {amount}");
    }
    match value {
        NodeValue::Number(text) => match text.parse::<f64>() {
            // As whole numbers are told above.
            Ok(number) if number >= 0.0 && number.fract() == 0.0 && number < 1e15 => {
                format!("Number {number:.0}")
            }
            Ok(number) => format!("float {number:e}"),
            Err(_) => format!("other {text}"),
        },
        NodeValue::String(text) => format!("text {}", text.trim()),
        other => format!("other {}", other.json()),
    }
}

/// Refuses points of a grid that are one and the same experiment: two values that differ in words
/// only.
pub(super) fn equal_points(axes: &[AxisSpec], points: &[Point]) -> Result<(), ScenarioError> {
    let mut known: BTreeMap<(String, u64), usize> = BTreeMap::new();
    for (at, point) in points.iter().enumerate() {
        let key = (point.scenario.hash(), point.scenario.seed);
        let Some(first) = known.insert(key, at) else { continue };
        let pairs = points[first].values.iter().zip(&point.values).zip(axes);
        let differing = pairs.into_iter().find(|((before, now), _)| before != now);
        if let Some(((&before, &now), axis)) = differing {
            let texts = &axis.axis.values;
            return Err(same_value(&axis.values[now].1, &texts[now], &texts[before]));
        }
    }
    Ok(())
}
