//! Where two runs part, as text and JSON.

use scenarios::experiments::diff::{DiffReport, PartingTold, Setting, SideTold, Step, Subject};
use serde_json::{Value, json};
use sim_core::SimTime;

use crate::format::grouped;
use crate::json::written;
use crate::page::{Column, Grid, Page, Piece};
use crate::report::{Names, Report};
use crate::table::record_chart;

/// Columns of the page: records are long.
const WIDTH: usize = 100;
/// Characters of a setting's value that are shown.
const VALUE: usize = 36;
/// Settings that are shown; all are in the object.
const SETTINGS: usize = 40;

impl Report for DiffReport {
    fn page(&self) -> Page {
        let mut blocks = vec![heads(self), settings(self)];
        match &self.parting {
            None => blocks.push(vec![Piece::text(equal(self))]),
            Some(parting) => blocks.extend(parted(self, parting)),
        }
        Page::of(blocks)
    }

    fn object(&self) -> String {
        written(serde_json::to_string(&object(self)))
    }

    fn tables(&self) -> Vec<(&'static str, Grid)> {
        let mut grid = Grid::named(["setting", "a", "b"]);
        for Setting { name, a, b } in &self.settings {
            let value = |value: &Option<String>| value.clone().unwrap_or_default();
            grid.row(vec![name.clone(), value(a), value(b)]);
        }
        vec![("settings", grid)]
    }

    fn names(&self) -> Names {
        Names { page: "diff.txt", object: "diff.json" }
    }
}

fn heads(report: &DiffReport) -> Vec<Piece> {
    let head = |mark: &str, side: &SideTold| {
        let SideTold { scenario, hash, policy, seed, replication, queue, skip } = side;
        let way = if *skip { "" } else { " --no-skip" };
        let (a, b) = (&report.sides[0], &report.sides[1]);
        let queue = if a.queue == b.queue { String::new() } else { format!(" --queue {queue}") };
        Piece::Line(format!(
            "{mark}  {scenario} ({hash}) policy {policy} seed {seed} replication {replication}{way}{queue}"
        ))
    };
    vec![head("A", &report.sides[0]), head("B", &report.sides[1])]
}

fn settings(report: &DiffReport) -> Vec<Piece> {
    let count = report.settings.len();
    if count == 0 {
        let text = format!("No setting differs: {} are the same.", report.all_settings);
        return vec![Piece::text(text)];
    }
    let verb = if count == 1 { "differs" } else { "differ" };
    let mut pieces =
        vec![Piece::text(format!("{count} of {} settings {verb}:", report.all_settings))];
    let mut grid = Grid::new(["setting", "A", "B"].map(Column::left).into());
    for Setting { name, a, b } in report.settings.iter().take(SETTINGS) {
        grid.row(vec![format!("  {name}"), value(a.as_deref()), value(b.as_deref())]);
    }
    pieces.push(Piece::Grid(grid));
    if count > SETTINGS {
        let text = format!("and {} more, all in `--format json`.", count - SETTINGS);
        pieces.push(Piece::Text { text, first: 2, further: 2 });
    }
    pieces
}

/// A value as far as there is room; `-` where there is none.
fn value(value: Option<&str>) -> String {
    let Some(value) = value else { return "-".to_owned() };
    match value.char_indices().nth(VALUE) {
        Some((end, _)) => format!("{}...", &value[..end]),
        None => value.to_owned(),
    }
}

fn equal(report: &DiffReport) -> String {
    let records = grouped(report.common as f64);
    let mut text = format!("The runs are equal: {records} records, digest {}.", report.digest);
    if !report.settings.is_empty() {
        text.push_str(" What differs in the settings was never asked for.");
    }
    text
}

