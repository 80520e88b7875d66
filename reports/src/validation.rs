//! Published experiments beside what is simulated: tables, and the share that is within.

use scenarios::experiments::validate::{
    ExperimentResult, Kind, Measured, Parameter, RowResult, Tally, Verdict,
};
use serde_json::{Value, json};

use crate::format::significant;
use crate::page::{Column, Grid, Page, Piece};
use crate::report::{Names, Report};

/// The results of experiments.
#[derive(Debug)]
pub struct ValidationReport<'a> {
    /// A result an experiment.
    pub results: &'a [ExperimentResult],
}

impl Report for ValidationReport<'_> {
    fn page(&self) -> Page {
        let experiments = self.results.iter().map(experiment);
        // Of one experiment its table says all.
        let summary = (self.results.len() > 1).then(|| summary(self.results));
        Page::of(experiments.chain(summary))
    }

    fn object(&self) -> String {
        let experiments = Value::from_iter(self.results.iter().map(value));
        let tally = |kind| {
            let Tally { experiments, judged, within, rows, rows_within } =
                Tally::of(self.results, kind);
            json!({
                "experiments": experiments,
                "judged": judged,
                "within": within,
                "rows": rows,
                "rows_within": rows_within,
            })
        };
        let summary = json!({
            "all": tally(None),
            "published": tally(Some(Kind::Published)),
            "measured": tally(Some(Kind::Measured)),
        });
        format!("{:#}\n", json!({ "experiments": experiments, "summary": summary }))
    }

    fn tables(&self) -> Vec<(&'static str, Grid)> {
        vec![("validation", rows(self.results))]
    }

    fn names(&self) -> Names {
        Names { page: "validation.txt", object: "validation.json" }
    }
}

/// How many experiments and rows came out how, without their tables.
#[derive(Debug)]
pub struct ValidationSummary<'a> {
    /// A result an experiment.
    pub results: &'a [ExperimentResult],
}

impl Report for ValidationSummary<'_> {
    fn page(&self) -> Page {
        Page::of([summary(self.results)])
    }

    fn object(&self) -> String {
        ValidationReport { results: self.results }.object()
    }
}

/// The table of one experiment, and what is to be said of it.
fn experiment(result: &ExperimentResult) -> Vec<Piece> {
    let experiment = &result.experiment;
    let (within, all) = result.predictions();
    let count = match result.verdict() {
        Verdict::NotModelled => String::new(),
        _ => format!(", {within} of {all} rows"),
    };
    let verdict = format!("{}{count}", result.verdict().name());
    let mut pieces = vec![
        Piece::text(format!("{}: {} ({verdict})", experiment.name, experiment.title)),
        Piece::Text {
            text: format!("Source: {}", experiment.sources.join("; ")),
            first: 2,
            further: 4,
        },
    ];
    match &experiment.not_modelled {
        Some(reason) => {
            pieces.push(Piece::Text {
                text: format!("Not modelled: {reason}"),
                first: 2,
                further: 4,
            });
        }
        None => pieces.push(Piece::Grid(grid(result))),
    }
    let broken = result.violations.iter().map(|text| format!("Broken: {text}"));
    let said = broken.chain(reasons(result)).chain(experiment.analysis.iter().cloned());
    pieces.extend(said.map(|text| Piece::Text { text, first: 2, further: 4 }));
    pieces
}

/// Why rows are not modelled, each reason once.
fn reasons(result: &ExperimentResult) -> Vec<String> {
    let mut reasons: Vec<String> = Vec::new();
    for row in &result.rows {
        if let (Measured::NotModelled(reason), None) =
            (&row.row.measured, &result.experiment.not_modelled)
        {
            let text = format!("Not modelled: {reason}");
            if !reasons.contains(&text) {
                reasons.push(text);
            }
        }
    }
    reasons
}

