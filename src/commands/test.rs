//! `apfsim test`: scenarios that say what they expect, and whether it came so.

use std::path::Path;

use reports::junit;
use reports::suite::SuiteReport;
use scenarios::experiments::suite::{CaseResult, Suite};
use scenarios::{FolderLock, RunOptions};

use super::common::{print, write};
use crate::cli::TestArgs;
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::progress::Display;

pub(super) fn execute(args: &TestArgs) -> Result<Outcome, CliError> {
    let suite = Suite::find(&args.places)?;
    let files: Vec<&Path> = args.junit.as_deref().into_iter().collect();
    let _held = FolderLock::hold(None, &files)?;
    let options = RunOptions { jobs: args.jobs.map_or(0, usize::from), ..RunOptions::default() };
    let display = Display::new("test", args.quiet);
    let results = suite.run(&options, &|progress| display.update(&progress))?;
    drop(display);
    let written = args.junit.as_ref().map(|path| write(path, &junit::document(&results)));
    print(&SuiteReport { results: &results, quiet: args.quiet }, args.format)?;
    // After the results, which are worth having.
    written.transpose()?;
    let errors: Vec<String> = results.iter().filter_map(CaseResult::error).collect();
    match errors.len() {
        0 if results.iter().any(CaseResult::has_failed) => Ok(Outcome::Violation),
        0 => Ok(Outcome::Fine),
        files => Err(CliError::Suite { files, errors: errors.join("\n") }),
    }
}
