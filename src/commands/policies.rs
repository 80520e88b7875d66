//! `apfsim policies`: what scenarios can compare.

use models::policy;

use super::Outcome;
use crate::error::CliError;
use crate::output;

pub(super) fn execute() -> Result<Outcome, CliError> {
    let lines: String = policy::policies()
        .iter()
        .map(|(name, meaning)| format!("{name:<12}  {meaning}\n"))
        .collect();
    output::result(&lines)?;
    Ok(Outcome::Fine)
}
