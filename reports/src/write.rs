//! Reports on disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use scenarios::{FitReport, KeptScenario, RunnerError, SHARD_FILE, keep_scenario, write_file};

use crate::formats::{FORMATS, FormatError};
use crate::html::{PAGE, write_page};
use crate::report::Report;

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The folder could not be made.
    #[error("cannot make the directory `{}`: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file could not be written. The file of an earlier report, if any, is still there.
    #[error("cannot write `{}`: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file of results could not be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A folder has no results, or damaged ones.
    #[error("cannot make a page of the results in `{}`: {what}", path.display())]
    Results {
        /// The folder.
        path: PathBuf,
        /// What is the matter.
        what: String,
    },
    /// The scenario could not be written, or runs not removed.
    #[error(transparent)]
    Runner(#[from] RunnerError),
    /// A plot could not be drawn.
    #[error("cannot draw `{}`: {source}", path.display())]
    Plot {
        /// The file that it was for.
        path: PathBuf,
        /// The reason.
        source: FormatError,
    },
}

/// Writes a report in every format into a folder, which is made where it does not exist. Gives the
/// files.
///
/// # Errors
/// When a file cannot be written or a plot cannot be drawn. Each file appears complete or not at
/// all: it is written under another name first.
pub fn write_all(folder: &Path, report: &dyn Report) -> Result<Vec<PathBuf>, ReportError> {
    fs::create_dir_all(folder)
        .map_err(|source| ReportError::Folder { path: folder.to_owned(), source })?;
    let mut written = Vec::new();
    for (name, content) in FORMATS.iter().flat_map(|format| format.files(report)) {
        let path = folder.join(name);
        match content {
            Ok(bytes) => written.push(write(path, &bytes)?),
            Err(source) => return Err(ReportError::Plot { path, source }),
        }
    }
    Ok(written)
}

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

/// Writes the scenario of a fit into a file, which appears complete or not at all.
pub fn write_scenario(path: &Path, report: &FitReport) -> Result<PathBuf, ReportError> {
    write(path.to_owned(), report.scenario.as_bytes())
}

pub(crate) fn write(path: PathBuf, bytes: &[u8]) -> Result<PathBuf, ReportError> {
    match write_file(&path, bytes) {
        Ok(()) => Ok(path),
        Err(source) => Err(ReportError::Write { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use models::trace::anatomy::Pick;

    use super::*;
    use crate::{Compared, fixture};

    /// Whether not every build writes such a file.
    fn of_feature(path: &Path) -> bool {
        path.extension().is_some_and(|it| it == "pdf" || it == "parquet")
    }

    #[test]
    fn all_files_are_there_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let results = folder.path().join("a/b");
        let written = write_all(&results, &Compared::kept(&fixture::natapov())).unwrap();
        let mut names: Vec<_> = fs::read_dir(&results)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let written: Vec<_> = written.iter().filter(|path| !of_feature(path)).collect();
        names.retain(|name| !of_feature(Path::new(name)));
        assert_eq!(
            names,
            [
                "fault-latency-cdf.png",
                "fault-latency-cdf.svg",
                "fault-latency.csv",
                "metrics.csv",
                "runs.csv",
                "series.csv",
                "summary.json",
                "table.txt",
                "throughput-over-time.png",
                "throughput-over-time.svg",
                "work-by-policy.png",
                "work-by-policy.svg",
            ]
        );
        assert_eq!(written.len(), names.len());
        assert!(written.iter().all(|path| path.starts_with(&results)));
    }

    #[test]
    fn what_was_followed_by_nobody_has_no_files() {
        let folder = tempfile::tempdir().unwrap();
        let mut comparison = fixture::natapov();
        comparison.policies.iter_mut().for_each(|policy| policy.series = None);
        let written = write_all(folder.path(), &Compared::kept(&comparison)).unwrap();
        let names = written.iter().map(|path| path.file_name().unwrap().to_string_lossy());
        let of_time = names.filter(|it| it.starts_with("series") || it.contains("over-time"));
        assert_eq!(of_time.count(), 0);
    }

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
        own.map(|name| fs::write(folder.path().join(name), "mine").unwrap());
        fs::create_dir(folder.path().join("metrics")).unwrap();
        start_over(folder.path()).unwrap();
        for path in &written {
            assert!(!path.exists(), "{}", path.display());
        }
        assert!(own.iter().all(|name| folder.path().join(name).exists()));
        assert!(folder.path().join("metrics").is_dir());
    }

    #[test]
    fn writing_again_replaces() {
        let folder = tempfile::tempdir().unwrap();
        write_all(folder.path(), &Compared::kept(&fixture::natapov())).unwrap();
        write_all(folder.path(), &Compared::kept(&fixture::nothing())).unwrap();
        let text = fs::read_to_string(folder.path().join("summary.json")).unwrap();
        assert!(text.contains("Nothing happens."));
    }

    #[test]
    fn errors_name_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        fs::write(&taken, "").unwrap();
        let error = write_all(&taken, &Compared::kept(&fixture::nothing())).unwrap_err();
        assert!(matches!(error, ReportError::Folder { .. }), "{error}");
        assert!(error.to_string().contains("taken"), "{error}");

        fs::create_dir(folder.path().join("metrics.csv")).unwrap();
        let error = write_all(folder.path(), &Compared::kept(&fixture::nothing())).unwrap_err();
        assert!(error.to_string().contains("metrics.csv"), "{error}");
        let leftovers = fs::read_dir(folder.path()).unwrap();
        let parts = leftovers.filter(|entry| {
            entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".part")
        });
        assert_eq!(parts.count(), 0);
    }
}
