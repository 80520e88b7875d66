//! `apfsim invariants`: what the protocol promises.

use models::monitors::{CATALOGUE, Invariant, InvariantId};
use reports::invariants::{Catalogue, Promise};

use super::common::print;
use crate::cli::InvariantsArgs;
use crate::error::CliError;
use crate::outcome::Outcome;

pub(super) fn execute(args: &InvariantsArgs) -> Result<Outcome, CliError> {
    match &args.id {
        None => print(&Catalogue, args.format)?,
        Some(id) => print(&Promise(known(id)?), args.format)?,
    }
    Ok(Outcome::Fine)
}

/// The invariant meant: `INV-13`, `inv-13` or `13`.
fn known(text: &str) -> Result<&'static Invariant, CliError> {
    let upper = text.to_ascii_uppercase();
    let number = upper.strip_prefix("INV-").unwrap_or(&upper).parse().ok();
    number.and_then(|number| Invariant::find(InvariantId(number))).ok_or_else(|| {
        let ends = [CATALOGUE.first(), CATALOGUE.last()].map(|it| it.map(|it| it.id.to_string()));
        let [first, last] = ends.map(Option::unwrap_or_default);
        let help = format!("`{first}` to `{last}`; `apfsim invariants` lists them");
        CliError::Invariant { name: text.to_owned(), help }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_however_they_are_written() {
        for text in ["INV-07", "inv-07", "7"] {
            assert_eq!(known(text).map(|line| line.id).ok(), Some(InvariantId(7)), "{text}");
        }
        assert!(known("INV-99").is_err() && known("seven").is_err());
    }
}
