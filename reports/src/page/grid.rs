//! Columns of text.

use super::text::WIDTH;

const GAP: usize = 2;

/// How a column is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// A column with its title.
#[derive(Clone, Debug)]
pub struct Column {
    title: String,
    side: Side,
}

impl Column {
    /// A column of words.
    pub fn left(title: impl Into<String>) -> Self {
        Self { title: title.into(), side: Side::Left }
    }

    /// A column of numbers.
    pub fn right(title: impl Into<String>) -> Self {
        Self { title: title.into(), side: Side::Right }
    }
}

/// Rows of cells. The first column names the row. Where columns do not fit beside each other,
/// the grid is cut into several below each other.
#[derive(Clone, Debug)]
pub struct Grid {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Grid {
    /// A grid without rows.
    pub fn new(columns: Vec<Column>) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row; missing cells are empty.
    pub fn row(&mut self, mut cells: Vec<String>) {
        cells.resize(self.columns.len(), String::new());
        self.rows.push(cells);
    }

    /// A grid for programs, whose columns have these names.
    pub(crate) fn named<'a>(titles: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(titles.into_iter().map(Column::left).collect())
    }

    /// Whether there is no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether a column is one of numbers.
    pub fn is_right(&self, column: usize) -> bool {
        self.columns.get(column).is_some_and(|column| column.side == Side::Right)
    }

    /// The titles of all columns.
    pub fn titles(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.title.clone()).collect()
    }

    /// The rows, each with a cell a column.
    pub fn rows(&self) -> impl Iterator<Item = &[String]> {
        self.rows.iter().map(Vec::as_slice)
    }

    /// The grid as lines of text; nothing when there is no row.
    pub fn render(&self) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let parts = self.parts();
        parts.iter().map(|columns| self.part(columns)).collect::<Vec<_>>().join("\n")
    }

    /// Which columns stand beside each other, after the first one.
    fn parts(&self) -> Vec<Vec<usize>> {
        let room = WIDTH.saturating_sub(self.label_width());
        let mut parts = vec![Vec::new()];
        let mut taken = 0;
        for column in self.filled() {
            let width = GAP + self.width(column);
            let full = taken > 0 && taken + width > room;
            if full {
                parts.push(Vec::new());
                taken = 0;
            }
            taken += width;
            if let Some(part) = parts.last_mut() {
                part.push(column);
            }
        }
        parts
    }

    fn part(&self, columns: &[usize]) -> String {
        let titles = self.titles();
        let label_width = self.label_width();
        let columns: Vec<(usize, usize)> =
            columns.iter().map(|&column| (column, self.width(column))).collect();
        let mut text = String::new();
        for cells in std::iter::once(&titles).chain(&self.rows) {
            text.push_str(&self.line(cells, label_width, &columns));
            text.push('\n');
        }
        text
    }

    /// A line of some columns, each with its width.
    fn line(&self, cells: &[String], label_width: usize, columns: &[(usize, usize)]) -> String {
        let mut line = padded(&cells[0], label_width, Side::Left);
        let too_long = cells[0].chars().count() > label_width;
        let more = columns.iter().any(|&(column, _)| !cells[column].is_empty());
        if too_long && more {
            // The numbers go below a name that would push them out of their columns.
            line.push('\n');
            line.push_str(&" ".repeat(label_width));
        }
        for &(column, width) in columns {
            line.push_str(&" ".repeat(GAP));
            line.push_str(&padded(&cells[column], width, self.columns[column].side));
        }
        line.trim_end().to_owned()
    }

    /// The longest label that leaves room for the widest column, and not more than it needs.
    fn label_width(&self) -> usize {
        let others = self.filled().map(|column| GAP + self.width(column));
        let sum: usize = others.clone().sum();
        let widest = others.max().unwrap_or(0);
        // Few columns should stay together; many are cut anyway.
        let taken = if sum < WIDTH - 20 { sum } else { widest };
        let room = WIDTH.saturating_sub(taken).clamp(20, 40);
        self.width(0).min(room)
    }

    /// The columns after the first that have anything to say.
    pub(crate) fn filled(&self) -> impl Iterator<Item = usize> + Clone {
        (1..self.columns.len())
            .filter(|&column| self.rows.iter().any(|row| !row[column].is_empty()))
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().map(|row| row[column].chars().count());
        let title = self.columns[column].title.chars().count();
        cells.max().unwrap_or(0).max(title)
    }
}

fn padded(text: &str, width: usize, side: Side) -> String {
    match side {
        Side::Left => format!("{text:<width$}"),
        Side::Right => format!("{text:>width$}"),
    }
}
