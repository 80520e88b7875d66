//! Every link of a document leads somewhere, and the book (`book.toml`, `docs/SUMMARY.md`) has every page once.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(root().join("docs")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|it| it == "md")).collect()
}

/// The text without blocks and spans of code, in which brackets are no links.
fn prose(text: &str) -> String {
    let mut within = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        within ^= fence;
        !fence && !within
    });
    let lines: Vec<String> =
        lines.map(|line| line.split('`').step_by(2).collect::<Vec<_>>().join("_")).collect();
    lines.join("\n")
}

/// What links point to: between `](` and `)`.
fn links(text: &str) -> Vec<String> {
    let text = prose(text);
    let parts = text.split("](").skip(1);
    parts.filter_map(|part| Some(part.split_once(')')?.0.to_owned())).collect()
}

/// The names by which headings of a document are linked to.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut within = false;
    let mut found = BTreeSet::new();
    for line in text.lines() {
        within ^= line.starts_with("```");
        if within || !line.starts_with('#') {
            continue;
        }
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        found.insert(kept.map(|c| if c == ' ' { '-' } else { c }).collect());
    }
    found
}

#[test]
fn every_link_leads_somewhere() {
    let mut documents = pages();
    documents.extend(
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"]
            .map(|it| root().join(it)),
    );
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for document in &documents {
        let text = fs::read_to_string(document).unwrap();
        for link in links(&text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            seen += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let path = match file {
                "" => document.clone(),
                file => document.parent().unwrap().join(file),
            };
            let is_page = path.extension().is_some_and(|it| it == "md");
            let there = match (path.exists(), anchor) {
                (false, _) => false,
                (true, "") => true,
                (true, anchor) if is_page => {
                    anchors(&fs::read_to_string(&path).unwrap()).contains(anchor)
                }
                (true, _) => true,
            };
            if !there {
                let document = document.strip_prefix(root()).unwrap();
                wrong.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(seen > 200, "{seen} links");
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_book_has_every_page_once() {
    let summary = root().join("docs/SUMMARY.md");
    let listed = links(&fs::read_to_string(&summary).unwrap());
    let listed: Vec<PathBuf> = listed.iter().map(|it| root().join("docs").join(it)).collect();
    let once: BTreeSet<PathBuf> = listed.iter().cloned().collect();
    assert_eq!(once.len(), listed.len(), "a page is listed twice");
    let mut there = pages();
    there.remove(&summary);
    assert_eq!(once, there);
}
