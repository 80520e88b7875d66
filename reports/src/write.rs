//! Reports on disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use models::trace::anatomy::Pick;
use scenarios::{AnatomyReport, CheckReport, Comparison, FitReport, write_file};

use crate::plot::{CheckPlot, Plot, PlotError, anatomy_png, anatomy_svg, fit_png, fit_svg};
use crate::{check, fit, json, table};

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
    /// A plot could not be drawn.
    #[error("cannot draw `{}`: {source}", path.display())]
    Plot {
        /// The file that it was for.
        path: PathBuf,
        /// The reason.
        source: PlotError,
    },
}

/// Writes `summary.json`, `metrics.csv`, `series.csv`, `table.txt` and every plot as SVG and PNG into a folder,
/// which is made where it does not exist. Gives the files.
///
/// Each file appears complete or not at all: it is written under another name first.
pub fn write_all(folder: &Path, comparison: &Comparison) -> Result<Vec<PathBuf>, ReportError> {
    make(folder)?;
    let table = match comparison.policies.len() {
        1 => table::run(comparison),
        _ => table::compare(comparison),
    };
    let mut written = Vec::new();
    for (name, text) in [
        ("summary.json", json::pretty(comparison)),
        ("metrics.csv", json::metrics_csv(comparison)),
        ("series.csv", json::series_csv(comparison)),
        ("table.txt", table),
    ] {
        written.push(write(folder.join(name), text.as_bytes())?);
    }
    for plot in Plot::ALL {
        let path = folder.join(format!("{}.svg", plot.name()));
        let svg = plot.svg(comparison).map_err(|source| failed(&path, source))?;
        written.push(write(path, svg.as_bytes())?);
        let path = folder.join(format!("{}.png", plot.name()));
        let png = plot.png(comparison).map_err(|source| failed(&path, source))?;
        written.push(write(path, &png)?);
    }
    Ok(written)
}

/// Writes `anatomy.txt`, `anatomy.json`, and a picture of each pick as SVG and PNG into a folder,
/// like [`write_all`].
pub fn write_anatomy(folder: &Path, report: &AnatomyReport) -> Result<Vec<PathBuf>, ReportError> {
    make(folder)?;
    let mut written = Vec::new();
    for (name, text) in
        [("anatomy.txt", table::anatomy(report)), ("anatomy.json", json::anatomy(report))]
    {
        written.push(write(folder.join(name), text.as_bytes())?);
    }
    let picked = |pick: &Pick| {
        let mut faults = report.policies.iter().flat_map(|policy| &policy.picked);
        faults.any(|fault| fault.pick == *pick)
    };
    for pick in Pick::ALL.into_iter().filter(picked) {
        let path = folder.join(format!("anatomy-{}.svg", pick.name()));
        let svg = anatomy_svg(report, pick).map_err(|source| failed(&path, source))?;
        written.push(write(path, svg.as_bytes())?);
        let path = folder.join(format!("anatomy-{}.png", pick.name()));
        let png = anatomy_png(report, pick).map_err(|source| failed(&path, source))?;
        written.push(write(path, &png)?);
    }
    Ok(written)
}

/// Writes `check.txt`, `check.json`, `check-latencies.csv`, `check-course.csv` and both plots as SVG
/// and PNG into a folder, like [`write_all`].
pub fn write_check(folder: &Path, report: &CheckReport) -> Result<Vec<PathBuf>, ReportError> {
    make(folder)?;
    let mut written = Vec::new();
    for (name, text) in [
        ("check.txt", check::table(report)),
        ("check.json", check::object(report)),
        ("check-latencies.csv", check::latencies_csv(report)),
        ("check-course.csv", check::course_csv(report)),
    ] {
        written.push(write(folder.join(name), text.as_bytes())?);
    }
    for plot in CheckPlot::ALL {
        let path = folder.join(format!("{}.svg", plot.name()));
        let svg = plot.svg(report).map_err(|source| failed(&path, source))?;
        written.push(write(path, svg.as_bytes())?);
        let path = folder.join(format!("{}.png", plot.name()));
        let png = plot.png(report).map_err(|source| failed(&path, source))?;
        written.push(write(path, &png)?);
    }
    Ok(written)
}

/// Writes `fit.txt`, `fit.json`, `fit-paths.csv`, `scenario.json` and the plot of some paths as SVG
/// and PNG into a folder, like [`write_all`].
pub fn write_fit(folder: &Path, report: &FitReport) -> Result<Vec<PathBuf>, ReportError> {
    make(folder)?;
    let files = [
        ("fit.txt", fit::table(report)),
        ("fit.json", fit::object(report)),
        ("fit-paths.csv", fit::csv(report)),
        ("scenario.json", report.scenario.clone()),
    ];
    let mut written = Vec::new();
    for (name, text) in files {
        written.push(write(folder.join(name), text.as_bytes())?);
    }
    let path = folder.join("fit-paths.svg");
    let svg = fit_svg(report).map_err(|source| failed(&path, source))?;
    written.push(write(path, svg.as_bytes())?);
    let path = folder.join("fit-paths.png");
    let png = fit_png(report).map_err(|source| failed(&path, source))?;
    written.push(write(path, &png)?);
    Ok(written)
}

/// Writes the scenario of a fit into a file, which appears complete or not at all.
pub fn write_scenario(path: &Path, report: &FitReport) -> Result<PathBuf, ReportError> {
    write(path.to_owned(), report.scenario.as_bytes())
}

/// Makes a folder where it does not exist.
pub(crate) fn make(folder: &Path) -> Result<(), ReportError> {
    fs::create_dir_all(folder)
        .map_err(|source| ReportError::Folder { path: folder.to_owned(), source })
}

pub(crate) fn failed(path: &Path, source: PlotError) -> ReportError {
    ReportError::Plot { path: path.to_owned(), source }
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
    use crate::fixture;

    #[test]
    fn all_files_are_there_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let results = folder.path().join("a/b");
        let written = write_all(&results, &fixture::natapov()).unwrap();
        let mut names: Vec<_> = fs::read_dir(&results)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names,
            [
                "fault-latency-cdf.png",
                "fault-latency-cdf.svg",
                "metrics.csv",
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
    fn writing_again_replaces() {
        let folder = tempfile::tempdir().unwrap();
        write_all(folder.path(), &fixture::natapov()).unwrap();
        write_all(folder.path(), &fixture::nothing()).unwrap();
        let text = fs::read_to_string(folder.path().join("summary.json")).unwrap();
        assert!(text.contains("Nothing happens."));
    }

    #[test]
    fn errors_name_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        fs::write(&taken, "").unwrap();
        let error = write_all(&taken, &fixture::nothing()).unwrap_err();
        assert!(matches!(error, ReportError::Folder { .. }), "{error}");
        assert!(error.to_string().contains("taken"), "{error}");

        fs::create_dir(folder.path().join("metrics.csv")).unwrap();
        let error = write_all(folder.path(), &fixture::nothing()).unwrap_err();
        assert!(error.to_string().contains("metrics.csv"), "{error}");
        let leftovers = fs::read_dir(folder.path()).unwrap();
        let parts = leftovers.filter(|entry| {
            entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".part")
        });
        assert_eq!(parts.count(), 0);
    }
}
