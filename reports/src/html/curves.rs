//! Lines of plots, from the tables of a folder.

use std::collections::BTreeMap;

/// What is at which place, thinned to what a plot can show.
pub(super) type Curves = (Vec<f64>, Vec<f64>);

/// Most points of one line.
const MOST: usize = 1500;

/// The rows of a table, each with its cells by the name of their column.
fn rows(csv: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let Ok(titles) = reader.headers().cloned() else { return Vec::new() };
    let named = |row: csv::StringRecord| {
        let cells = titles.iter().zip(row.iter());
        cells.map(|(title, cell)| (title.to_owned(), cell.to_owned())).collect()
    };
    reader.records().filter_map(Result::ok).map(named).collect()
}

fn number(row: &BTreeMap<String, String>, name: &str) -> f64 {
    row.get(name).and_then(|cell| cell.parse().ok()).unwrap_or(0.0)
}

/// The distribution of latencies of each policy: seconds, and the part that took no longer.
pub(super) fn latencies(csv: &str) -> BTreeMap<String, Curves> {
    let mut curves: BTreeMap<String, Curves> = BTreeMap::new();
    for row in rows(csv) {
        let own = curves.entry(row.get("policy").cloned().unwrap_or_default()).or_default();
        own.0.push(significant(number(&row, "latency_s")));
        own.1.push(significant(number(&row, "cdf")));
    }
    curves.into_iter().map(|(policy, own)| (policy, thinned(own))).collect()
}

/// Keeps the first and the last points, whose parts are of interest in the tails, and some between.
fn thinned((xs, ys): Curves) -> Curves {
    if xs.len() <= MOST {
        return (xs, ys);
    }
    let (ends, step) = (MOST / 4, xs.len().div_ceil(MOST / 2));
    let keep = |at: usize| at < ends || at + ends >= xs.len() || at.is_multiple_of(step);
    let kept: Vec<usize> = (0..xs.len()).filter(|&at| keep(at)).collect();
    (kept.iter().map(|&at| xs[at]).collect(), kept.iter().map(|&at| ys[at]).collect())
}

/// Enough for a plot, and short in the page.
pub(super) fn significant(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

/// What each policy's first run did over time: seconds, and rates and means of windows.
pub(super) fn series(csv: &str) -> BTreeMap<String, BTreeMap<&'static str, Vec<f64>>> {
    let mut all: BTreeMap<String, BTreeMap<&'static str, Vec<f64>>> = BTreeMap::new();
    for row in rows(csv) {
        let own = all.entry(row.get("policy").cloned().unwrap_or_default()).or_default();
        let of = |name| number(&row, name);
        let ps = of("length_ps").max(1.0);
        for (name, value) in [
            ("t", (of("begin_ps") + ps / 2.0) * 1e-12),
            ("work", of("work") / (ps * 1e-12)),
            ("major_faults", of("major_faults") / (ps * 1e-12)),
            ("waiting", (of("stalled_ps") + of("halted_ps")) / ps),
            ("outstanding", of("outstanding_mean")),
            ("workers", of("workers_mean")),
            ("in_flight", of("in_flight_mean")),
        ] {
            own.entry(name).or_default().push(significant(value));
        }
    }
    all
}

/// The values of an axis as numbers, by point, where a table of runs has them: under the axis' name, or
/// under the name with the unit behind it.
pub(super) fn axis_numbers(csv: &str, axis: &str) -> Option<BTreeMap<u64, f64>> {
    let mut numbers = BTreeMap::new();
    let rows = rows(csv);
    let mut titles = csv.lines().next()?.split(',').take_while(|title| *title != "scenario_hash");
    let with_unit =
        titles.find(|title| title.strip_prefix(axis).is_some_and(|unit| unit.starts_with('_')));
    for row in &rows {
        let cell = row.get(with_unit.unwrap_or(axis))?;
        numbers.insert(row.get("point")?.parse().ok()?, cell.parse().ok()?);
    }
    Some(numbers)
}
