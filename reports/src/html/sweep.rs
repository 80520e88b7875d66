//! A sweep: its axes, its points, and every metric at each.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::comparison::{Ratio, ratios};
use super::curves::{axis_numbers, significant};
use super::object::{metric_names, text};

/// A sweep.
#[derive(Serialize)]
pub(super) struct Swept {
    axes: Vec<Axis>,
    pub(super) points: Vec<Point>,
    /// By policy and point, in the order of the page's metrics.
    values: BTreeMap<String, Vec<Vec<Option<f64>>>>,
    /// The measure times the baseline's, by policy and point.
    pub(super) ratios: BTreeMap<String, Vec<Option<Ratio>>>,
}

#[derive(Serialize)]
struct Axis {
    name: String,
    /// As they were typed, in the order of the points.
    values: Vec<String>,
    /// What they are, where they are numbers.
    numbers: Option<Vec<f64>>,
}

/// A point.
#[derive(Serialize)]
pub(super) struct Point {
    pub(super) label: String,
    /// Its values, and their places on the axes.
    axes: Vec<String>,
    at: Vec<usize>,
}

impl Swept {
    pub(super) fn of(lines: &[Value], runs: Option<&str>) -> Self {
        let names: Vec<String> = match lines.first().and_then(|line| line["axes"].as_object()) {
            Some(axes) => axes.keys().cloned().collect(),
            None => Vec::new(),
        };
        let axes = names.iter().map(|name| Axis::of(name, lines, runs)).collect::<Vec<_>>();
        let measure = lines.first().map(|line| text(&line["comparison"], "measure"));
        let measure = measure.unwrap_or_default();
        let mut values: BTreeMap<String, Vec<Vec<Option<f64>>>> = BTreeMap::new();
        let mut ratios_of: BTreeMap<String, Vec<Option<Ratio>>> = BTreeMap::new();
        // A metric that a point lacks is none there; the order is that of the first point.
        let order = metric_names(&lines[0]["comparison"]);
        for line in lines {
            let comparison = &line["comparison"];
            let ratios = ratios(comparison);
            for policy in comparison["policies"].as_array().into_iter().flatten() {
                let name = text(policy, "policy");
                let mean = |metric: &String| policy["metrics"][metric]["mean"].as_f64();
                let own = order.iter().map(|metric| mean(metric).map(significant)).collect();
                values.entry(name.clone()).or_default().push(own);
                let ratio = ratios.get(&name).and_then(|own| own.get(&measure)).copied();
                ratios_of.entry(name).or_default().push(ratio);
            }
        }
        let points = lines.iter().map(|line| Point::of(line, &axes)).collect();
        Self { axes, points, values, ratios: ratios_of }
    }
}

impl Axis {
    fn of(name: &str, lines: &[Value], runs: Option<&str>) -> Self {
        let numbers = runs.and_then(|csv| axis_numbers(csv, name));
        let mut values: Vec<String> = Vec::new();
        let mut of_values = Vec::new();
        for line in lines {
            let value = text(&line["axes"], name);
            if !values.contains(&value) {
                let point = line["point"].as_u64().unwrap_or(0);
                of_values.push(numbers.as_ref().and_then(|all| all.get(&point)).copied());
                values.push(value);
            }
        }
        Self { name: name.to_owned(), values, numbers: of_values.into_iter().collect() }
    }
}

impl Point {
    fn of(line: &Value, axes: &[Axis]) -> Self {
        let own: Vec<String> = axes.iter().map(|axis| text(&line["axes"], &axis.name)).collect();
        let place = |(axis, value): (&Axis, &String)| axis.values.iter().position(|it| it == value);
        let at = axes.iter().zip(&own).map(|pair| place(pair).unwrap_or(0)).collect();
        Self { label: text(line, "label"), axes: own, at }
    }
}
