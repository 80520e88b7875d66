//! Sweeps as text, CSV, JSON lines and plots.

mod rows;
mod shard;
mod table;
#[cfg(test)]
mod tests;

use scenarios::SweepResult;

pub(crate) use self::table::{invariants, reproduction};

use crate::page::{Grid, Page};
use crate::plot::{self, Figure};
use crate::report::{Names, Report};

impl Report for SweepResult {
    fn page(&self) -> Page {
        table::page(self)
    }

    fn object(&self) -> String {
        rows::jsonl(self)
    }

    fn tables(&self) -> Vec<(&'static str, Grid)> {
        vec![("sweep", rows::grid(self)), ("runs", rows::all_runs(self))]
    }

    /// A picture where there is one axis of times or numbers.
    fn figures(&self) -> Vec<Figure> {
        plot::of_sweep(self)
    }

    fn names(&self) -> Names {
        Names { page: "table.txt", object: "sweep.jsonl" }
    }
}
