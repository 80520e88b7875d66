//! `apfsim check`: a real kernel's log held against the invariants.

use scenarios::{CheckOptions, FolderLock, check_path};

use super::common::tell;
use crate::cli::{CheckArgs, Format};
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::output;

pub(super) fn execute(args: &CheckArgs) -> Result<Outcome, CliError> {
    let options = CheckOptions { rules: args.rules.clone() };
    let _held = FolderLock::hold(args.out.as_deref(), &[])?;
    let report = check_path(&args.log, &options)?;
    let written = args.out.as_ref().map(|folder| reports::write_check(folder, &report));
    output::result(&match args.format {
        Format::Table => reports::check::table(&report),
        Format::Json => reports::check::object(&report),
    })?;
    // After the result, which is worth having when the disk is full.
    tell(&written.transpose()?.unwrap_or_default(), args.quiet);
    Ok(if report.is_violated() || report.has_stalls() { Outcome::Violation } else { Outcome::Fine })
}
