//! PNG.

use super::format::{File, Format};
use crate::report::Report;

/// Pictures.
#[derive(Debug)]
pub(super) struct Png;

impl Format for Png {
    fn name(&self) -> &'static str {
        "png"
    }

    fn help(&self) -> Option<&'static str> {
        None
    }

    fn print(&self, _: &dyn Report) -> Option<String> {
        None
    }

    fn files(&self, report: &dyn Report) -> Vec<File> {
        let figures = report.figures();
        figures.iter().map(|figure| (format!("{}.png", figure.name()), figure.png())).collect()
    }
}
