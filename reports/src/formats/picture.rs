//! Pictures: SVG, PNG, and PDF with the feature `pdf`.

use super::format::{File, Format};
use crate::plot::{Figure, PlotError};
use crate::report::Report;

/// Figures, each as a file.
#[derive(Debug)]
pub(super) struct Picture {
    /// The extension, too.
    name: &'static str,
    bytes: fn(&Figure) -> Result<Vec<u8>, PlotError>,
}

pub(super) const SVG: Picture =
    Picture { name: "svg", bytes: |figure| figure.svg().map(String::into_bytes) };
pub(super) const PNG: Picture = Picture { name: "png", bytes: Figure::png };
#[cfg(feature = "pdf")]
pub(super) const PDF: Picture = Picture { name: "pdf", bytes: Figure::pdf };

impl Format for Picture {
    fn name(&self) -> &'static str {
        self.name
    }

    fn help(&self) -> Option<&'static str> {
        None
    }

    fn print(&self, _: &dyn Report) -> Option<String> {
        None
    }

    fn files(&self, report: &dyn Report) -> Vec<File> {
        let file = |figure: &Figure| {
            let bytes = (self.bytes)(figure);
            (format!("{}.{}", figure.name(), self.name), bytes.map_err(Into::into))
        };
        report.figures().iter().map(file).collect()
    }
}
