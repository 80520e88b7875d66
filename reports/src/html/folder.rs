//! The files of a folder of results that a page is made of.

use std::io;
use std::path::Path;

use scenarios::{SCENARIO_FILE, read_text};

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

/// What a folder has.
pub(super) struct Files(Vec<(String, String)>);

impl Files {
    pub(super) fn read(folder: &Path) -> Result<Self, ReportError> {
        let mut files = Vec::new();
        let pictures = PICTURES.iter().map(|(name, _)| format!("{name}.svg"));
        let names = TEXTS.iter().chain(&DATA).chain(&RESULTS).map(|&name| name.to_owned());
        for name in names.chain(pictures) {
            let path = folder.join(&name);
            match read_text(&path) {
                Ok(text) if !files.iter().any(|(own, _)| *own == name) => files.push((name, text)),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(ReportError::Read { path, source }),
            }
        }
        let files = Self(files);
        match RESULTS.iter().any(|name| files.get(name).is_some()) {
            true => Ok(files),
            false => {
                let path = folder.to_owned();
                let what = "there are none; `--out` of compare, run, sweep and anatomy leaves some";
                Err(ReportError::Results { path, what: what.to_owned() })
            }
        }
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, text)| text.as_str())
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
