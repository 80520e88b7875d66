//! Mistakes that kernels made, each caught by its invariant.

use models::monitors::{Invariant, InvariantId};
use scenarios::zoo::{Caught, Entry, Found, Group, Outcome as Came, Row, Shown, Variant};
use serde_json::{Value, json};

use crate::page::{Column, Grid, Page, Piece, WIDTH, listing};
use crate::report::Report;
use crate::table::record_chart;

/// Entries of the zoo, carried out.
#[derive(Debug)]
pub struct ZooReport<'a> {
    /// An entry a row.
    pub rows: &'a [Row],
    /// Whether the page tells the story of each.
    pub stories: bool,
}

impl Report for ZooReport<'_> {
    fn page(&self) -> Page {
        let text = match self.stories {
            true => self.rows.iter().map(story).collect(),
            false => table(self.rows),
        };
        Page::of([vec![Piece::Drawn { text, grid: grid(self.rows) }]])
    }

    fn object(&self) -> String {
        format!("{:#}\n", Value::from_iter(self.rows.iter().map(value)))
    }
}

/// What was noticed with the fewest steps, and under which variant.
pub fn shortest(row: &Row) -> Option<(&Shown, &Caught)> {
    let caught = row.wrong.iter().filter_map(|shown| Some((shown, shown.caught.as_ref()?)));
    caught.min_by_key(|(_, caught)| caught.length)
}

/// States that were searched without finding anything; of runs, nothing.
fn quiet_states(row: &Row) -> String {
    let searched = |shown: &&Shown| shown.found != Found::Simulated;
    let mut states = row.right.iter().filter(searched).map(|shown| shown.states).peekable();
    match states.peek() {
        Some(_) => states.sum::<u64>().to_string(),
        None => String::new(),
    }
}

fn outcome(row: &Row) -> &'static str {
    match row.outcome {
        Came::Caught => "caught",
        Came::Quiet => "quiet",
        Came::Unexpected(_) => "UNEXPECTED",
    }
}

/// How it was looked at, and how far the way to it is.
fn way(row: &Row) -> (&'static str, String) {
    match shortest(row) {
        Some((shown, _)) if shown.found == Found::Simulated => (shown.found.name(), String::new()),
        Some((shown, caught)) => (shown.found.name(), caught.length.to_string()),
        None => (row.right.first().map_or("", |shown| shown.found.name()), String::new()),
    }
}

fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:9} {:10} {:9} {:10} {:>5} {:>9} {:>7}\n",
        "id", "outcome", "invariant", "by", "steps", "quiet in", "time"
    );
    for row in rows {
        let (by, steps) = way(row);
        let invariant = row.entry.expect.invariant.map_or("none".to_owned(), |id| id.to_string());
        text.push_str(&format!(
            "{:9} {:10} {invariant:9} {by:10} {steps:>5} {:>9} {:>5.1} s\n",
            row.entry.id,
            outcome(row),
            quiet_states(row),
            row.time().as_secs_f64(),
        ));
        text.push_str(&paragraphs(&[
            format!("{} ({})", row.entry.subject, row.entry.source),
            varied(row.entry),
        ]));
        if let Came::Unexpected(complaints) = &row.outcome {
            text.push_str(&paragraphs(complaints));
        }
    }
    let caught = rows.iter().filter(|row| row.outcome == Came::Caught).count();
    let quiet = rows.iter().filter(|row| row.outcome == Came::Quiet).count();
    let wrong = rows.len() - caught - quiet;
    text.push_str(&format!(
        "\n{caught} mistakes caught and quiet without, {quiet} controls quiet, {wrong} not as \
         expected\n"
    ));
    text
}

/// Texts that begin after two spaces.
fn paragraphs(texts: &[String]) -> String {
    texts.iter().map(|text| listing(&[(String::new(), text.clone())], 1)).collect()
}

fn varied(entry: &Entry) -> String {
    let names = |variants: &[Variant]| {
        variants.iter().map(|variant| variant.name()).collect::<Vec<_>>().join("; ")
    };
    match entry.group {
        Group::Control => format!("quiet: {}", names(entry.right)),
        _ => format!("shown by: {}. Not by: {}", names(entry.wrong), names(entry.right)),
    }
}

