//! `apfsim show`: the text of a scenario or sweep, comments included.

use scenarios::Scenario;
use scenarios::scenario::library;

use crate::cli::ShowArgs;
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::output;

pub(super) fn execute(args: &ShowArgs) -> Result<Outcome, CliError> {
    match library::find(&args.name).or_else(|| library::find_sweep(&args.name)) {
        Some(entry) => output::result(entry.text)?,
        // A path of a valid file does as well; anything else has its error from here.
        None => output::result(&Scenario::load(&args.name)?.text)?,
    }
    Ok(Outcome::Fine)
}
