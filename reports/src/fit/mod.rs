//! A scenario that was fitted to a log, and how its run compares: text, JSON and CSV.

mod object;
mod table;

use scenarios::FitReport;

use crate::page::{Grid, Page};
use crate::plot::{self, Figure};
use crate::report::{Names, Report};

impl Report for FitReport {
    fn page(&self) -> Page {
        Page::verbatim(table::table(self))
    }

    fn object(&self) -> String {
        object::object(self)
    }

    fn tables(&self) -> Vec<(&'static str, Grid)> {
        vec![("fit-paths", object::paths(self))]
    }

    fn figures(&self) -> Vec<Figure> {
        plot::of_fit(self)
    }

    fn others(&self) -> Vec<(&'static str, String)> {
        vec![("scenario.json", self.scenario.clone())]
    }

    fn names(&self) -> Names {
        Names { page: "fit.txt", object: "fit.json" }
    }
}
