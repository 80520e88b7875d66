//! Folders of results: all of one command, and nothing of an earlier one.

use std::fs;
use std::path::{Path, PathBuf};

use scenarios::{KeptScenario, SHARD_FILE, keep_scenario};

use crate::html::{PAGE, write_page};
use crate::report::Report;
use crate::write::{ReportError, write_all};

/// Keeps a result in every format, with the scenario that it is of, the files which that names, and a page of it all.
///
/// # Errors
/// As [`write_all`], and when the scenario or the page cannot be written.
pub fn keep(
    folder: &Path,
    report: &dyn Report,
    scenario: &KeptScenario,
) -> Result<Vec<PathBuf>, ReportError> {
    let mut written = write_all(folder, report)?;
    written.extend(keep_scenario(folder, scenario)?);
    written.push(write_page(folder)?.0);
    Ok(written)
}

/// Results of runs, as folders have them: texts, objects, tables and figures.
const TEXTS: [&str; 5] = ["table", "anatomy", "requests", "sensitivity", "crossover"];
const OBJECTS: [&str; 6] = [
    "summary.json",
    "sweep.jsonl",
    "anatomy.json",
    "requests.json",
    "sensitivity.json",
    "crossover.json",
];
const TABLES: [&str; 9] = [
    "metrics",
    "runs",
    "fault-latency",
    "series",
    "request-latency",
    "sweep",
    "requests",
    "sensitivity",
    "crossover",
];
const FIGURES: [&str; 12] = [
    "work-by-policy",
    "fault-latency-cdf",
    "throughput-over-time",
    "request-latency-cdf",
    "gain",
    "gain-heat",
    "tornado",
    "anatomy-median",
    "anatomy-p90",
    "anatomy-p99",
    "anatomy-p999",
    "anatomy-worst",
];

/// Whether a file of a folder of results is one that results of runs are written to.
fn is_result(name: &str) -> bool {
    let of = |stems: &[&str], extensions: &[&str]| {
        let parts = name.rsplit_once('.');
        parts.is_some_and(|(stem, ext)| stems.contains(&stem) && extensions.contains(&ext))
    };
    [PAGE, SHARD_FILE].contains(&name)
        || OBJECTS.contains(&name)
        || of(&TEXTS, &["txt"])
        || of(&TABLES, &["csv"])
        || of(&["runs"], &["parquet"])
        || of(&FIGURES, &["svg", "png", "pdf"])
}

/// Removes from a folder what earlier commands have left of results and runs, so that it has those of one command
/// again. Files that this program does not write stay, and so does the scenario, which the next results replace: it may
/// be what they are made of. Whoever calls it holds the folder.
///
/// # Errors
/// When a file cannot be removed.
pub fn start_over(folder: &Path) -> Result<(), ReportError> {
    scenarios::start_over(folder)?;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let file = !entry.file_type().is_ok_and(|kind| kind.is_dir());
        if file && is_result(&entry.file_name().to_string_lossy()) {
            let path = entry.path();
            fs::remove_file(&path).map_err(|source| ReportError::Write { path, source })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use models::trace::anatomy::Pick;

    use super::*;
    use crate::{Compared, fixture};

    #[test]
    fn a_folder_that_is_started_over_has_nothing_of_before() {
        let folder = tempfile::tempdir().unwrap();
        let mut comparison = fixture::natapov();
        let mut times = sim_core::Histogram::new();
        times.record(1_000);
        comparison.policies[1].request_latency = vec![("server".to_owned(), times)];
        let mut written = write_all(folder.path(), &Compared::kept(&comparison)).unwrap();
        written.push(write_page(folder.path()).unwrap().0);
        for pick in Pick::ALL {
            written.push(folder.path().join(format!("anatomy-{}.svg", pick.name())));
        }
        let of_runs = [
            "runs.jsonl",
            "replay-sync-0.json",
            SHARD_FILE,
            "anatomy.json",
            "tornado.png",
            "sweep.jsonl",
            "sweep.csv",
            "gain.svg",
            "gain-heat.png",
        ];
        written.extend(of_runs.map(|name| folder.path().join(name)));
        let own = ["scenario.json", "my-table.txt", "table.md", "gain.txt", "runs.csv.bak"];
        for path in written.iter().filter(|path| !path.exists()) {
            fs::write(path, "").unwrap();
        }
        for name in own {
            fs::write(folder.path().join(name), "mine").unwrap();
        }
        fs::create_dir(folder.path().join("metrics")).unwrap();
        start_over(folder.path()).unwrap();
        for path in &written {
            assert!(!path.exists(), "{}", path.display());
        }
        assert!(own.iter().all(|name| folder.path().join(name).exists()));
        assert!(folder.path().join("metrics").is_dir());
    }
}
