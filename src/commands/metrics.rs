//! `apfsim metrics`: what results name, and what it means.

use crate::cli::{Format, MetricsArgs};
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::output;

pub(super) fn execute(args: &MetricsArgs) -> Result<Outcome, CliError> {
    output::result(&match args.format {
        Format::Table => reports::metrics::table(),
        Format::Json => reports::metrics::object(),
    })?;
    Ok(Outcome::Fine)
}
