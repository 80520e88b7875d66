//! `apfsim rules`: what the kernels do, mechanism by mechanism, since when, and where that is known
//! from.

use ::scenarios::help_for_unknown;
use models::apf::rules::{Backport, Generation, Origin, generations, named_generation};
use reports::table::listing;
use serde_json::{Value, json};

use crate::cli::{Format, RulesArgs};
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::output;

pub(super) fn execute(args: &RulesArgs) -> Result<Outcome, CliError> {
    let text = match (&args.generation, args.diff.as_deref()) {
        (_, Some([old, new])) => differences(known(old)?, known(new)?, args.format),
        (Some(name), _) => mechanisms(known(name)?, args.format),
        (None, _) => all(args.format),
    };
    output::result(&text)?;
    Ok(Outcome::Fine)
}

fn known(name: &str) -> Result<&'static Generation, CliError> {
    named_generation(name).ok_or_else(|| unknown(name))
}

/// What is said of a generation that does not exist.
pub(super) fn unknown(name: &str) -> CliError {
    let names: Vec<&str> = generations().iter().map(|generation| generation.name).collect();
    CliError::Generation { name: name.to_owned(), help: help_for_unknown(name, &names) }
}

/// The generations.
fn all(format: Format) -> String {
    match format {
        Format::Table => {
            let line = |g: &Generation| (g.name.to_owned(), format!("{}  {}", g.date, g.summary));
            listing(&generations().iter().map(line).collect::<Vec<_>>(), 0)
        }
        Format::Json => object(&Value::Array(generations().iter().map(generation).collect())),
    }
}

fn generation(generation: &Generation) -> Value {
    let change = |applied: &models::apf::rules::Applied| {
        json!({
            "mechanism": applied.mechanism.name(),
            "old": applied.old.to_string(),
            "new": applied.new.to_string(),
            "source": applied.source,
        })
    };
    json!({
        "name": generation.name,
        "date": generation.date,
        "parent": generation.parent,
        "summary": generation.summary,
        "changes": generation.applied().iter().map(change).collect::<Vec<_>>(),
        "backports": backport_values(generation),
    })
}

/// Every mechanism of one generation.
fn mechanisms(generation: &Generation, format: Format) -> String {
    let origins = generation.origins();
    match format {
        Format::Table => {
            let entry = |origin: &Origin| {
                let Origin { setting, since, source } = origin;
                let mechanism = setting.mechanism();
                let says = mechanism.describes();
                let text = format!("{setting}, since {since}. {says} Source: {source}");
                (mechanism.name().to_owned(), text)
            };
            let title =
                format!("{} ({}): {}", generation.name, generation.date, generation.summary);
            let entries: Vec<_> = origins.iter().map(entry).collect();
            let later = backports(generation);
            format!("{}{}{later}", paragraph(&title), listing(&entries, 2))
        }
        Format::Json => {
            let value = |origin: &Origin| {
                let mechanism = origin.setting.mechanism();
                json!({
                    "mechanism": mechanism.name(),
                    "side": mechanism.side().name(),
                    "describes": mechanism.describes(),
                    "value": origin.setting.to_string(),
                    "since": origin.since,
                    "source": origin.source,
                })
            };
            object(&json!({
                "name": generation.name,
                "date": generation.date,
                "parent": generation.parent,
                "summary": generation.summary,
                "mechanisms": origins.iter().map(value).collect::<Vec<_>>(),
                "backports": backport_values(generation),
            }))
        }
    }
}

/// What later releases of the generation's long-term tree do otherwise.
fn backports(generation: &Generation) -> String {
    if generation.backports.is_empty() {
        return String::new();
    }
    let entry = |backport: &Backport| {
        let Backport { release, new, source } = backport;
        let text = format!("{} is {new}. Source: {source}", new.mechanism().name());
        ((*release).to_owned(), text)
    };
    let entries: Vec<_> = generation.backports.iter().map(entry).collect();
    format!("later releases of this long-term tree:\n{}", listing(&entries, 2))
}

fn backport_values(generation: &Generation) -> Vec<Value> {
    let value = |backport: &Backport| {
        json!({
            "release": backport.release,
            "mechanism": backport.new.mechanism().name(),
            "value": backport.new.to_string(),
            "source": backport.source,
        })
    };
    generation.backports.iter().map(value).collect()
}

/// The mechanisms in which two generations differ.
fn differences(old: &Generation, new: &Generation, format: Format) -> String {
    let pairs = old.origins().into_iter().zip(new.origins());
    let pairs: Vec<_> = pairs.filter(|(old, new)| old.setting != new.setting).collect();
    // The value of the one that is older came into being before; the change is the other's.
    let source = |before: &Origin, after: &Origin| {
        let newer = if new.date < old.date { before } else { after };
        (newer.since, newer.source)
    };
    match format {
        Format::Table => {
            let entry = |(before, after): &(Origin, Origin)| {
                let (since, source) = source(before, after);
                let text = format!(
                    "{} -> {}. Changed in {since}. Source: {source}",
                    before.setting, after.setting
                );
                (before.setting.mechanism().name().to_owned(), text)
            };
            let count = pairs.len();
            let title = format!("{} -> {}: {count} mechanisms differ", old.name, new.name);
            let entries: Vec<_> = pairs.iter().map(entry).collect();
            format!("{}{}", paragraph(&title), listing(&entries, 2))
        }
        Format::Json => {
            let value = |(before, after): &(Origin, Origin)| {
                let (since, source) = source(before, after);
                json!({
                    "mechanism": before.setting.mechanism().name(),
                    "old": before.setting.to_string(),
                    "new": after.setting.to_string(),
                    "changed_in": since,
                    "source": source,
                })
            };
            object(&json!({
                "old": old.name,
                "new": new.name,
                "differences": pairs.iter().map(value).collect::<Vec<_>>(),
            }))
        }
    }
}

/// A text over the whole width.
fn paragraph(text: &str) -> String {
    let mut lines = String::new();
    let mut width = 0;
    for word in text.split_whitespace() {
        if width > 0 && width + 1 + word.chars().count() > reports::table::WIDTH {
            lines.push('\n');
            width = 0;
        }
        if width > 0 {
            lines.push(' ');
            width += 1;
        }
        lines.push_str(word);
        width += word.chars().count();
    }
    lines.push('\n');
    lines
}

fn object(value: &Value) -> String {
    format!("{value:#}\n")
}
