//! `apfsim check`: a real kernel's log held against the invariants.

use scenarios::{CheckOptions, FolderLock, check_path};

use super::common::publish;
use crate::cli::CheckArgs;
use crate::error::CliError;
use crate::outcome::Outcome;

pub(super) fn execute(args: &CheckArgs) -> Result<Outcome, CliError> {
    let options = CheckOptions { rules: args.rules.clone() };
    let _held = FolderLock::hold(args.out.as_deref(), &[])?;
    let report = check_path(&args.log, &options)?;
    publish(&report, args.format, args.out.as_deref(), args.quiet)?;
    Ok(if report.is_violated() || report.has_stalls() { Outcome::Violation } else { Outcome::Fine })
}
