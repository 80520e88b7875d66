//! `apfsim report`: the page of a folder of results, made again.

use std::slice;

use scenarios::FolderLock;

use super::common::tell;
use crate::cli::ReportArgs;
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::output;

pub(super) fn execute(args: &ReportArgs) -> Result<Outcome, CliError> {
    let page = args.folder.join(reports::html::PAGE);
    let _held = FolderLock::hold(None, &[&page])?;
    let (written, left_out) = reports::html::write_page(&args.folder)?;
    for what in left_out.iter().filter(|_| !args.quiet) {
        output::note(&format!("note: {what}"));
    }
    tell(slice::from_ref(&written), args.quiet);
    Ok(Outcome::Fine)
}
