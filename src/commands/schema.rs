//! `apfsim schema`: the JSON Schema of scenario files and of sweep files.

use crate::cli::SchemaArgs;
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::output;

pub(super) fn execute(args: &SchemaArgs) -> Result<Outcome, CliError> {
    let schema = if args.sweep { scenarios::sweep_schema_json() } else { scenarios::schema_json() };
    output::result(&format!("{}\n", schema.trim_end()))?;
    Ok(Outcome::Fine)
}
