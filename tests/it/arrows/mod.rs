//! Imports point one way: from each room of a crate to lower ones only, and never in a circle of files.
//!
//! A file imports another when it names what that one defines: by `use`, by a path, through a glob or a
//! re-export, or by a call of a method whose `impl` block stands there. A parent that only re-exports
//! names of its children does not import them. Unit tests may import what they like.

mod calls;
mod graph;
mod modules;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use graph::{Graph, circles};
use modules::Modules;

/// The rooms of a crate, level by level from the lowest. A room is a folder or a file beside the root
/// of the crate, which imports what it likes; rooms of one level do not import each other. Without
/// levels only circles of files are wrong.
struct Rooms {
    source: &'static str,
    levels: &'static [&'static [&'static str]],
}

const ROOMS: [Rooms; 5] = [
    Rooms { source: "sim-core/src", levels: &[] },
    Rooms {
        source: "models/src",
        levels: &[
            &["base"],
            &["apf"],
            &["config"],
            &["trace"],
            &["monitors", "parts", "presets"],
            &["explore", "machine"],
        ],
    },
    Rooms {
        source: "scenarios/src",
        levels: &[
            &["version", "syntax"],
            &["scenario"],
            &["run"],
            // The zoo and random scenarios read logs, and no log knows of them.
            &["logs"],
            &["experiments", "zoo"],
        ],
    },
    Rooms { source: "reports/src", levels: &[] },
    Rooms { source: "src", levels: &[] },
];

/// The sources of a crate by their places under its source folder.
fn sources(folder: &str) -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut sources = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                sources.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    sources
}

/// Names of methods that types of the standard library have, too: a call by such a name alone says
/// nothing.
const COMMON: &str = "
    abs add all and_then any append apply as_bytes as_deref as_mut as_ref as_slice as_str back
    borrow borrow_mut by_ref bytes capacity ceil chain chars checked_add checked_sub chunks
    clamp clear clone cloned cmp collect concat contains contains_key copied copy_from_slice
    count create dedup default deref description display div drain drop end ends_with entry
    enumerate eq err exists expect extend fetch_add file fill filter filter_map find finish
    first flat_map floor flush fmt fold for_each from from_bits front get get_mut hash id
    index insert into into_inner into_iter is_empty is_err is_nan is_none is_ok is_some
    is_some_and iter iter_mut join key keys kind last len line lines load lock map map_err max
    min mul name ne new next number of ok ok_or ok_or_else open or_default or_insert
    or_insert_with parse partial_cmp path peek pop pop_back pop_front position pow push
    push_back push_front push_str range read read_to_end read_to_string remove repeat replace
    resize retain rev reverse rewind round saturating_add saturating_sub seek set skip sort
    sort_by sort_by_key sort_unstable source spawn split split_at split_off sqrt start
    starts_with step store sub sum swap take then then_some to_bits to_le_bytes to_owned
    to_string total_cmp trim truncate try_for_each unwrap unwrap_or unwrap_or_default
    unwrap_or_else value values values_mut wait windows with_capacity wrapping_add
    wrapping_mul write write_all write_fmt write_str zip
";

fn graph(sources: &BTreeMap<String, String>, foreign: &BTreeSet<String>) -> Graph {
    let modules = Modules::read(sources);
    let common =
        COMMON.split_whitespace().map(str::to_owned).chain(foreign.iter().cloned()).collect();
    calls::add(&modules, modules.imports(), &common)
}

/// Imports that lead to a room of a higher level, or to another one of the same.
fn misled(graph: &Graph, levels: &[&[&str]]) -> Vec<String> {
    let room = |file: &str| file.split(['/', '.']).next().unwrap_or_default().to_owned();
    let level = |room: &str| levels.iter().position(|level| level.contains(&room));
    let mut misled = Vec::new();
    for (from, to, names) in graph.all() {
        let (own, other) = (room(from), room(to));
        if levels.is_empty() || own == other || matches!(own.as_str(), "lib" | "main") {
            continue;
        }
        match (level(&own), level(&other)) {
            (Some(own), Some(other)) if other < own => {}
            (Some(_), Some(_)) => misled.push(format!("{from} imports {to}: {names}")),
            _ => misled.push(format!("{from} imports {to}: a room without a level")),
        }
    }
    misled
}

