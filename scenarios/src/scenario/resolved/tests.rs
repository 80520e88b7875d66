//! Names and sources of values.

use std::collections::BTreeSet;

use super::*;
use crate::scenario::library;
use crate::scenario::patch::Target;

fn document(text: &str) -> Document {
    Document::parse("file", text).expect("it is JSON")
}

/// All values of a text, with settings put into it.
fn rows(text: &str, set: &[(&str, NodeValue)]) -> Vec<Resolved> {
    let mut doc = document(text);
    let put = |(field, value): &(&str, NodeValue)| {
        let target: Target = field.parse().unwrap_or_else(|_| panic!("{field} is a path"));
        let place = target.set(&mut doc.root, value).unwrap_or_else(|error| panic!("{error:?}"));
        (place, format!("{field}={}", value.json()))
    };
    let set: Vec<(FieldPath, String)> = set.iter().map(put).collect();
    let scenario =
        Scenario::from_document(&doc).unwrap_or_else(|error| panic!("{}", error.render()));
    resolved(&scenario, &doc, &set)
}

#[track_caller]
fn row<'a>(rows: &'a [Resolved], field: &str) -> &'a Resolved {
    let found = rows.iter().find(|row| row.field == field);
    found.unwrap_or_else(|| panic!("there is no `{field}`"))
}

fn text(name: &str) -> &'static str {
    library::find(name).expect("it is built in").text
}

/// A field that a file can have is known to the schema: so it can be set under that name.
#[test]
fn fields_are_those_of_files() {
    let mut seen = BTreeSet::new();
    for entry in library::all() {
        for row in rows(entry.text, &[]) {
            // Rules of policies, and what programs name by number, have no field of their own.
            let no_field = row.field.contains(": ")
                || ["law", "walk", "addresses", "sync"]
                    .iter()
                    .any(|what| row.field == format!("workload.{what}"));
            if no_field || !seen.insert(row.field.clone()) {
                continue;
            }
            let target: Target = row.field.parse().unwrap_or_else(|_| panic!("{}", row.field));
            let mut root = document(entry.text).root;
            let set = target.set(&mut root, &NodeValue::Null);
            assert!(set.is_ok(), "{}: {}: {set:?}", entry.name, row.field);
        }
    }
    assert!(seen.len() > 150, "{}", seen.len());
}

/// What stands in the file has its line there.
#[test]
fn a_value_of_the_file_has_its_line() {
    for entry in library::all() {
        let lines: Vec<&str> = entry.text.lines().collect();
        for row in rows(entry.text, &[]) {
            let Source::File { line } = row.from else { continue };
            let name = row.field.rsplit(['.', ':']).next().unwrap_or(&row.field).trim();
            let plain = !row.field.contains(['[', ':']) && row.field.contains('.');
            if plain && !row.field.starts_with("workload") {
                let there = lines.get(line - 1).copied().unwrap_or_default();
                assert!(there.contains(&format!("\"{name}\"")), "{}: {row:?}: {there}", entry.name);
            }
        }
    }
}

/// A setting moves the value that bears its name and says so; where it is not, another source is named.
#[test]
fn a_setting_changes_its_own_row() {
    let string = |text: &str| NodeValue::String(text.to_owned());
    let number = |text: &str| NodeValue::Number(text.to_owned());
    for (field, value, shown) in [
        ("host.swap.read_ahead", number("2"), "2"),
        ("host.memory_limit", string("20MiB"), "20MiB"),
        ("host.kernel.halt_poll", string("7us"), "7us"),
        ("host.swap.device.read_latency", string("3ms"), "3ms"),
        ("host.cpu.frequency", string("3GHz"), "3GHz"),
        ("host.costs.exit_light", string("1234 cycles"), "1234 cycles"),
        ("host.tick", string("2ms"), "2ms"),
        ("guest.hz", number("250"), "250"),
        ("guest.sched.latency", string("9ms"), "9ms"),
        ("guest.send_always", NodeValue::Bool(true), "true"),
        ("workload.regions[0].size", string("40MiB"), "40MiB"),
        ("workload.tasks[0].count", number("3"), "3"),
        ("duration", string("7s"), "7s"),
        ("seed", number("99"), "99"),
    ] {
        let (before, after) = (rows(text("smoke"), &[]), rows(text("smoke"), &[(field, value)]));
        let (old, new) = (row(&before, field), row(&after, field));
        assert_eq!(new.value, shown, "{field}");
        assert_ne!(old.value, new.value, "{field}");
        assert!(matches!(&new.from, Source::Setting(typed) if typed.starts_with(field)), "{new:?}");
        assert!(!matches!(old.from, Source::Setting(_)), "{old:?}");
        // Nothing else is said to be set.
        let set = after.iter().filter(|row| matches!(row.from, Source::Setting(_)));
        assert_eq!(set.map(|row| row.field.as_str()).collect::<Vec<_>>(), [field]);
    }
}

#[test]
fn presets_are_named() {
    let found = rows(text("natapov-2010"), &[]);
    let preset = |field: &str| match &row(&found, field).from {
        Source::Preset { kind, name } => format!("{kind} {name}"),
        other => format!("{other:?}"),
    };
    let doc = document(text("natapov-2010"));
    let named = |field: &str| match doc.at(&row::path(field)).map(|node| node.value.clone()) {
        Some(NodeValue::String(name)) => name,
        other => panic!("{field}: {other:?}"),
    };
    assert_eq!(preset("host.costs.exit_light"), format!("processor {}", named("host.cpu")));
    assert_eq!(preset("host.swap.device.kind"), format!("device {}", named("host.swap.device")));
    assert_eq!(preset("guest.balance_ticks"), format!("guest kernel {}", named("guest.kernel")));
    assert_eq!(row(&found, "guest.thp").from, Source::Default);
    assert_eq!(preset("apf-v7-2010: cap"), "policy apf-v7-2010");
}

/// Machines of a list stand under their own places.
#[test]
fn values_of_several_machines_have_their_own_places() {
    for name in ["lab-two-vms", "neighbour-vms"] {
        let found = rows(text(name), &[]);
        let own = found.iter().filter(|row| row.field.starts_with("vms["));
        assert!(own.count() > 2, "{name}");
        let twice =
            found.iter().map(|row| &row.field).filter(|field| field.starts_with("workload.tasks"));
        let twice: Vec<_> = twice.collect();
        assert!(
            !twice.is_empty() || found.iter().any(|row| row.field.contains("].workload.tasks"))
        );
    }
}

/// The lines of the first policy alone, under names that any policy would have.
#[test]
fn a_run_has_the_rules_of_its_policy() {
    let scenario = Scenario::load("smoke").expect("it is built in");
    let all = values(&scenario);
    assert!(
        all.iter().any(|(field, value)| field == "policy" && *value == scenario.policies[0].name)
    );
    assert!(all.iter().any(|(field, _)| field == "cap"), "{all:?}");
    assert!(all.iter().all(|(field, _)| !field.contains(": ")));
}
