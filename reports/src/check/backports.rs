//! What a later release of the kernel's tree would make of the findings.

use models::monitors::log::StallKind;
use scenarios::CheckReport;
use scenarios::logs::check::{BackportNote, ChangedMechanism, Difference, Subject};
use serde_json::{Value, json};

use super::words::word;
use super::words::{snake, stall_kind};
use crate::page::wrapped;

/// The block of the text.
pub(super) fn table(report: &CheckReport) -> String {
    let lines: String = report.backports.iter().map(|note| wrapped(&line(note), 2, 4)).collect();
    if lines.is_empty() { lines } else { format!("What stable releases changed\n{lines}") }
}

fn line(note: &BackportNote) -> String {
    let BackportNote { generation, release, .. } = note;
    let subject = subject(note.subject);
    let given = if note.is_assumed { "judged as" } else { "if the kernel is of the tree of" };
    let changes: Vec<String> = note.changed.iter().map(change).collect();
    let changes = changes.join(", ");
    let meaning = match note.difference {
        Difference::Judged { before, since } => {
            let (before, since) = (word(before), word(since));
            format!("before it this is a {before}, with it a {since}")
        }
        Difference::Closed { way } => {
            format!("with it this is no longer a way to the finding: {way}")
        }
    };
    format!("{subject}, {given} {generation}; {release} changed {changes}: {meaning}")
}

fn subject(subject: Subject) -> String {
    match subject {
        Subject::Invariant(id) => id.to_string(),
        Subject::Stall(StallKind::OpenRequest(step)) => format!("stall, missing {}", step.name()),
        Subject::Stall(kind) => format!("stall {}", stall_kind(kind).0.replace('_', " ")),
    }
}

fn change(change: &ChangedMechanism) -> String {
    format!("{} from {} to {}", change.mechanism.name(), change.old, change.new)
}

/// One note as JSON.
pub(super) fn value(note: &BackportNote) -> Value {
    let (invariant, stall) = match note.subject {
        Subject::Invariant(id) => (Some(id), None),
        Subject::Stall(kind) => (None, Some(stall_kind(kind))),
    };
    let (before, since, way) = match note.difference {
        Difference::Judged { before, since } => {
            (Some(snake(word(before))), Some(snake(word(since))), None)
        }
        Difference::Closed { way } => (None, None, Some(way)),
    };
    let change = |one: &ChangedMechanism| {
        json!({
            "mechanism": one.mechanism.name(),
            "old": one.old.to_string(),
            "new": one.new.to_string(),
            "source": one.source,
        })
    };
    json!({
        "invariant": invariant,
        "stall": stall.map(|(kind, _)| kind),
        "missing": stall.and_then(|(_, missing)| missing),
        "generation": note.generation,
        "generation_is_assumed": note.is_assumed,
        "release": note.release,
        "changes": note.changed.iter().map(change).collect::<Vec<_>>(),
        "verdict_before": before,
        "verdict_since": since,
        "way": way,
    })
}
