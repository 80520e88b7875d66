//! What the protocol promises, who promises it and how it is checked.

use models::apf::defect::Defect;
use models::monitors::{CATALOGUE, Family, InTrace, Invariant, Kind, Severity};
use serde_json::{Value, json};

use crate::page::{Grid, Page, Piece};
use crate::report::Report;

/// All invariants, a line each.
#[derive(Clone, Copy, Debug)]
pub struct Catalogue;

impl Report for Catalogue {
    fn page(&self) -> Page {
        let mut text = format!("{:6}  {:8}  {:9}  title\n", "id", "kind", "families");
        for line in &CATALOGUE {
            text.push_str(&format!(
                "{:6}  {:8}  {:9}  {}\n",
                line.id.to_string(),
                kind(line),
                families(line),
                line.title
            ));
        }
        Page::of([vec![Piece::Drawn { text, grid: promises() }]])
    }

    fn object(&self) -> String {
        format!("{:#}\n", CATALOGUE.iter().map(value).collect::<Value>())
    }
}

/// What each promises, and where it is checked.
fn promises() -> Grid {
    let mut grid = Grid::named(["id", "kind", "families", "promise", "state", "step", "trace"]);
    let yes = |on: bool| if on { "yes" } else { "" }.to_owned();
    for line in &CATALOGUE {
        let trace = match line.trace {
            InTrace::Decided(_) => "yes".to_owned(),
            InTrace::Partly(_, rest) => format!("in part: {rest}"),
            InTrace::Undecidable(why) => format!("no: {why}"),
        };
        grid.row(vec![
            line.id.to_string(),
            kind(line).to_owned(),
            families(line),
            line.sentence.to_owned(),
            yes(line.state),
            yes(line.step),
            trace,
        ]);
    }
    grid
}

/// One invariant.
#[derive(Clone, Copy, Debug)]
pub struct Promise<'a>(pub &'a Invariant);

impl Report for Promise<'_> {
    fn page(&self) -> Page {
        let line = self.0;
        let mut entries = vec![
            ("promise", line.sentence.to_owned()),
            ("why", line.why.to_owned()),
            ("kind", format!("{}; a breach is a {}", kind(line), severity(line))),
            ("families", explained(line)),
            ("checked", checked(line)),
        ];
        if !line.records().is_empty() {
            entries.push(("records", line.records().join(", ")));
        }
        entries.push(("breach", line.breach.to_owned()));
        let defects = defects(line);
        if !defects.is_empty() {
            entries.push(("defects", defects.join(", ")));
        }
        let entries = entries.into_iter().map(|(name, text)| (name.to_owned(), text));
        let title = Piece::Line(format!("{}: {}", line.id, line.title));
        Page::of([vec![title, Piece::Listing(entries.collect(), 2)]])
    }

    fn object(&self) -> String {
        format!("{:#}\n", value(self.0))
    }
}

/// How it is checked, in words.
fn checked(line: &Invariant) -> String {
    let mut ways = Vec::new();
    if line.state {
        ways.push("in every state of the protocol".to_owned());
    }
    if line.step {
        ways.push("on the effects of single steps of the protocol".to_owned());
    }
    ways.push(match line.trace {
        InTrace::Decided(_) => "by a monitor over traces".to_owned(),
        InTrace::Partly(_, rest) => format!("in part by a monitor over traces ({rest})"),
        InTrace::Undecidable(why) => format!("not in traces: {why}"),
    });
    ways.join("; ")
}

fn kind(line: &Invariant) -> &'static str {
    match line.kind {
        Kind::Safety => "safety",
        Kind::Liveness => "liveness",
    }
}

fn severity(line: &Invariant) -> &'static str {
    match line.severity {
        Severity::Violation => "violation",
        Severity::Weakness => "weakness",
    }
}

fn family(family: Family) -> (&'static str, &'static str) {
    match family {
        Family::V5 => ("v5", "the series of 2010"),
        Family::V7 => ("v7", "2.6.38 to 5.7"),
        Family::Int => ("int", "5.8 and later"),
    }
}

fn families(line: &Invariant) -> String {
    let names: Vec<_> = line.families.iter().map(|&one| family(one).0).collect();
    names.join(" ")
}

fn explained(line: &Invariant) -> String {
    let names = line.families.iter().map(|&one| {
        let (name, kernels) = family(one);
        format!("{name} ({kernels})")
    });
    names.collect::<Vec<_>>().join(", ")
}

/// The defects that break it on purpose.
fn defects(line: &Invariant) -> Vec<&'static str> {
    let breaks = |defect: &&Defect| defect.expected_invariant() == line.id;
    Defect::ALL.iter().filter(breaks).map(|defect| defect.name()).collect()
}

fn value(line: &Invariant) -> Value {
    let (trace, note) = match line.trace {
        InTrace::Decided(_) => ("decided", None),
        InTrace::Partly(_, rest) => ("partly", Some(rest)),
        InTrace::Undecidable(why) => ("undecidable", Some(why)),
    };
    json!({
        "id": line.id.to_string(),
        "title": line.title,
        "kind": kind(line),
        "severity": severity(line),
        "families": line.families,
        "promise": line.sentence,
        "why": line.why,
        "breach": line.breach,
        "checked": { "state": line.state, "step": line.step, "trace": trace, "note": note },
        "records": line.records(),
        "defects": defects(line),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page says of the trace only yes, in part or no.
    #[test]
    fn the_page_is_current() {
        let page = include_str!("../../docs/invariants.md").replace("|  |", "| |");
        for mut row in promises().rows().map(<[String]>::to_vec) {
            if let Some(trace) = row.last_mut()
                && let Some((word, _)) = trace.split_once(':')
            {
                *trace = word.to_owned();
            }
            let row =
                format!("| {} |\n", row.join(" | ")).replace("|  |", "| |").replace("|  |", "| |");
            let page = page.replace("|  |", "| |");
            assert!(page.contains(&row), "docs/invariants.md lacks this row:\n{row}");
        }
    }
}
