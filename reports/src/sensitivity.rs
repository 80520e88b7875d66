//! What the axes of a sweep do to its result, as text, JSON, CSV and a tornado plot.

use scenarios::experiments::sweep::{AxisEffect, Sensitivity, SensitivityResult};
use serde_json::{Value, json};

use crate::json::{finite, written};
use crate::page::{Column, Grid, Page, Piece};
use crate::plot::{self, Figure};
use crate::quantity::title;
use crate::report::{Names, Report};
use crate::{notes, sweep};

/// Axes that a sentence names.
const NAMED: usize = 3;

impl Report for SensitivityResult {
    fn page(&self) -> Page {
        page(self)
    }

    fn object(&self) -> String {
        written(serde_json::to_string(&object(self)))
    }

    fn object_file(&self) -> String {
        written(serde_json::to_string_pretty(&object(self)))
    }

    fn tables(&self) -> Vec<(&'static str, Grid)> {
        let mut tables = vec![("sensitivity", table(self))];
        tables.extend(self.sweep.tables());
        tables
    }

    fn figures(&self) -> Vec<Figure> {
        plot::of_sensitivity(self)
    }

    /// The points, which the page for browsers shows.
    fn others(&self) -> Vec<(&'static str, String)> {
        vec![("sweep.jsonl", self.sweep.object())]
    }

    fn names(&self) -> Names {
        Names { page: "sensitivity.txt", object: "sensitivity.json" }
    }
}

fn page(result: &SensitivityResult) -> Page {
    let sweep = &result.sweep;
    let mut head = vec![
        Piece::text(format!("{}: {}", sweep.sweep, sweep.title)),
        Piece::text(format!(
            "{} trajectories through {} axes (Morris): {} points run, of {} of the whole grid",
            result.trajectories.len(),
            sweep.axes.len(),
            sweep.points.len(),
            result.grid
        )),
    ];
    head.extend(sweep.axes.iter().map(|axis| {
        Piece::text(format!(
            "{}: {} ({})",
            axis.name,
            axis.fields.join(", "),
            axis.values.join(", ")
        ))
    }));
    let mut blocks = vec![head];
    for found in &result.sensitivities {
        blocks.push(vec![Piece::text(title(result, found)), Piece::Grid(grid(result, found))]);
        blocks.push(vec![Piece::text(verdict(result, found))]);
    }
    blocks.push(vec![
        Piece::text(
            "change: mean of what moving the axis by half of its values does to the quantity, up or down; \
             ±: half of its 95% interval; spread: standard deviation of that. A spread as large as the change \
             says that it depends on where the other axes are.",
        ),
        Piece::text(sweep::invariants(sweep)),
    ]);
    let points: Vec<(String, _)> = sweep
        .points
        .iter()
        .map(|point| (point.number.to_string(), point.comparison.notes.as_slice()))
        .collect();
    let points: Vec<_> = points.iter().map(|(number, notes)| (number.as_str(), *notes)).collect();
    blocks.push(notes::at_points("at point", &points));
    blocks.push(vec![Piece::Line(sweep::reproduction(sweep))]);
    Page::of(blocks)
}

/// A change as a part: a logarithm of 0.1 is 10.5 %.
fn percent(log: f64) -> String {
    let percent = log.exp_m1() * 100.0;
    match percent {
        none if none < 0.05 => "0.0 %".into(),
        small if small < 9.95 => format!("{small:.1} %"),
        _ => format!("{percent:.0} %"),
    }
}

/// Up, down, or both ways.
fn direction(effect: &AxisEffect) -> &'static str {
    match effect.mean {
        mean if mean.abs() < 0.5 * effect.size.mean => "both ways",
        mean if mean > 0.0 => "up",
        _ => "down",
    }
}

fn grid(result: &SensitivityResult, found: &Sensitivity) -> Grid {
    let mut grid = Grid::new(vec![
        Column::left("axis"),
        Column::right("change"),
        Column::right("±"),
        Column::right("spread"),
        Column::left("with the axis"),
    ]);
    for effect in &found.effects {
        let half = effect.size.ci95.map(|(low, high)| (high - low) / 2.0);
        grid.row(vec![
            result.sweep.axes[effect.axis].name.clone(),
            percent(effect.size.mean),
            half.map(percent).unwrap_or_default(),
            percent(effect.spread),
            direction(effect).into(),
        ]);
    }
    grid
}

