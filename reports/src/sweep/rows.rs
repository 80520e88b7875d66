//! Sweeps for programs: CSV with a row a point and policy, and JSON lines with an object a point.

use scenarios::SweepResult;
use scenarios::experiments::sweep::{AxisKind, PointResult};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::json::{Document, finite, written};
use crate::measure::Measure;
use crate::page::{Column, Grid};
use crate::runs;

/// All points as a table: `point`, a column an axis (or `variation`), `policy`, mean and standard error
/// of each metric, and the ratio of the measure to the baseline's with its 95 % interval: `work_ratio`, or
/// `measure_ratio` where the measure is not work. What is not defined is empty.
pub(super) fn grid(sweep: &SweepResult) -> Grid {
    let mut grid = Grid::new(header(sweep).into_iter().map(Column::left).collect());
    let metrics = metric_names(sweep);
    for point in &sweep.points {
        let mut begin = vec![point.number.to_string()];
        match sweep.axes.is_empty() {
            true => begin.push(point.label.clone()),
            false => begin.extend(values(sweep, point).map(|(_, value)| value.to_owned())),
        }
        let comparison = &point.comparison;
        for policy in &comparison.policies {
            let mut row = begin.clone();
            row.push(policy.policy.clone());
            for name in &metrics {
                let metric = policy.metric(name);
                row.push(number(metric.map(|metric| metric.mean)));
                row.push(number(metric.and_then(|metric| metric.stderr)));
            }
            let ratio = comparison.ratio(&policy.policy, &comparison.measure);
            let interval = ratio.and_then(|ratio| ratio.ci95);
            row.push(number(ratio.map(|ratio| ratio.mean)));
            row.push(number(interval.map(|(low, _)| low)));
            row.push(number(interval.map(|(_, high)| high)));
            grid.row(row);
        }
    }
    grid
}

fn header(sweep: &SweepResult) -> Vec<String> {
    let mut names = vec!["point".to_owned()];
    match sweep.axes.is_empty() {
        true => names.push("variation".to_owned()),
        false => names.extend(sweep.axes.iter().map(|axis| axis.name.clone())),
    }
    names.push("policy".to_owned());
    for name in metric_names(sweep) {
        names.extend([format!("{name}_mean"), format!("{name}_stderr")]);
    }
    let of_work = sweep.points.iter().all(|point| Measure::of(&point.comparison).is_work());
    let ratio = if of_work { "work_ratio" } else { "measure_ratio" };
    names.extend(["", "_low", "_high"].map(|end| format!("{ratio}{end}")));
    names
}

fn metric_names(sweep: &SweepResult) -> Vec<&str> {
    runs::metric_names(sweep.points.iter().map(|point| &point.comparison))
}

fn number(value: Option<f64>) -> String {
    value.and_then(finite).map(|value| value.to_string()).unwrap_or_default()
}

/// All runs of all points: `point`, of each axis the value as it was written and, where it is one, the number in
/// the base unit (`limit_bytes`); then what `runs.csv` of a comparison has.
pub(super) fn all_runs(sweep: &SweepResult) -> Grid {
    let keys = |point: &PointResult| {
        let mut keys = vec![("point".to_owned(), point.number.to_string())];
        if sweep.axes.is_empty() {
            keys.push(("variation".to_owned(), point.label.clone()));
        }
        for (axis, &place) in sweep.axes.iter().zip(&point.values) {
            keys.push((axis.name.clone(), axis.values[place].clone()));
            if let AxisKind::Time(all) | AxisKind::Number(all) = &axis.kind
                && let Some(unit) = axis.unit
            {
                keys.push((format!("{}_{unit}", axis.name), all[place].to_string()));
            }
        }
        keys
    };
    let points: Vec<_> =
        sweep.points.iter().map(|point| (keys(point), &point.comparison)).collect();
    runs::grid(&points)
}

/// Name of each axis and the point's value.
fn values<'a>(
    sweep: &'a SweepResult,
    point: &'a PointResult,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let value = |(axis, &place): (&'a scenarios::experiments::sweep::Axis, &usize)| {
        (axis.name.as_str(), axis.values[place].as_str())
    };
    sweep.axes.iter().zip(&point.values).map(value)
}

/// All points, a JSON object on a line each: number, label, values of the axes, changed fields, and
/// the comparison as `compare` has it.
pub(super) fn jsonl(sweep: &SweepResult) -> String {
    let lines = sweep.points.iter().map(|point| {
        let axes: Vec<_> = values(sweep, point).collect();
        let set = point.changes.iter().map(|(path, value)| (path.as_str(), value.as_str()));
        let line = Line {
            sweep: &sweep.sweep,
            point: point.number,
            label: &point.label,
            axes: Texts(axes),
            set: Texts(set.collect()),
            comparison: Document::of(&point.comparison),
        };
        written(serde_json::to_string(&line))
    });
    lines.collect()
}

#[derive(serde::Serialize)]
struct Line<'a> {
    sweep: &'a str,
    point: u32,
    label: &'a str,
    axes: Texts<'a>,
    /// Values as JSON texts.
    set: Texts<'a>,
    comparison: Document<'a>,
}

/// Names with texts, in order.
struct Texts<'a>(Vec<(&'a str, &'a str)>);

impl Serialize for Texts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, text) in &self.0 {
            map.serialize_entry(name, text)?;
        }
        map.end()
    }
}
