//! `apfsim scenarios`: the library.

use reports::page::{Page, Piece};
use scenarios::scenario::library::{self, LibraryEntry};

use crate::error::CliError;
use crate::outcome::Outcome;
use crate::output;

pub(super) fn execute() -> Result<Outcome, CliError> {
    let list = |entries: &[LibraryEntry]| {
        let entries = entries.iter().map(|entry| (entry.name.to_owned(), entry.title.clone()));
        Piece::Listing(entries.collect(), 0)
    };
    let (scenarios, sweeps) = (list(library::all()), list(library::sweeps()));
    let title = Piece::Line("Sweeps (for `apfsim sweep`):".to_owned());
    output::result(&Page::of([vec![scenarios], vec![title, sweeps]]).plain())?;
    Ok(Outcome::Fine)
}
