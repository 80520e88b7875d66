//! `apfsim schema`: the JSON Schema of scenario files.

use super::Outcome;
use crate::error::CliError;
use crate::output;

pub(super) fn execute() -> Result<Outcome, CliError> {
    let schema = scenarios::schema_json();
    output::result(&format!("{}\n", schema.trim_end()))?;
    Ok(Outcome::Fine)
}
