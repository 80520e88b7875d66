//! Rules of the house that a compiler does not know.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    files.sort();
    assert!(!files.is_empty());
    files
}

/// What a file may use of its own crate: the paths after `use crate::`.
fn uses(text: &str) -> impl Iterator<Item = &str> {
    // Unit tests may use what they like.
    let code = text.split("#[cfg(test)]").next().unwrap_or(text);
    code.lines().filter_map(|line| line.trim().strip_prefix("use crate::"))
}

#[test]
fn every_module_says_what_it_is() {
    for folder in ["sim-core/src", "models/src", "scenarios/src", "reports/src", "src"] {
        for (path, text) in sources(folder) {
            assert!(text.starts_with("//!"), "{} has no head", path.display());
        }
    }
}

#[test]
fn the_protocol_is_pure() {
    for (path, text) in sources("models/src/apf") {
        for used in uses(&text) {
            let allowed = ["apf", "ids", "trace"].iter().any(|module| used.starts_with(module));
            assert!(allowed, "{} uses crate::{used}", path.display());
        }
        // Nor by its full path, anywhere.
        const IMPURE: [&str; 11] = [
            "sim_core",
            "rand::",
            "rand_",
            "std::time",
            "std::fs",
            "std::io",
            "std::net",
            "std::env",
            "std::process",
            "std::thread",
            "std::sync",
        ];
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            let word = IMPURE.iter().find(|word| line.contains(**word));
            assert_eq!(word, None, "{}: {line}", path.display());
            let prints = ["println!", "eprintln!", "print!(", "dbg!"];
            assert!(prints.iter().all(|word| !line.contains(word)), "{}: {line}", path.display());
        }
    }
}

#[test]
fn monitors_share_no_logic_with_what_they_watch() {
    for (path, text) in sources("models/src/monitors") {
        for used in uses(&text) {
            let allowed = ["ids", "trace::record", "trace::kernel", "monitors", "trace::{"]
                .iter()
                .any(|m| used.starts_with(m));
            assert!(allowed, "{} uses crate::{used}", path.display());
        }
    }
}

#[test]
fn the_engine_has_no_word_of_paging() {
    for (path, text) in sources("sim-core/src") {
        let text = text.to_lowercase();
        for word in ["page fault", "vcpu", "guest", "swap slot", "hypervisor"] {
            assert!(!text.contains(word), "{} speaks of `{word}`", path.display());
        }
    }
}

#[test]
fn layers_point_one_way() {
    let below = [
        ("sim-core", vec!["models", "scenarios", "reports", "apfsim"]),
        ("models", vec!["scenarios", "reports", "apfsim"]),
        ("scenarios", vec!["reports", "apfsim"]),
        ("reports", vec!["apfsim"]),
    ];
    for (layer, above) in below {
        for (path, text) in sources(&format!("{layer}/src")) {
            for name in &above {
                assert!(!text.contains(&format!("use {name}::")), "{} uses {name}", path.display());
            }
        }
    }
}
