//! Every value of a scenario, with its source.

use scenarios::scenario::resolved::{Resolved, Source};
use serde_json::{Value, json};

use crate::json::written;
use crate::page::{Column, Grid, Page, Piece};
use crate::report::Report;

/// Characters of a value that are shown.
const VALUE: usize = 40;

/// The values of a scenario.
#[derive(Debug)]
pub struct ResolvedReport<'a> {
    /// All of them, in order.
    pub values: &'a [Resolved],
}

impl Report for ResolvedReport<'_> {
    fn page(&self) -> Page {
        let mut grid = Grid::new(["field", "value", "from"].map(Column::left).into());
        let shown = self.values.iter().filter(|it| is_shown(it));
        for Resolved { field, value, from } in shown {
            grid.row(vec![field.clone(), cut(value), source(from)]);
        }
        let rules = "Rules of policies are shown where a scenario sets them; all others: `apfsim rules \
                     GENERATION`, and `--format json` here.";
        Page::of([vec![Piece::Verbatim(table(&grid))], vec![Piece::text(rules)]])
    }

    fn object(&self) -> String {
        let rows: Vec<Value> = self.values.iter().map(object).collect();
        written(serde_json::to_string(&rows))
    }

    fn tables(&self) -> Vec<(&'static str, Grid)> {
        let mut grid = Grid::named(["field", "value", "from"]);
        for Resolved { field, value, from } in self.values {
            grid.row(vec![field.clone(), value.clone(), source(from)]);
        }
        vec![("resolved", grid)]
    }
}

/// A rule that its generation has is one of many.
fn is_shown(value: &Resolved) -> bool {
    !matches!(value.from, Source::Preset { kind: "policy", .. })
}

fn cut(value: &str) -> String {
    match value.char_indices().nth(VALUE) {
        Some((end, _)) => format!("{}...", &value[..end]),
        None => value.to_owned(),
    }
}

/// Three columns beside each other, however wide: a line a value can be searched for.
fn table(grid: &Grid) -> String {
    let rows: Vec<&[String]> = grid.rows().collect();
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (field, value) = (width(0), width(1));
    let line = |row: &[String]| {
        format!("{:field$}  {:value$}  {}", row[0], row[1], row[2]).trim_end().to_owned() + "\n"
    };
    std::iter::once(line(&grid.titles())).chain(rows.iter().map(|row| line(row))).collect()
}

fn source(from: &Source) -> String {
    match from {
        Source::File { line } => format!("line {line}"),
        Source::Setting(text) => format!("--set {text}"),
        Source::Preset { kind, name } => format!("{kind} {name}"),
        Source::Default => "default".to_owned(),
    }
}

fn object(value: &Resolved) -> Value {
    let (kind, line, name) = match &value.from {
        Source::File { line } => ("file", Some(*line), None),
        Source::Setting(text) => ("set", None, Some(text.as_str())),
        Source::Preset { kind, name } => (*kind, None, Some(name.as_str())),
        Source::Default => ("default", None, None),
    };
    json!({ "field": value.field, "value": value.value, "from": kind, "line": line, "name": name })
}
