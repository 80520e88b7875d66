//! SVG.

use super::format::{File, Format};
use crate::report::Report;

/// Pictures.
#[derive(Debug)]
pub(super) struct Svg;

impl Format for Svg {
    fn name(&self) -> &'static str {
        "svg"
    }

    fn help(&self) -> Option<&'static str> {
        None
    }

    fn print(&self, _: &dyn Report) -> Option<String> {
        None
    }

    fn files(&self, report: &dyn Report) -> Vec<File> {
        let figures = report.figures();
        figures
            .iter()
            .map(|figure| (format!("{}.svg", figure.name()), figure.svg().map(String::into_bytes)))
            .collect()
    }
}
