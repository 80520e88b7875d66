//! The search for the value at which two policies are equal, as text and JSON.

use models::trace::metrics::{self, Better};
use scenarios::Crossover;
use scenarios::experiments::crossover::{CrossoverAnswer, CrossoverStep, Larger};
use serde_json::{Value, json};

use crate::format::{grouped, significant, span_ns};
use crate::json::{finite, written};
use crate::notes;
use crate::page::{Column, Grid, Page, Piece};
use crate::report::{Names, Report};

impl Report for Crossover {
    fn page(&self) -> Page {
        page(self)
    }

    fn object(&self) -> String {
        object(self)
    }

    fn tables(&self) -> Vec<(&'static str, Grid)> {
        vec![("crossover", steps(self))]
    }

    fn names(&self) -> Names {
        Names { page: "crossover.txt", object: "crossover.json" }
    }
}

/// Every value that was tried, the answer, and what it means.
fn page(found: &Crossover) -> Page {
    let Crossover { scenario, metric, policy, against, fields, .. } = found;
    let question = format!("{scenario}: where is {metric} equal for {policy} and {against}?");
    let plural = if found.replications == 1 { "" } else { "s" };
    let setting =
        format!("{fields}, {} replication{plural}, seed {}", found.replications, found.seed);
    let mut grid = Grid::new(vec![
        Column::left("value"),
        Column::left("larger"),
        Column::right(policy.as_str()),
        Column::right(against.as_str()),
        Column::right("difference"),
    ]);
    for step in &found.steps {
        let cell = |estimate: &sim_core::Estimate| with_interval(found, estimate);
        let larger = match (step.clear, step.larger) {
            (false, _) => "not clear",
            (true, Larger::Policy) => policy,
            (true, Larger::Against) => against,
        };
        let (own, other) = (cell(&step.policy), cell(&step.against));
        grid.row(vec![step.value.clone(), larger.into(), own, other, cell(&step.difference)]);
    }
    let last = format!(
        "apfsim {} crossover {scenario} seed {} replications {} digest {}",
        found.version, found.seed, found.replications, found.digest
    );
    let steps = found.steps.iter().map(|step| (step.value.as_str(), step.notes.as_slice()));
    let notes = notes::at_points("at", &steps.collect::<Vec<_>>());
    Page::of([
        vec![Piece::text(question), Piece::text(setting)],
        vec![Piece::Grid(grid)],
        vec![Piece::text(answer(found))],
        notes,
        vec![Piece::Line(last)],
    ])
}

/// Every value that was tried, in base units: `value` as a scenario has it, `amount`, and mean and 95 % interval of the
/// metric of both policies and of their difference. What is not defined is empty.
fn steps(found: &Crossover) -> Grid {
    let mut names = vec!["value".to_owned(), "amount".to_owned()];
    for of in ["policy", "against", "difference"] {
        names.extend(["mean", "low", "high"].map(|what| format!("{of}_{what}")));
    }
    names.push("clear".to_owned());
    let mut grid = Grid::new(names.into_iter().map(Column::left).collect());
    for step in &found.steps {
        let mut row = vec![step.value.clone(), step.amount.to_string()];
        for estimate in [&step.policy, &step.against, &step.difference] {
            let (low, high) = estimate.ci95.unzip();
            let all = [Some(estimate.mean), low, high];
            row.extend(all.map(|value| {
                value.filter(|it| it.is_finite()).map_or_else(String::new, |it| it.to_string())
            }));
        }
        row.push(step.clear.to_string());
        grid.row(row);
    }
    grid
}

/// A mean with half of its 95 % interval.
fn with_interval(found: &Crossover, estimate: &sim_core::Estimate) -> String {
    let half = estimate.ci95.map(|(low, high)| (high - low) / 2.0);
    let half = half.map(|half| format!(" ±{}", amount(found, half))).unwrap_or_default();
    format!("{}{half}", amount(found, estimate.mean))
}

fn amount(found: &Crossover, value: f64) -> String {
    match found.unit.as_str() {
        "s" if value < 0.0 => format!("-{}", span_ns(-value * 1e9)),
        "s" => span_ns(value * 1e9),
        _ if value.fract() == 0.0 => grouped(value),
        _ => significant(value),
    }
}