fn parted(report: &DiffReport, parting: &PartingTold) -> Vec<Vec<Piece>> {
    let [a, b] = &parting.rest;
    let mut first = vec![Piece::text(beginning(report, parting))];
    first.push(record("A", a.first()));
    first.push(record("B", b.first()));
    if !parting.fields.is_empty() {
        let plural = if parting.fields.len() == 1 { "this differs" } else { "these differ" };
        let text = format!("One kind of record; {plural}: {}.", parting.fields.join(", "));
        first.push(Piece::text(text));
    }
    if report.settings.is_empty() {
        first.push(Piece::text(
            "No setting differs, so the runs must be equal: this is a bug of apfsim; please report it.",
        ));
    }
    vec![first, before(parting), after("A", a), after("B", b)]
}

fn beginning(report: &DiffReport, parting: &PartingTold) -> String {
    let at = |time: SimTime| format!("{:.9} s", time.as_secs_f64());
    let phase = parting.phase.map_or_else(String::new, |(phase, since)| {
        let into = parting.time.saturating_since(since);
        format!(", {into} after the begin of {}", phase.name())
    });
    match report.common {
        0 => "The very first records differ:".to_owned(),
        common => format!(
            "The first {} records are the same. The first difference is at {}{phase}:",
            grouped(common as f64),
            at(parting.time)
        ),
    }
}

fn record(mark: &str, record: Option<&String>) -> Piece {
    Piece::Line(format!("{mark}  {}", record.map_or("(the run is over)", String::as_str)))
}

/// What came before, with the record of the first run at the end.
fn before(parting: &PartingTold) -> Vec<Piece> {
    if parting.history.is_empty() {
        return vec![];
    }
    let names: Vec<String> = parting.subjects.iter().map(|subject| subject.name()).collect();
    let text = format!("What both did before, as far as it is about {}:", names.join(", "));
    let records: Vec<String> = parting.history.iter().map(|step| step.record.clone()).collect();
    vec![Piece::text(text), Piece::Verbatim(record_chart(&records, WIDTH))]
}

fn after(mark: &str, records: &[String]) -> Vec<Piece> {
    if records.len() < 2 {
        return vec![];
    }
    let lines = records[1..].iter().map(|line| Piece::Line(format!("   {line}")));
    std::iter::once(Piece::text(format!("{mark} goes on with"))).chain(lines).collect()
}

fn object(report: &DiffReport) -> Value {
    let side = |side: &SideTold| {
        json!({
            "scenario": side.scenario,
            "scenario_hash": side.hash,
            "policy": side.policy,
            "seed": side.seed,
            "replication": side.replication,
            "queue": side.queue.name(),
            "ahead": side.skip,
        })
    };
    let setting = |it: &Setting| json!({ "setting": it.name, "a": it.a, "b": it.b });
    let step = |step: &Step| {
        let about: Vec<String> = step.subjects.iter().map(|it| it.name()).collect();
        json!({ "number": step.number, "record": step.record, "about": about })
    };
    let parting = report.parting.as_ref().map(|it| {
        let about: Vec<String> = it.subjects.iter().copied().map(Subject::name).collect();
        json!({
            "time_ps": it.time.as_ps(),
            "phase": it.phase.map(|(phase, _)| phase.name()),
            "phase_begin_ps": it.phase.map(|(_, since)| since.as_ps()),
            "a": it.rest[0].first(),
            "b": it.rest[1].first(),
            "fields": it.fields,
            "about": about,
            "history": it.history.iter().map(step).collect::<Vec<_>>(),
            "a_goes_on": it.rest[0].iter().skip(1).collect::<Vec<_>>(),
            "b_goes_on": it.rest[1].iter().skip(1).collect::<Vec<_>>(),
        })
    });
    json!({
        "version": report.version,
        "a": side(&report.sides[0]),
        "b": side(&report.sides[1]),
        "equal": report.parting.is_none(),
        "settings": report.settings.iter().map(setting).collect::<Vec<_>>(),
        "same_records": report.common,
        "same_digest": report.digest.to_string(),
        "difference": parting,
    })
}
