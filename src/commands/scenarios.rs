//! `apfsim scenarios`: the library.

use scenarios::library;

use super::{Outcome, listing};
use crate::error::CliError;
use crate::output;

pub(super) fn execute() -> Result<Outcome, CliError> {
    let entries: Vec<_> =
        library::all().iter().map(|entry| (entry.name.to_owned(), entry.title.clone())).collect();
    output::result(&listing(&entries, 0))?;
    Ok(Outcome::Fine)
}
