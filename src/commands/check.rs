//! `apfsim check`: a real kernel's log held against the invariants.

use scenarios::{CheckOptions, check_path};

use super::Outcome;
use crate::cli::{CheckArgs, Format};
use crate::error::CliError;
use crate::output;

pub(super) fn execute(args: &CheckArgs) -> Result<Outcome, CliError> {
    let options = CheckOptions { rules: args.rules.clone() };
    let report = check_path(&args.log, &options)?;
    if let Some(folder) = &args.out {
        for file in reports::write_check(folder, &report)? {
            if !args.quiet {
                output::note(&format!("wrote {}", file.display()));
            }
        }
    }
    output::result(&match args.format {
        Format::Table => reports::check::table(&report),
        Format::Json => reports::check::object(&report),
    })?;
    Ok(if report.is_violated() { Outcome::Violation } else { Outcome::Fine })
}