fn grid(result: &ExperimentResult) -> Grid {
    let mut grid = Grid::new(vec![
        Column::left("row"),
        Column::right("published"),
        Column::right("simulated"),
        Column::right("error"),
        Column::left("verdict"),
    ]);
    for row in &result.rows {
        let (unit, factor) = unit(row);
        let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
        grid.row(vec![
            row.row.label.clone(),
            format!("{}{unit}", significant(row.row.published * factor)),
            row.simulated.map_or_else(|| "-".to_owned(), |it| significant(it * factor)),
            row.error().map_or_else(|| "-".to_owned(), percent),
            verdict(row).to_owned(),
        ]);
    }
    grid
}

fn verdict(row: &RowResult) -> &'static str {
    if row.has_wrong_direction() { "wrong direction" } else { row.verdict().name() }
}

fn percent(error: f64) -> String {
    match error.abs() {
        // Beyond that a factor says more.
        10.0.. => format!("x {:.0}", error + 1.0),
        _ => format!("{:+.1} %", error * 100.0),
    }
}

/// The unit that suits a published number, and what it is multiplied by. Times of seconds below one are shown
/// in smaller units.
fn unit(row: &RowResult) -> (&str, f64) {
    match (row.row.unit.as_str(), row.row.published.abs()) {
        ("s", size) if size > 0.0 && size < 1e-6 => ("ns", 1e9),
        ("s", size) if size > 0.0 && size < 1e-3 => ("us", 1e6),
        ("s", size) if size > 0.0 && size < 1.0 => ("ms", 1e3),
        (unit, _) => (unit, 1.0),
    }
}

/// A line an experiment, and how many are within.
fn summary(results: &[ExperimentResult]) -> Vec<Piece> {
    let mut grid = Grid::new(vec![
        Column::left("experiment"),
        Column::left("verdict"),
        Column::right("rows within"),
        Column::right("of"),
        Column::right("median error"),
    ]);
    for result in results {
        let (within, all) = result.predictions();
        let counted = |number: usize| if all == 0 { String::new() } else { number.to_string() };
        grid.row(vec![
            result.experiment.name.clone(),
            result.verdict().name().to_owned(),
            counted(within),
            counted(all),
            result.median_error().map_or_else(String::new, |it| format!("{:.1} %", it * 100.0)),
        ]);
    }
    let mut pieces = vec![Piece::Grid(grid)];
    for kind in Kind::ALL {
        let tally = Tally::of(results, Some(kind));
        if tally.experiments > 0 {
            pieces.push(Piece::text(sentence(kind, tally)));
        }
    }
    pieces
}

fn sentence(kind: Kind, tally: Tally) -> String {
    let Tally { experiments, judged, within, rows, rows_within } = tally;
    let share = |part: usize, whole: usize| match whole {
        0 => "-".to_owned(),
        _ => format!("{:.0} %", 100.0 * part as f64 / whole as f64),
    };
    let name = match kind {
        Kind::Published => "Published",
        Kind::Measured => "Measured",
    };
    format!(
        "{name}: {experiments} experiments, {judged} judged, {within} within ({}); {rows_within} of {rows} rows \
         within ({}).",
        share(within, judged),
        share(rows_within, rows)
    )
}

/// For spreadsheets: a line a row.
fn rows(results: &[ExperimentResult]) -> Grid {
    let titles =
        ["experiment", "row", "unit", "published", "stderr", "simulated", "error", "verdict"];
    let mut grid = Grid::named(titles);
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    for result in results {
        for row in &result.rows {
            grid.row(vec![
                result.experiment.name.clone(),
                row.row.label.clone(),
                row.row.unit.clone(),
                row.row.published.to_string(),
                number(row.row.stderr),
                number(row.simulated),
                number(row.error()),
                verdict(row).to_owned(),
            ]);
        }
    }
    grid
}

fn value(result: &ExperimentResult) -> Value {
    let experiment = &result.experiment;
    let (within, all) = result.predictions();
    let parameter = |one: &Parameter| {
        let Parameter { what, value, basis, row, note } = one;
        json!({ "what": what, "value": value, "basis": basis, "row": row, "note": note })
    };
    json!({
        "name": experiment.name,
        "title": experiment.title,
        "sources": experiment.sources,
        "kind": experiment.kind.name(),
        "verdict": result.verdict().name(),
        "not_modelled": experiment.not_modelled,
        "rows_within": within,
        "rows_judged": all,
        "median_error": result.median_error(),
        "parameters": experiment.parameters.iter().map(parameter).collect::<Vec<_>>(),
        "rows": result.rows.iter().map(row_value).collect::<Vec<_>>(),
        "violations": result.violations,
        "analysis": experiment.analysis,
    })
}

