//! `apfsim schema`: the JSON Schema of scenario files, of sweep files and of files of published experiments.

use crate::cli::SchemaArgs;
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::output;

pub(super) fn execute(args: &SchemaArgs) -> Result<Outcome, CliError> {
    let schema = match (args.sweep, args.validation) {
        (true, _) => scenarios::sweep_schema_json(),
        (_, true) => scenarios::experiment_schema_json(),
        _ => scenarios::schema_json(),
    };
    output::result(&format!("{}\n", schema.trim_end()))?;
    Ok(Outcome::Fine)
}
