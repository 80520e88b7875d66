//! The experiments that are built in. Their files say in comments what is asked.

use std::sync::OnceLock;

use crate::syntax::tree::{Document, NodeValue};

/// A built-in experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExperimentEntry {
    /// Its name.
    pub name: &'static str,
    /// The file, comments included.
    pub text: &'static str,
    /// What was measured, by whom, when.
    pub title: String,
}

/// A file of `scenarios/validation`.
macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../../validation/", $name, ".json")))),*]
    };
}

const FILES: &[(&str, &str)] = &files![
    "R1", "R2", "R3", "R5", "R6", "R7a", "R7b", "R8", "R9", "R10", "N1", "N2", "N4", "N5", "N6",
    "N10", "N12", "N15", "N17", "N18", "N25", "N30", "N31", "N40", "N60", "N61", "N70", "M1", "M2",
    "M3", "M4", "M5", "M6", "M7", "M8",
];

/// All built-in experiments, in the order of lists and documents.
pub fn all() -> &'static [ExperimentEntry] {
    static ENTRIES: OnceLock<Vec<ExperimentEntry>> = OnceLock::new();
    ENTRIES.get_or_init(|| FILES.iter().map(|&(name, text)| entry(name, text)).collect())
}

/// The built-in experiment of that name.
pub fn find(name: &str) -> Option<&'static ExperimentEntry> {
    all().iter().find(|entry| entry.name == name)
}

fn entry(name: &'static str, text: &'static str) -> ExperimentEntry {
    let document = Document::parse(name, text);
    let title = match document.as_ref().map(|it| it.root.get("title").map(|node| &node.value)) {
        Ok(Some(NodeValue::String(title))) => title.clone(),
        other => unreachable!("the built-in experiment {name} has no title: {other:?}"),
    };
    ExperimentEntry { name, text, title }
}
