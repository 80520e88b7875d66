//! `apfsim policies`: what scenarios can compare.

use models::presets::policies;
use reports::page::{Page, Piece};

use crate::error::CliError;
use crate::outcome::Outcome;
use crate::output;

pub(super) fn execute() -> Result<Outcome, CliError> {
    let entries: Vec<(String, String)> =
        policies::policies().iter().map(|&(name, says)| (name.into(), says.into())).collect();
    let releases = Piece::Text {
        text:
            "apf-RELEASE and halt-RELEASE, such as apf-6.6 or halt-5.10.200, have the protocol of \
               that kernel release: the last generation before it, with what the release has of later \
               ones. The result says which."
                .into(),
        first: 0,
        further: 0,
    };
    output::result(&Page::of([vec![Piece::Listing(entries, 0)], vec![releases]]).plain())?;
    Ok(Outcome::Fine)
}
