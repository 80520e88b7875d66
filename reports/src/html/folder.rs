//! The files of a folder of results that a page is made of.

use std::path::Path;
use std::{fs, io};

use scenarios::{RUNS_FILE, SCENARIO_FILE, read_text};

use super::whole::wrong_in_table;
use crate::write::ReportError;

/// Name of the scenario's file in a folder of results.
pub const SCENARIO: &str = SCENARIO_FILE;

/// Texts for people.
const TEXTS: [&str; 3] = ["table.txt", "anatomy.txt", "requests.txt"];
/// What else can be saved from the page, the most wanted first.
const DATA: [&str; 11] = [
    SCENARIO,
    "summary.json",
    "runs.csv",
    "sweep.csv",
    "metrics.csv",
    "series.csv",
    "fault-latency.csv",
    "request-latency.csv",
    "requests.csv",
    "sweep.jsonl",
    "anatomy.json",
];
/// Those that hold results.
const RESULTS: [&str; 4] = ["summary.json", "sweep.jsonl", "anatomy.json", "requests.json"];
/// Pictures that show what no table of the page does.
const PICTURES: [(&str, &str); 10] = [
    ("work-by-policy", "Work by policy, with published values"),
    ("request-latency-cdf", "Request latency"),
    ("gain", "Gain"),
    ("gain-heat", "Gain in the plane of two axes"),
    ("anatomy-median", "Anatomy: the median fault"),
    ("anatomy-p90", "Anatomy: the fault at 90 %"),
    ("anatomy-p99", "Anatomy: the fault at 99 %"),
    ("anatomy-p999", "Anatomy: the fault at 99.9 %"),
    ("anatomy-worst", "Anatomy: the slowest fault"),
    ("check-latencies", "Latencies"),
];

fn no_end(text: &str, end: &str) -> Option<String> {
    (!text.trim_end().ends_with(end)).then(|| "it has no end".to_owned())
}

/// What is wrong with a file whose damage leaves the results whole.
fn wrong_in(name: &str, text: &str) -> Option<String> {
    match name.rsplit_once('.') {
        Some((_, "csv")) => wrong_in_table(text),
        Some((_, "svg")) => no_end(text, "</svg>"),
        _ if name == SCENARIO => no_end(text, "}"),
        _ => None,
    }
}

/// What a folder has.
pub(super) struct Files {
    files: Vec<(String, String)>,
    /// What is damaged, and left out.
    damaged: Vec<String>,
}

impl Files {
    pub(super) fn read(folder: &Path) -> Result<Self, ReportError> {
        let fail = |what: &str| {
            let path = folder.to_owned();
            Err(ReportError::Results { path, what: what.to_owned() })
        };
        match fs::metadata(folder) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return fail("it is a file; name a folder that `--out` has filled"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return fail(
                    "there is no such folder; `--out` of compare, run, sweep and anatomy makes one",
                );
            }
            Err(source) => return Err(ReportError::Read { path: folder.to_owned(), source }),
        }
        let mut files: Vec<(String, String)> = Vec::new();
        let mut damaged = Vec::new();
        let pictures = PICTURES.iter().map(|(name, _)| format!("{name}.svg"));
        let names = TEXTS.iter().chain(&DATA).chain(&RESULTS).map(|&name| name.to_owned());
        for name in names.chain(pictures) {
            let path = folder.join(&name);
            match read_text(&path) {
                Ok(_) if files.iter().any(|(own, _)| *own == name) => {}
                Ok(text) => match wrong_in(&name, &text) {
                    Some(what) => damaged.push(format!("`{name}` is damaged and left out: {what}")),
                    None => files.push((name, text)),
                },
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) if RESULTS.contains(&name.as_str()) => {
                    return Err(ReportError::Read { path, source });
                }
                Err(error) => {
                    damaged.push(format!("`{name}` cannot be read and is left out: {error}"));
                }
            }
        }
        let files = Self { files, damaged };
        if RESULTS.iter().any(|name| files.get(name).is_some()) {
            return Ok(files);
        }
        let none = match folder.join(RUNS_FILE).exists() {
            true => {
                "there are none yet, but finished runs: give the command that made them again, with the same \
                 `--out`, and it goes on"
            }
            false => "there are none; `--out` of compare, run, sweep and anatomy leaves some",
        };
        let told = [&[none.to_owned()], files.damaged()].concat();
        fail(&told.join("; "))
    }

    /// What is damaged, and left out.
    pub(super) fn damaged(&self) -> &[String] {
        &self.damaged
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect();
        Self { files, damaged: Vec::new() }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.files.iter().find(|(own, _)| own == name).map(|(_, text)| text.as_str())
    }

    /// All texts for people.
    pub(super) fn texts(&self) -> String {
        let texts: Vec<&str> = TEXTS.iter().filter_map(|name| self.get(name)).collect();
        texts.join("\n")
    }

    /// What can be saved.
    pub(super) fn data(&self) -> impl Iterator<Item = (&'static str, &str)> {
        DATA.iter().filter_map(|&name| Some((name, self.get(name)?)))
    }

    /// Title, name and content of each picture.
    pub(super) fn pictures(&self) -> impl Iterator<Item = (&'static str, &'static str, &str)> {
        let picture = |&(name, title): &(&'static str, &'static str)| {
            Some((title, name, self.get(&format!("{name}.svg"))?))
        };
        PICTURES.iter().filter_map(picture)
    }
}
