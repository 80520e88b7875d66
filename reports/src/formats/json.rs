//! JSON.

use super::format::{File, Format};
use crate::report::Report;

/// Objects for programs.
#[derive(Debug)]
pub(super) struct Json;

impl Format for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["jsonl"]
    }

    fn help(&self) -> Option<&'static str> {
        Some("JSON: one value (sweep: an object a point, on a line each)")
    }

    fn print(&self, report: &dyn Report) -> Option<String> {
        Some(report.object())
    }

    fn files(&self, report: &dyn Report) -> Vec<File> {
        let file = report.object_file().into_bytes();
        let others = report.others().into_iter();
        let others = others.map(|(name, text)| (name.to_owned(), Ok(text.into_bytes())));
        std::iter::once((report.names().object.to_owned(), Ok(file))).chain(others).collect()
    }
}
