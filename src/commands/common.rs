//! What several commands do: print a result, write files, tell of them.

use std::path::{Path, PathBuf};

use reports::Report;
use scenarios::{KeptScenario, write_file};

use crate::cli::Format;
use crate::error::CliError;
use crate::output;

/// Writes a file that appears complete or not at all.
pub(super) fn write(path: &Path, text: &str) -> Result<(), CliError> {
    let fail = |source| CliError::Write { path: path.to_owned(), source };
    write_file(path, text.as_bytes()).map_err(fail)
}

/// Refuses a file that is there already, unless it may be lost. A device or a pipe loses nothing.
pub(super) fn not_lost(path: Option<&Path>, overwrite: bool) -> Result<(), CliError> {
    match path.filter(|path| !overwrite && path.is_file()) {
        Some(path) => Err(CliError::NotOverwritten { path: path.to_owned() }),
        None => Ok(()),
    }
}

/// Tells which files were written, unless nobody wants to know.
pub(super) fn tell(files: &[PathBuf], quiet: bool) {
    for file in files.iter().filter(|_| !quiet) {
        output::note(&format!("wrote {}", file.display()));
    }
}

/// Prints a result.
pub(super) fn print(report: &dyn Report, format: Format) -> Result<(), CliError> {
    let text = format.print(report).ok_or_else(|| CliError::Format(format.name()))?;
    Ok(output::result(&text)?)
}

/// Prints a result of a scenario, and keeps it where a folder is named.
pub(super) fn publish_of(
    report: &dyn Report,
    scenario: &KeptScenario,
    format: Format,
    folder: Option<&Path>,
    quiet: bool,
) -> Result<(), CliError> {
    let written = folder.map(|folder| reports::keep(folder, report, scenario));
    print(report, format)?;
    // After the result, which is worth having when the disk is full.
    tell(&written.transpose()?.unwrap_or_default(), quiet);
    Ok(())
}

/// Prints a result, and keeps it in every format where a folder is named.
pub(super) fn publish(
    report: &dyn Report,
    format: Format,
    folder: Option<&Path>,
    quiet: bool,
) -> Result<(), CliError> {
    let written = folder.map(|folder| reports::write_all(folder, report));
    print(report, format)?;
    // After the result, which is worth having when the disk is full.
    tell(&written.transpose()?.unwrap_or_default(), quiet);
    Ok(())
}