fn row_value(row: &RowResult) -> Value {
    let (formula, reason) = match &row.row.measured {
        Measured::By(formula) => (Some(formula.text()), None),
        Measured::NotModelled(reason) => (None, Some(reason)),
    };
    json!({
        "label": row.row.label,
        "unit": row.row.unit,
        "published": row.row.published,
        "stderr": row.row.stderr,
        "measure": formula,
        "not_modelled": reason,
        "simulated": row.simulated,
        "error": row.error(),
        "tolerance": row.row.tolerance,
        "effect": row.row.effect,
        "wrong_direction": row.has_wrong_direction(),
        "verdict": row.verdict().name(),
    })
}

/// The list of experiments, before any is run.
#[derive(Debug)]
pub struct ExperimentList<'a> {
    /// The experiments.
    pub experiments: &'a [scenarios::experiments::validate::Experiment],
}

impl Report for ExperimentList<'_> {
    fn page(&self) -> Page {
        let line = |one: &scenarios::experiments::validate::Experiment| {
            let told = if one.is_simulated() { "" } else { " (not modelled)" };
            (one.name.clone(), format!("{}{told}", one.title))
        };
        Page::of([vec![Piece::Listing(self.experiments.iter().map(line).collect(), 0)]])
    }

    fn object(&self) -> String {
        let line = |one: &scenarios::experiments::validate::Experiment| {
            json!({
                "name": one.name,
                "title": one.title,
                "sources": one.sources,
                "kind": one.kind.name(),
                "not_modelled": one.not_modelled,
                "rows": one.rows.len(),
            })
        };
        format!("{:#}\n", Value::from_iter(self.experiments.iter().map(line)))
    }
}

#[cfg(test)]
mod tests {
    use scenarios::RunOptions;
    use scenarios::experiments::validate::{Experiment, run_experiments};

    use super::*;
    use crate::formats;

    fn results() -> Vec<ExperimentResult> {
        let text = r#"{ "format": 1, "name": "x", "title": "An experiment", "sources": ["a letter"],
          "setups": [{ "name": "a", "scenario": "smoke", "set": { "duration": "20ms" } }],
          "rows": [
            { "label": "time", "published": 0.02, "unit": "s", "measure": "duration@a" },
            { "label": "vcpus", "published": 3, "measure": "vcpus@a" },
            { "label": "rate", "published": 1, "measure": "1", "role": "calibration" },
            { "label": "other", "published": 1, "not_modelled": "there is none" }
          ],
          "analysis": ["The number of processors is another one."] }"#;
        let experiment = Experiment::from_str("x", text);
        let experiment = experiment.unwrap_or_else(|error| panic!("{}", error.render()));
        run_experiments(vec![experiment], &RunOptions::default(), &|_| {}).unwrap()
    }

    #[test]
    fn tables_have_verdicts_and_reasons() {
        let results = results();
        let report = ValidationReport { results: &results };
        let page = report.page().plain();
        assert!(page.starts_with("x: An experiment (outside, 1 of 2 rows)\n"), "{page}");
        assert!(page.contains("Not modelled: there is none"), "{page}");
        assert!(page.contains("The number of processors is another one."), "{page}");
        assert!(!page.contains("median error"), "of one experiment there is no summary: {page}");
        let markdown = formats::find("markdown").unwrap().print(&report).unwrap();
        assert!(markdown.contains("| time | 20.00 ms | 20.00 | +0.0 % | within |"), "{markdown}");
        let object: Value = serde_json::from_str(&report.object()).unwrap();
        assert_eq!(object["summary"]["published"]["rows"], 2);
        assert_eq!(object["experiments"][0]["rows"][3]["not_modelled"], "there is none");
    }
}
