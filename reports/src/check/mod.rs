//! The verdict on a real kernel's log, as text, JSON and CSV.

mod backports;
mod csv;
mod left_out;
mod object;
mod table;
mod words;

use scenarios::CheckReport;

use crate::page::{Grid, Page};
use crate::plot::{self, Figure};
use crate::report::{Names, Report};
pub(crate) use object::skipped;
pub(crate) use words::{overall, row_name};

impl Report for CheckReport {
    fn page(&self) -> Page {
        Page::verbatim(table::table(self))
    }

    fn object(&self) -> String {
        object::object(self)
    }

    fn tables(&self) -> Vec<(&'static str, Grid)> {
        vec![("check-latencies", csv::latencies(self)), ("check-course", csv::course(self))]
    }

    fn figures(&self) -> Vec<Figure> {
        plot::of_check(self)
    }

    fn names(&self) -> Names {
        Names { page: "check.txt", object: "check.json" }
    }
}