/// The story of one entry.
fn story(row: &Row) -> String {
    let Row { entry, .. } = row;
    let mut lines = vec![
        ("source".to_owned(), entry.source.to_owned()),
        ("story".to_owned(), entry.story.to_owned()),
        ("world".to_owned(), entry.exhibit.world()),
    ];
    if let Some(id) = entry.expect.invariant {
        lines.push(("invariant".to_owned(), format!("{id}: {}", promise(id))));
    }
    for shown in row.wrong.iter().chain(&row.right) {
        lines.push((shown.variant.clone(), result(shown)));
    }
    if !entry.expect.besides.is_empty() {
        let besides = joined(entry.expect.besides);
        lines.push(("besides".to_owned(), format!("{besides}: broken in this world anyway")));
    }
    if !entry.expect.remark.is_empty() {
        lines.push(("remark".to_owned(), entry.expect.remark.to_owned()));
    }
    let verdict = match &row.outcome {
        Came::Unexpected(complaints) => format!("UNEXPECTED: {}", complaints.join("; ")),
        _ => outcome(row).to_owned(),
    };
    lines.push(("verdict".to_owned(), verdict));
    let mut text = format!("{}: {}\n\n{}", entry.id, entry.subject, listing(&lines, 2));
    if let Some((shown, caught)) = shortest(row) {
        let under = &shown.variant;
        let way = match (shown.found, caught.length) {
            (Found::Simulated, _) => {
                let chart = record_chart(&caught.records, WIDTH);
                format!("What led to it, under {under}:\n\n{chart}")
            }
            (_, 0) => format!("Every way, under {under}: from the first state on.\n"),
            _ => format!("The shortest way, under {under}:\n\n{}", caught.chart),
        };
        text.push_str(&format!("\n{way}"));
        let end = format!("{}: {}. {}", caught.invariant, caught.what, caught.detail);
        text.push('\n');
        text.push_str(&paragraphs(&[end]));
    }
    text
}

fn promise(id: InvariantId) -> &'static str {
    Invariant::find(id).map_or("", |line| line.sentence)
}

fn joined(ids: &[InvariantId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// How one variant came out.
fn result(shown: &Shown) -> String {
    let Shown { found, states, time, .. } = shown;
    let what = if *found == Found::Simulated { "records" } else { "states" };
    let size = format!("{}, {states} {what}, {:.1} s", found.name(), time.as_secs_f64());
    let others = match shown.others.as_slice() {
        [] => String::new(),
        others => format!(" besides {}", joined(others)),
    };
    match &shown.caught {
        Some(caught) => {
            let length = match found {
                Found::Simulated => String::new(),
                _ => format!(" after {} steps", caught.length),
            };
            format!("{}{length}{others} ({size})", caught.invariant)
        }
        None if others.is_empty() => format!("quiet ({size})"),
        None => format!("quiet{others} ({size})"),
    }
}

/// The table of the documentation, without times.
fn grid(rows: &[Row]) -> Grid {
    let mut columns: Vec<Column> =
        ["id", "what", "source", "shown by", "not by", "caught by", "by"]
            .map(Column::left)
            .to_vec();
    columns.extend(["steps", "quiet in"].map(Column::right));
    let mut grid = Grid::new(columns);
    for row in rows {
        let Row { entry, .. } = row;
        let names = |variants: &[Variant]| {
            variants.iter().map(|variant| variant.name()).collect::<Vec<_>>().join("; ")
        };
        let (by, steps) = way(row);
        let caught = match row.outcome {
            Came::Unexpected(_) => "**not as expected**".to_owned(),
            _ => entry.expect.invariant.map_or("nothing".to_owned(), |id| id.to_string()),
        };
        let (subject, source) = (entry.subject.to_owned(), entry.source.to_owned());
        let (wrong, right) = (names(entry.wrong), names(entry.right));
        let (id, by) = (entry.id.to_owned(), by.to_owned());
        grid.row(vec![id, subject, source, wrong, right, caught, by, steps, quiet_states(row)]);
    }
    grid
}

fn value(row: &Row) -> Value {
    let Row { entry, wrong, right, outcome: came, .. } = row;
    let complaints = match came {
        Came::Unexpected(complaints) => complaints.as_slice(),
        _ => &[],
    };
    let group = match entry.group {
        Group::Host => "host",
        Group::Guest => "guest",
        Group::Vmm => "vmm",
        Group::Control => "control",
    };
    json!({
        "id": entry.id,
        "group": group,
        "subject": entry.subject,
        "source": entry.source,
        "story": entry.story,
        "world": entry.exhibit.world(),
        "invariant": entry.expect.invariant,
        "besides": entry.expect.besides,
        "remark": entry.expect.remark,
        "outcome": outcome(row).to_lowercase(),
        "complaints": complaints,
        "with": wrong.iter().map(shown_value).collect::<Vec<_>>(),
        "without": right.iter().map(shown_value).collect::<Vec<_>>(),
    })
}

fn shown_value(shown: &Shown) -> Value {
    let Shown { variant, found, caught, others, happened, states, exhaustive, time } = shown;
    let caught = caught.as_ref().map(|caught| {
        json!({
            "invariant": caught.invariant,
            "what": caught.what,
            "detail": caught.detail,
            "steps": caught.length,
            "chart": caught.chart,
            "records": caught.records,
        })
    });
    json!({
        "variant": variant,
        "by": found.name(),
        "caught": caught,
        "others": others,
        "happened": happened,
        "states": states,
        "exhaustive": exhaustive,
        "seconds": time.as_secs_f64(),
    })
}
