//! What every result can be asked for. A format reads nothing else of a result, and a result knows of
//! no format.

use crate::page::{Grid, Page};
use crate::plot::Figure;

/// Names of the files of a report in a folder.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// The text for people.
    pub page: &'static str,
    /// The object for programs.
    pub object: &'static str,
}

/// A result, ready to be rendered in any format.
pub trait Report {
    /// For people.
    fn page(&self) -> Page;

    /// For programs, as JSON: one value, or of a sweep one a line.
    fn object(&self) -> String;

    /// The same as [`object`](Self::object), laid out as its file has it.
    fn object_file(&self) -> String {
        self.object()
    }

    /// For spreadsheets: tables with the names of their files, without extension. Standard output
    /// gets the first.
    fn tables(&self) -> Vec<(&'static str, Grid)> {
        Vec::new()
    }

    /// For papers.
    fn figures(&self) -> Vec<Figure> {
        Vec::new()
    }

    /// Files of other kinds: name and content.
    fn others(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// What the files are called.
    fn names(&self) -> Names {
        Names { page: "report.txt", object: "report.json" }
    }
}