fn told(graph: &Graph, circle: &[String]) -> String {
    let inside = |(from, to, _): &(&str, &str, String)| {
        circle.iter().any(|file| file == from) && circle.iter().any(|file| file == to)
    };
    let lines = graph.all().filter(inside);
    lines.map(|(from, to, names)| format!("  {from} imports {to}: {names}\n")).collect()
}

#[test]
fn imports_point_one_way() {
    let crates = ["sim-core/src", "models/src", "scenarios/src", "reports/src", "src"];
    let methods = crates.map(|source| (source, calls::methods(&Modules::read(&sources(source)))));
    let mut wrong = String::new();
    for rooms in &ROOMS {
        let others = methods.iter().filter(|(source, _)| *source != rooms.source);
        let foreign = others.flat_map(|(_, names)| names.iter().cloned()).collect();
        let graph = graph(&sources(rooms.source), &foreign);
        for circle in circles(&graph) {
            wrong += &format!("{}, a circle:\n{}", rooms.source, told(&graph, &circle));
        }
        for import in misled(&graph, rooms.levels) {
            wrong += &format!("{}, upwards: {import}\n", rooms.source);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// A small crate of two rooms with all ways to import, and with `more` in its lower file.
fn made_up(more: &str) -> Graph {
    let files = [
        ("lib.rs", "mod low; mod high; pub use high::Shop;"),
        ("low/mod.rs", "mod thing; mod price; pub use thing::Thing; pub use price::cost;"),
        ("low/thing.rs", "pub struct Thing { pub weight: u64 }"),
        (
            "low/price.rs",
            "use super::Thing;\n\
             impl Thing { pub fn price(&self) -> u64 { self.weight } }\n\
             pub fn cost(thing: &Thing) -> u64 { thing.price() }",
        ),
        (
            "high.rs",
            "use crate::low::{self, Thing}; pub struct Shop { pub things: Vec<Thing> }\n\
                     impl Shop { pub fn first(&self) -> Option<&Thing> { self.things.first() }\n\
                     pub fn sum(&self) -> u64 { self.things.iter().map(low::cost).sum() } }\n\
                     #[cfg(test)] mod tests { use crate::low::*; }",
        ),
    ];
    let mut files: BTreeMap<String, String> =
        files.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    *files.get_mut("low/thing.rs").unwrap() += more;
    graph(&files, &BTreeSet::new())
}

const LEVELS: &[&[&str]] = &[&["low"], &["high"]];

#[test]
fn a_clean_crate_has_its_imports_and_nothing_wrong() {
    let graph = made_up("");
    let imports: Vec<(&str, &str)> = graph.all().map(|(from, to, _)| (from, to)).collect();
    let expected = [
        ("high.rs", "low/price.rs"),
        ("high.rs", "low/thing.rs"),
        ("low/price.rs", "low/thing.rs"),
    ];
    assert_eq!(imports, expected);
    assert!(circles(&graph).is_empty() && misled(&graph, LEVELS).is_empty());
}

#[test]
fn an_arrow_that_is_put_back_is_seen() {
    for more in [
        "use crate::high::Shop;",
        "use crate::Shop;",
        "use crate::high::*; fn f(_: Shop) {}",
        "fn f(_: &crate::high::Shop) {}",
        "fn f() { let _ = format!(\"{}\", crate::high::Shop::sum as usize); }",
        "mod inner { fn f(_: super::super::super::high::Shop) {} }",
    ] {
        let graph = made_up(more);
        assert_eq!(misled(&graph, LEVELS).len(), 1, "{more}");
        assert_eq!(circles(&graph).len(), 1, "{more}");
    }
    // Within a room: a free function, and methods by the type of what they are called on.
    for more in [
        "use super::cost;",
        "use super::price::cost as worth;",
        "fn f(thing: &Thing) -> u64 { thing.price() }",
        "fn f() -> u64 { let thing = Thing { weight: 1 }; thing.price() }",
        "impl Thing { fn twice(&self) -> u64 { 2 * self.price() } }",
        "fn f() -> u64 { (Thing { weight: 1 }).price() }",
        "struct Box { thing: Option<Thing> } fn f(b: &Box) { b.thing.as_ref().unwrap().price(); }",
        "fn get() -> Thing { Thing { weight: 1 } } fn f() { assert_eq!(get().price(), 1); }",
        "fn f() { let _ = Thing::price; }",
    ] {
        let graph = made_up(more);
        assert_eq!(circles(&graph).len(), 1, "{more}");
        assert!(misled(&graph, LEVELS).is_empty(), "{more}");
    }
}
