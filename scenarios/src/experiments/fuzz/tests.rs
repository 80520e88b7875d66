//! The generator held to the schema, and a few hundred scenarios to every way.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use serde_json::Value;

use super::*;
use crate::scenario::schema;

/// Seeds of which the generated scenarios are looked at, none of them run.
const GENERATED: u64 = 2500;

/// What the schema allows and no scenario of the generator says, with the reason.
const LEFT_OUT: [(&str, &str); 6] = [
    (
        "ProactiveReclaimFile.vm",
        "where an agent takes all memory the swap area has to have room for it, which is drawn for the host's \
         container alone",
    ),
    (
        "PrefetchFile.file",
        "a scenario that is generated has no folder; `pages` is the same without one",
    ),
    (
        "OpFile(replay).file",
        "a scenario that is generated has no folder; `pages` is the same without one",
    ),
    ("DevicePresetFile.read_latency", "no preset is a device of constant latency"),
    ("DevicePresetFile.write_latency", "no preset is a device of constant latency"),
    ("Lift = \"first\"", "a mistake of the VMM, which INV-51 finds"),
];

/// Walks a schema: all that can be said, and what a scenario says.
struct Walk<'a> {
    root: &'a Value,
    seen: BTreeSet<String>,
}

impl<'a> Walk<'a> {
    /// A schema without its reference, and the name of the type.
    fn resolved(&self, schema: &'a Value, name: &str) -> (&'a Value, String) {
        match schema["$ref"].as_str() {
            Some(path) => {
                let name = path.trim_start_matches("#/$defs/");
                (&self.root["$defs"][name], name.to_owned())
            }
            None => (schema, name.to_owned()),
        }
    }

    fn variants(schema: &'a Value) -> impl Iterator<Item = &'a Value> {
        let of = |key: &str| schema[key].as_array().into_iter().flatten();
        of("anyOf").chain(of("oneOf"))
    }

    /// Everything that can be said under a schema.
    fn all(&self, schema: &'a Value, name: &str, out: &mut BTreeSet<String>) {
        let (schema, name) = self.resolved(schema, name);
        for one in schema["enum"].as_array().into_iter().flatten() {
            out.insert(format!("{name} = {one}"));
        }
        if let Some(one) = schema.get("const") {
            out.insert(format!("{name} = {one}"));
        }
        for variant in Self::variants(schema) {
            if variant["type"] != "null" {
                self.all(variant, &variant_name(&name, variant), out);
            }
        }
        for (field, inner) in schema["properties"].as_object().into_iter().flatten() {
            if out.insert(format!("{name}.{field}")) {
                self.all(inner, &format!("{name}.{field}"), out);
            }
        }
        for field in schema["propertyNames"]["enum"].as_array().into_iter().flatten() {
            out.insert(format!("{name}: {}", field.as_str().unwrap_or_default()));
        }
        if let Some(items) = schema.get("items") {
            self.all(items, &format!("{name}[]"), out);
        }
    }

    /// What a value says.
    fn see(&mut self, schema: &'a Value, name: &str, value: &Value) {
        let (schema, name) = self.resolved(schema, name);
        if schema.get("enum").is_some() || schema.get("const").is_some() {
            self.seen.insert(format!("{name} = {value}"));
        }
        let root = self.root;
        for variant in Self::variants(schema) {
            if could_be(root, variant, value) {
                self.see(variant, &variant_name(&name, variant), value);
            }
        }
        for (field, value) in value.as_object().into_iter().flatten() {
            if schema.get("propertyNames").is_some() {
                self.seen.insert(format!("{name}: {field}"));
            } else if let Some(inner) = schema["properties"].get(field) {
                self.seen.insert(format!("{name}.{field}"));
                self.see(inner, &format!("{name}.{field}"), value);
            }
        }
        if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
            values.iter().for_each(|value| self.see(items, &format!("{name}[]"), value));
        }
    }
}

/// A variant by its tag, where it has one.
fn variant_name(name: &str, variant: &Value) -> String {
    let tag = variant["properties"].as_object().into_iter().flatten();
    let tag = tag.filter_map(|(_, field)| field["const"].as_str()).next();
    tag.map_or_else(|| name.to_owned(), |tag| format!("{name}({tag})"))
}

