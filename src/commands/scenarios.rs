//! `apfsim scenarios`: the library.

use reports::table::listing;
use scenarios::scenario::library::{self, LibraryEntry};

use crate::error::CliError;
use crate::outcome::Outcome;
use crate::output;

pub(super) fn execute() -> Result<Outcome, CliError> {
    let list = |entries: &[LibraryEntry]| {
        let entries = entries.iter().map(|entry| (entry.name.to_owned(), entry.title.clone()));
        listing(&entries.collect::<Vec<_>>(), 0)
    };
    let (scenarios, sweeps) = (list(library::all()), list(library::sweeps()));
    output::result(&format!("{scenarios}\nSweeps (for `apfsim sweep`):\n{sweeps}"))?;
    Ok(Outcome::Fine)
}