/// The axes that a conclusion hangs on, in a sentence.
fn verdict(result: &SensitivityResult, found: &Sensitivity) -> String {
    let noise = found.noise.unwrap_or(0.0);
    let matters = |effect: &&AxisEffect| effect.size.mean > noise.max(1e-9);
    let named: Vec<&AxisEffect> = found.effects.iter().filter(matters).take(NAMED).collect();
    let Some((last, before)) = named.split_last() else {
        return format!(
            "{}: no axis moves it by more than chance does at a point ({}).",
            found.policy,
            percent(noise)
        );
    };
    let one = |effect: &&AxisEffect| {
        format!("{} ({})", result.sweep.axes[effect.axis].name, percent(effect.size.mean))
    };
    let mut list = before.iter().map(one).collect::<Vec<_>>().join(", ");
    if !list.is_empty() {
        list.push_str(" and ");
    }
    list.push_str(&one(last));
    let rest = found.effects.get(named.len()).map(|effect| {
        let others = found.effects.len() - named.len();
        let each = if others == 1 { "the other axis moves it" } else { "each other axis moves it" };
        format!("; {each} by {} at most", percent(effect.size.mean))
    });
    let chance =
        found.noise.map(|noise| format!(" Chance at one point: up to {}.", percent(noise)));
    format!(
        "{} hangs on {list}{}.{}",
        found.policy,
        rest.unwrap_or_default(),
        chance.unwrap_or_default()
    )
}

fn table(result: &SensitivityResult) -> Grid {
    let mut grid = Grid::named([
        "policy",
        "quantity",
        "axis",
        "effects",
        "change_log_mean",
        "change_log_low",
        "change_log_high",
        "effect_log_mean",
        "effect_log_deviation",
    ]);
    let number = |value: Option<f64>| {
        value.and_then(finite).map(|value| value.to_string()).unwrap_or_default()
    };
    for found in &result.sensitivities {
        for effect in &found.effects {
            let (low, high) = effect.size.ci95.unzip();
            grid.row(vec![
                found.policy.clone(),
                found.metric.clone().unwrap_or_else(|| "measure_ratio".into()),
                result.sweep.axes[effect.axis].name.clone(),
                effect.count.to_string(),
                number(Some(effect.size.mean)),
                number(low),
                number(high),
                number(Some(effect.mean)),
                number(Some(effect.spread)),
            ]);
        }
    }
    grid
}

fn object(result: &SensitivityResult) -> Value {
    let sweep = &result.sweep;
    let effect = |effect: &AxisEffect| {
        json!({
            "axis": sweep.axes[effect.axis].name,
            "effects": effect.count,
            "change_log": finite(effect.size.mean),
            "change_log_ci95": effect.size.ci95,
            "effect_log_mean": finite(effect.mean),
            "effect_log_deviation": finite(effect.spread),
        })
    };
    let sensitivity = |found: &Sensitivity| {
        json!({
            "policy": found.policy,
            "quantity": found.metric.as_deref().unwrap_or("measure_ratio"),
            "range": found.range,
            "noise_log": found.noise,
            "axes": found.effects.iter().map(effect).collect::<Vec<_>>(),
            "verdict": verdict(result, found),
        })
    };
    let axis = |axis: &scenarios::experiments::sweep::Axis| json!({ "name": axis.name, "fields": axis.fields, "values": axis.values });
    json!({
        "sweep": sweep.sweep,
        "title": sweep.title,
        "version": sweep.version,
        "hash": sweep.hash,
        "digest": sweep.digest.to_string(),
        "axes": sweep.axes.iter().map(axis).collect::<Vec<_>>(),
        "trajectories": result.trajectories,
        "points": sweep.points.len(),
        "sensitivities": result.sensitivities.iter().map(sensitivity).collect::<Vec<_>>(),
    })
}
