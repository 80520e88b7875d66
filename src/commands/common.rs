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

/// Width to which listings are wrapped.
pub(super) const WIDTH: usize = 78;

/// A name and what it stands for on a line each, set in columns after `indent` spaces. Long texts
/// go on below themselves.
pub(super) fn listing(entries: &[(String, String)], indent: usize) -> String {
    let longest = entries.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let column = indent + longest + 2;
    let mut text = String::new();
    for (name, summary) in entries {
        let mut line = format!("{:indent$}{name:longest$} ", "");
        for word in summary.split_whitespace() {
            if line.chars().count() + 1 + word.chars().count() > WIDTH && line.trim() != name {
                text.push_str(line.trim_end());
                text.push('\n');
                line = " ".repeat(column - 1);
            }
            line.push(' ');
            line.push_str(word);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::listing;

    #[test]
    fn listings_are_aligned_and_wrapped() {
        let long = "word ".repeat(20);
        let entries = [("sync", "no async at all"), ("apf", long.as_str())]
            .map(|(name, summary)| (name.to_owned(), summary.to_owned()));
        let text = listing(&entries, 2);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "  sync  no async at all");
        assert!(lines[1].starts_with("  apf   word word"));
        assert!(lines[2].starts_with("        word"));
        assert!(lines.iter().all(|line| line.len() <= 78));
    }
}
