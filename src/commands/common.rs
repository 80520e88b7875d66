//! What several commands do: write a file, tell of it, list names.

use std::path::{Path, PathBuf};

use scenarios::write_file;

use crate::error::CliError;
use crate::output;

/// Writes a file that appears complete or not at all.
pub(super) fn write(path: &Path, text: &str) -> Result<(), CliError> {
    let fail = |source| CliError::Write { path: path.to_owned(), source };
    write_file(path, text.as_bytes()).map_err(fail)
}

/// Tells which files were written, unless nobody wants to know.
pub(super) fn tell(files: &[PathBuf], quiet: bool) {
    for file in files.iter().filter(|_| !quiet) {
        output::note(&format!("wrote {}", file.display()));
    }
}
