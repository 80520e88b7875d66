//! Reports on disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use scenarios::{FitReport, RunnerError, write_file};

use crate::formats::{FORMATS, FormatError};
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