/// Who is better off, or has more.
fn judged(found: &Crossover, larger: Larger) -> String {
    let (more, less) = match larger {
        Larger::Policy => (&found.policy, &found.against),
        Larger::Against => (&found.against, &found.policy),
    };
    let better = metrics::find(&found.metric).map_or(Better::Neither, |kind| kind.better);
    match better {
        Better::More => format!("{more} is better"),
        Better::Less => format!("{less} is better"),
        Better::Neither => format!("{more} has more"),
    }
}

fn other(larger: Larger) -> Larger {
    match larger {
        Larger::Policy => Larger::Against,
        Larger::Against => Larger::Policy,
    }
}

fn answer(found: &Crossover) -> String {
    let text = match &found.answer {
        CrossoverAnswer::Crossing { at, bracket, clear, below, .. } => {
            let (low, high) = bracket;
            let mut text = format!(
                "They are equal at {at} (between {low} and {high}). Below, {}; above, {}.",
                judged(found, *below),
                judged(found, other(*below))
            );
            if clear != bracket {
                text.push_str(&format!(
                    " Up to {} and from {} on the 95 % interval of the difference is on one side of zero; \
                     between them it is within the noise, and more replications would narrow that.",
                    clear.0, clear.1
                ));
            }
            text
        }
        CrossoverAnswer::None { larger } => format!(
            "There is no crossing: {} at both ends of the range. (An even number of crossings \
             between them would not be seen.)",
            judged(found, *larger)
        ),
        CrossoverAnswer::Unclear => {
            let ends: Vec<&str> = found
                .steps
                .iter()
                .filter(|step| !step.clear)
                .map(|step| step.value.as_str())
                .collect();
            format!(
                "No answer: at {} the difference is within the noise. Take more replications, \
                 simulate longer, or choose a wider range.",
                ends.join(" and ")
            )
        }
    };
    let noise = match found.replications {
        1 => " One replication has no interval: how large the noise is, is not known.",
        _ => "",
    };
    format!("{text}{noise}")
}

/// The search as one JSON object on one line. `crossing` is `null` where there is none.
fn object(found: &Crossover) -> String {
    let larger = |larger: Larger| match larger {
        Larger::Policy => found.policy.as_str(),
        Larger::Against => found.against.as_str(),
    };
    let estimate = |estimate: &sim_core::Estimate| {
        let interval = estimate.ci95.and_then(|(low, high)| Some([finite(low)?, finite(high)?]));
        json!({ "mean": finite(estimate.mean), "ci95": interval })
    };
    let step = |step: &CrossoverStep| {
        json!({
            "value": step.value,
            "amount": finite(step.amount),
            "policy": estimate(&step.policy),
            "against": estimate(&step.against),
            "difference": estimate(&step.difference),
            "larger": larger(step.larger),
            "clear": step.clear,
            "setup": step.setup,
            "notes": step.notes.iter().map(notes::value).collect::<Vec<_>>(),
        })
    };
    let (answer, crossing, both_ends) = match &found.answer {
        CrossoverAnswer::Crossing { at, amount, bracket, clear, below } => {
            let crossing = json!({
                "at": at,
                "amount": finite(*amount),
                "bracket": [bracket.0, bracket.1],
                "clear": [clear.0, clear.1],
                "larger_below": larger(*below),
            });
            ("crossing", crossing, Value::Null)
        }
        CrossoverAnswer::None { larger: both } => ("none", Value::Null, json!(larger(*both))),
        CrossoverAnswer::Unclear => ("unclear", Value::Null, Value::Null),
    };
    let value = json!({
        "scenario": found.scenario,
        "version": found.version,
        "fields": found.fields.split(',').collect::<Vec<_>>(),
        "policy": found.policy,
        "against": found.against,
        "metric": found.metric,
        "unit": found.unit,
        "seed": found.seed,
        "replications": found.replications,
        "steps": found.steps.iter().map(step).collect::<Vec<_>>(),
        "answer": answer,
        "crossing": crossing,
        "larger_at_both_ends": both_ends,
        "digest": found.digest.to_string(),
    });
    written(serde_json::to_string(&value))
}
