//! `apfsim policies`: what scenarios can compare.

use models::presets::policies;
use reports::page::{Page, Piece};

use crate::error::CliError;
use crate::outcome::Outcome;
use crate::output;

pub(super) fn execute() -> Result<Outcome, CliError> {
    let entries: Vec<(String, String)> =
        policies::policies().iter().map(|&(name, says)| (name.into(), says.into())).collect();
    output::result(&Page::of([vec![Piece::Listing(entries, 0)]]).plain())?;
    Ok(Outcome::Fine)
}
