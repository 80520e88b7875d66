//! `apfsim invariants`: what the protocol promises, who promises it and how it is checked.

use models::apf::defect::Defect;
use models::monitors::{CATALOGUE, Family, InTrace, Invariant, InvariantId, Kind};
use reports::table::listing;
use serde_json::{Value, json};

use crate::cli::{Format, InvariantsArgs};
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::output;

pub(super) fn execute(args: &InvariantsArgs) -> Result<Outcome, CliError> {
    let text = match (&args.id, args.format) {
        (None, Format::Table) => list(),
        (None, Format::Json) => pretty(&CATALOGUE.iter().map(value).collect()),
        (Some(id), Format::Table) => one(known(id)?),
        (Some(id), Format::Json) => pretty(&value(known(id)?)),
    };
    output::result(&text)?;
    Ok(Outcome::Fine)
}

/// The invariant meant: `INV-13`, `inv-13` or `13`.
fn known(text: &str) -> Result<&'static Invariant, CliError> {
    let upper = text.to_ascii_uppercase();
    let number = upper.strip_prefix("INV-").unwrap_or(&upper).parse().ok();
    number.and_then(|number| Invariant::find(InvariantId(number))).ok_or_else(|| {
        let ends = [CATALOGUE.first(), CATALOGUE.last()].map(|it| it.map(|it| it.id.to_string()));
        let [first, last] = ends.map(Option::unwrap_or_default);
        let help = format!("`{first}` to `{last}`; `apfsim invariants` lists them");
        CliError::Invariant { name: text.to_owned(), help }
    })
}

fn list() -> String {
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
    text
}

fn one(line: &Invariant) -> String {
    let mut entries = vec![
        ("promise", line.sentence.to_owned()),
        ("why", line.why.to_owned()),
        ("kind", format!("{}; a breach is a {}", kind(line), line.severity.name())),
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
    let entries: Vec<_> = entries.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
    format!("{}: {}\n{}", line.id, line.title, listing(&entries, 2))
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
        "severity": line.severity.name(),
        "families": line.families,
        "promise": line.sentence,
        "why": line.why,
        "breach": line.breach,
        "checked": { "state": line.state, "step": line.step, "trace": trace, "note": note },
        "records": line.records(),
        "defects": defects(line),
    })
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of `docs/invariants.md`.
    fn table() -> String {
        let mut text = String::from(
            "| id | kind | families | promise | state | step | trace |\n\
             | --- | --- | --- | --- | --- | --- | --- |\n",
        );
        let yes = |on: bool| if on { "yes" } else { "" };
        for line in &CATALOGUE {
            let trace = match line.trace {
                InTrace::Decided(_) => "yes",
                InTrace::Partly(..) => "in part",
                InTrace::Undecidable(_) => "no",
            };
            text.push_str(&format!(
                "| {} | {} | {} | {} | {} | {} | {trace} |\n",
                line.id,
                kind(line),
                families(line),
                line.sentence,
                yes(line.state),
                yes(line.step),
            ));
        }
        text
    }

    #[test]
    fn the_page_is_current() {
        let page = include_str!("../../docs/invariants.md");
        let table = table();
        if !page.contains(&table) {
            panic!("docs/invariants.md has another table than the catalogue:\n{table}");
        }
    }

    #[test]
    fn ids_are_found_however_they_are_written() {
        for text in ["INV-07", "inv-07", "7"] {
            assert_eq!(known(text).map(|line| line.id).ok(), Some(InvariantId(7)), "{text}");
        }
        assert!(known("INV-41").is_err() && known("seven").is_err());
    }
}
