//! `apfsim metrics`: what results name, and what it means.

use reports::metrics::MetricList;

use super::common::print;
use crate::cli::MetricsArgs;
use crate::error::CliError;
use crate::outcome::Outcome;

pub(super) fn execute(args: &MetricsArgs) -> Result<Outcome, CliError> {
    print(&MetricList, args.format)?;
    Ok(Outcome::Fine)
}
