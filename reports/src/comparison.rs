//! Comparisons and anatomies as reports.

use scenarios::{AnatomyReport, Comparison};

use crate::page::{Grid, Page};
use crate::plot::{self, Figure};
use crate::report::{Names, Report};
use crate::{json, runs, table};

/// A comparison of policies, in brief or in full detail.
#[derive(Clone, Copy, Debug)]
pub struct Compared<'a> {
    comparison: &'a Comparison,
    page: fn(&Comparison) -> Page,
}

impl<'a> Compared<'a> {
    /// Policies side by side.
    pub fn brief(comparison: &'a Comparison) -> Self {
        Self { comparison, page: table::compare }
    }

    /// Each policy with every metric, task and finding.
    pub fn detailed(comparison: &'a Comparison) -> Self {
        Self { comparison, page: table::run }
    }

    /// As a folder has it: one policy in full detail, several side by side.
    pub fn kept(comparison: &'a Comparison) -> Self {
        match comparison.policies.len() {
            1 => Self::detailed(comparison),
            _ => Self::brief(comparison),
        }
    }
}

impl Report for Compared<'_> {
    fn page(&self) -> Page {
        (self.page)(self.comparison)
    }

    fn object(&self) -> String {
        json::object(self.comparison)
    }

    fn object_file(&self) -> String {
        json::pretty(self.comparison)
    }

    fn tables(&self) -> Vec<(&'static str, Grid)> {
        let comparison = self.comparison;
        let mut tables = vec![
            ("metrics", json::metrics(comparison)),
            ("runs", runs::grid(&[(runs::Keys::new(), comparison)])),
            ("fault-latency", runs::latencies(comparison)),
        ];
        let series = plot::is_followed(comparison).then(|| json::series(comparison));
        tables.extend(series.map(|grid| ("series", grid)));
        let requests = runs::request_latencies(comparison);
        tables.extend(requests.map(|grid| ("request-latency", grid)));
        tables
    }

    fn figures(&self) -> Vec<Figure> {
        plot::of_comparison(self.comparison)
    }

    fn names(&self) -> Names {
        Names { page: "table.txt", object: "summary.json" }
    }
}

impl Report for AnatomyReport {
    fn page(&self) -> Page {
        Page::verbatim(table::anatomy(self))
    }

    fn object(&self) -> String {
        json::anatomy(self)
    }

    fn figures(&self) -> Vec<Figure> {
        plot::of_anatomy(self)
    }

    fn names(&self) -> Names {
        Names { page: "anatomy.txt", object: "anatomy.json" }
    }
}
