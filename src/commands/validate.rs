//! `apfsim validate`: published experiments beside what is simulated.

use reports::validation::{ExperimentList, ValidationReport};
use scenarios::RunOptions;
use scenarios::experiments::validate::{Experiment, RowVerdict, Verdict, library, run_experiments};

use super::common::print;
use crate::cli::ValidateArgs;
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::progress::Display;

pub(super) fn execute(args: &ValidateArgs) -> Result<Outcome, CliError> {
    let names: Vec<&str> = match args.names.is_empty() {
        true => library::all().iter().map(|entry| entry.name).collect(),
        false => args.names.iter().map(String::as_str).collect(),
    };
    let experiments = names.into_iter().map(Experiment::load).collect::<Result<Vec<_>, _>>()?;
    if args.list {
        print(&ExperimentList { experiments: &experiments }, args.format)?;
        return Ok(Outcome::Fine);
    }
    let options = RunOptions { jobs: args.jobs.map_or(0, usize::from), ..RunOptions::default() };
    let display = Display::new("validate", args.quiet);
    let results = run_experiments(experiments, &options, &|progress| display.update(&progress))?;
    drop(display);
    print(&ValidationReport { results: &results }, args.format)?;
    let broken = results.iter().any(|result| !result.violations.is_empty());
    let missed = || {
        let mut rows = results.iter().flat_map(|result| &result.rows);
        rows.any(|row| row.verdict() == RowVerdict::Outside)
            || results.iter().any(|result| result.verdict() == Verdict::Outside)
    };
    match broken || (args.strict && missed()) {
        true => Ok(Outcome::Violation),
        false => Ok(Outcome::Fine),
    }
}
