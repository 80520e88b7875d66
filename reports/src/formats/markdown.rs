//! Markdown, for letters to maintainers and for documents.

use super::format::{File, Format};
use crate::page::{Grid, Piece};
use crate::report::Report;

/// Markdown with tables, as GitHub reads it.
#[derive(Debug)]
pub(super) struct Markdown;

impl Format for Markdown {
    fn name(&self) -> &'static str {
        "markdown"
    }

    fn help(&self) -> Option<&'static str> {
        Some("Markdown, for putting results before others")
    }

    fn print(&self, report: &dyn Report) -> Option<String> {
        let page = report.page();
        let pieces = page.pieces().map(piece).filter(|text| !text.is_empty());
        Some(pieces.collect::<Vec<_>>().join("\n"))
    }

    /// A folder has the plain text.
    fn files(&self, _: &dyn Report) -> Vec<File> {
        Vec::new()
    }
}

fn piece(piece: &Piece) -> String {
    match piece {
        Piece::Text { text, first: 0, .. } | Piece::Line(text) => format!("{}\n", escaped(text)),
        Piece::Text { text, .. } => format!("- {}\n", escaped(text)),
        Piece::Listing(entries, _) => entries.iter().map(entry).collect(),
        Piece::Grid(grid) => table(grid, &grid.filled().collect::<Vec<_>>()),
        Piece::Drawn { grid, .. } => table(grid, &(1..grid.titles().len()).collect::<Vec<_>>()),
        Piece::Verbatim(text) if text.is_empty() => String::new(),
        Piece::Verbatim(text) => format!("```text\n{text}```\n"),
    }
}

fn entry((name, text): &(String, String)) -> String {
    format!("- `{name}`: {}\n", escaped(text))
}

/// The first column and these; labels lose their indent.
fn table(grid: &Grid, columns: &[usize]) -> String {
    if grid.is_empty() {
        return String::new();
    }
    let line = |cell: &dyn Fn(usize) -> String| {
        let cells: Vec<String> = std::iter::once(&0).chain(columns).map(|&at| cell(at)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let titles = grid.titles();
    let rule = |at| if grid.is_right(at) { "---:" } else { "---" };
    let mut text = line(&|at| cell(&titles[at]));
    text.push_str(&line(&|at| rule(at).to_owned()));
    for row in grid.rows() {
        text.push_str(&line(&|at| cell(&row[at])));
    }
    text
}

fn cell(text: &str) -> String {
    text.trim().replace('|', "\\|")
}

/// Text without what would be read as a tag or as emphasis.
fn escaped(text: &str) -> String {
    text.replace('<', "&lt;").replace('*', "\\*")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Compared, fixture};

    #[test]
    fn a_comparison_has_tables() {
        let comparison = fixture::natapov();
        insta::assert_snapshot!(Markdown.print(&Compared::brief(&comparison)).unwrap());
    }

    #[test]
    fn drawings_are_fenced_and_signs_are_escaped() {
        assert_eq!(piece(&Piece::Verbatim("a  b\n".into())), "```text\na  b\n```\n");
        assert_eq!(piece(&Piece::text("<b> 2*3")), "&lt;b> 2\\*3\n");
        assert_eq!(cell("  a|b "), "a\\|b");
    }
}
