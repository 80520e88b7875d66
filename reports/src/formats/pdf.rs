//! PDF, of the same text as SVG.

use super::format::{File, Format};
use crate::report::Report;

/// Pictures for papers.
#[derive(Debug)]
pub(super) struct Pdf;

impl Format for Pdf {
    fn name(&self) -> &'static str {
        "pdf"
    }

    fn help(&self) -> Option<&'static str> {
        None
    }

    fn print(&self, _: &dyn Report) -> Option<String> {
        None
    }

    fn files(&self, report: &dyn Report) -> Vec<File> {
        let figures = report.figures();
        figures.iter().map(|figure| (format!("{}.pdf", figure.name()), figure.pdf())).collect()
    }
}
