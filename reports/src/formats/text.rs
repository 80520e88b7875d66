//! Plain text.

use super::format::{File, Format};
use crate::report::Report;

/// Text for people.
#[derive(Debug)]
pub(super) struct Text;

impl Format for Text {
    fn name(&self) -> &'static str {
        "table"
    }

    fn help(&self) -> Option<&'static str> {
        Some("Text for people, at most 78 columns (anatomy, sweep: 100)")
    }

    fn print(&self, report: &dyn Report) -> Option<String> {
        Some(report.page().plain())
    }

    fn files(&self, report: &dyn Report) -> Vec<File> {
        vec![(report.names().page.to_owned(), Ok(report.page().plain().into_bytes()))]
    }
}