/// Whether a value can be of a variant: its type, its tag, and no field that it does not have.
fn could_be(root: &Value, variant: &Value, value: &Value) -> bool {
    let path = variant["$ref"].as_str().map(|path| path.trim_start_matches("#/$defs/"));
    let variant = path.map_or(variant, |name| &root["$defs"][name]);
    if Walk::variants(variant).next().is_some() {
        return Walk::variants(variant).any(|inner| could_be(root, inner, value));
    }
    if let Some(one) = variant.get("const") {
        return one == value;
    }
    if let Some(all) = variant["enum"].as_array() {
        return all.contains(value);
    }
    let Some(object) = value.as_object() else {
        return variant["type"] == "string" && value.is_string();
    };
    let Some(fields) = variant["properties"].as_object() else { return false };
    let tags = fields.iter().all(|(name, field)| match field.get("const") {
        Some(tag) => object.get(name) == Some(tag),
        None => true,
    });
    let required = variant["required"].as_array().into_iter().flatten();
    let required = required.filter_map(Value::as_str).all(|name| object.contains_key(name));
    tags && required && object.keys().all(|name| fields.contains_key(name))
}

#[test]
fn everything_that_a_scenario_can_say_is_generated() {
    let root = schema::scenario();
    let mut walk = Walk { root: &root, seen: BTreeSet::new() };
    let mut all = BTreeSet::new();
    walk.all(&root, "scenario", &mut all);
    assert!(all.len() > 400, "the schema is walked: {}", all.len());
    for seed in 0..GENERATED {
        walk.see(&root, "scenario", &generate::scenario(seed));
    }
    let left_out: BTreeSet<String> = LEFT_OUT.iter().map(|(what, _)| (*what).to_owned()).collect();
    let missing: Vec<_> =
        all.difference(&walk.seen).filter(|one| !left_out.contains(*one)).collect();
    assert!(missing.is_empty(), "never generated: {missing:#?}");
    let generated: Vec<_> = walk.seen.intersection(&left_out).collect();
    assert!(generated.is_empty(), "not left out after all: {generated:?}");
    let unknown: Vec<_> = walk.seen.difference(&all).collect();
    assert!(unknown.is_empty(), "the walks differ: {unknown:?}");
}

/// What a place draws depends on its name and the seed only, on every platform. Presets and policies
/// that are added do change which scenario a seed is.
#[test]
fn a_place_draws_the_same_for_ever() {
    let place = |seed| draw::Draw::new(seed).at("host").at("cpus");
    let drawn: Vec<u64> = (0..4).map(|seed| place(seed).magnitude(1, 1024)).collect();
    assert_eq!(drawn, [14, 117, 151, 53]);
    let span = |seed| place(seed).span(1_000, 1_000_000_000).to_string();
    assert_eq!([span(0), span(1), span(2), span(3)], ["50ns", "2us", "2us", "438.584ns"]);
    assert_eq!(scenario_text(7), scenario_text(7));
}

/// Few scenarios are refused, each with its place.
#[test]
fn nearly_all_generated_scenarios_are_valid() {
    let refused: Vec<String> = (0..GENERATED)
        .filter_map(|seed| {
            let error =
                crate::scenario::resolve::Scenario::from_str("scenario.json", &scenario_text(seed))
                    .err()?;
            assert!(error.diagnostic().is_some_and(|at| !at.field.is_empty()), "{seed}: {error}");
            Some(format!("{seed}: {error}"))
        })
        .collect();
    let share = refused.len() as f64 / GENERATED as f64;
    assert!(share < 0.05, "{share}: {:#?}", &refused[..10]);
}

#[test]
fn every_way_agrees() {
    let options = FuzzOptions { seeds: 0..300, events: 20_000, ..FuzzOptions::default() };
    let stop = AtomicBool::new(false);
    let report = fuzz(&options, &stop, &mut |_| {}, &|_| {});
    let told: Vec<_> = report.failures.iter().map(|failure| failure.text.as_str()).collect();
    assert!(report.failures.is_empty(), "{}", told.join("\n"));
    assert!(report.runs > 300, "{report:?}");
}
