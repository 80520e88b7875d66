//! `apfsim policies`: what scenarios can compare.

use models::policy;

use super::Outcome;
use crate::error::CliError;
use crate::output;

pub(super) fn execute() -> Result<Outcome, CliError> {
    let names: String = policy::policy_names().iter().map(|name| format!("{name}\n")).collect();
    output::result(&names)?;
    Ok(Outcome::Fine)
}
