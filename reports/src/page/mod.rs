//! What people read, as pieces: a terminal sets them in columns, Markdown in tables.

mod grid;
mod text;

pub use self::grid::{Column, Grid};
pub use self::text::WIDTH;
pub(crate) use self::text::{listing, wrapped};

/// A piece of a page.
#[derive(Clone, Debug)]
pub enum Piece {
    /// A paragraph; plain text breaks it between words.
    Text {
        /// The paragraph.
        text: String,
        /// Spaces before its first line.
        first: usize,
        /// Spaces before the others.
        further: usize,
    },
    /// A line that is never broken, so that it can be searched for and copied.
    Line(String),
    /// Names and what they stand for, after some spaces.
    Listing(Vec<(String, String)>, usize),
    /// Rows under titles.
    Grid(Grid),
    /// Rows under titles that plain text draws in a way of its own.
    Drawn {
        /// The drawing; its lines are ended.
        text: String,
        /// The rows.
        grid: Grid,
    },
    /// A drawing, or text that is set in columns already; its lines are ended.
    Verbatim(String),
}

impl Piece {
    /// A paragraph without indent.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), first: 0, further: 0 }
    }

    /// Its rows, if it has any.
    pub(crate) fn grid(&self) -> Option<Grid> {
        match self {
            Self::Grid(grid) | Self::Drawn { grid, .. } => Some(grid.clone()),
            Self::Listing(entries, _) => {
                let mut grid = Grid::named(["name", "text"]);
                entries.iter().for_each(|(name, text)| grid.row(vec![name.clone(), text.clone()]));
                Some(grid)
            }
            Self::Text { .. } | Self::Line(_) | Self::Verbatim(_) => None,
        }
        .filter(|grid| !grid.is_empty())
    }

    /// As plain text.
    pub(crate) fn plain(&self) -> String {
        match self {
            Self::Text { text, first, further } => wrapped(text, *first, *further),
            Self::Line(line) => format!("{line}\n"),
            Self::Listing(entries, indent) => listing(entries, *indent),
            Self::Grid(grid) => grid.render(),
            Self::Drawn { text, .. } | Self::Verbatim(text) => text.clone(),
        }
    }
}

/// Blocks of pieces. Plain text sets blocks apart by an empty line.
#[derive(Clone, Debug, Default)]
pub struct Page {
    blocks: Vec<Vec<Piece>>,
}

impl Page {
    /// A page of these blocks.
    pub fn of(blocks: impl IntoIterator<Item = Vec<Piece>>) -> Self {
        Self { blocks: blocks.into_iter().collect() }
    }

    /// A page that is laid out already.
    pub fn verbatim(text: String) -> Self {
        Self::of([vec![Piece::Verbatim(text)]])
    }

    /// The pieces of all blocks.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.blocks.iter().flatten()
    }

    /// As plain text.
    pub fn plain(&self) -> String {
        let block = |pieces: &Vec<Piece>| pieces.iter().map(Piece::plain).collect::<String>();
        let blocks: Vec<String> = self.blocks.iter().map(block).collect();
        blocks.into_iter().filter(|block| !block.is_empty()).collect::<Vec<_>>().join("\n")
    }
}
