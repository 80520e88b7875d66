//! What the commands do, one file a command.

mod anatomy;
mod check;
mod common;
mod compare;
mod completions;
mod crossover;
mod diff;
mod explore;
mod fit;
mod fit_scenario;
mod fuzz;
mod invariants;
mod man;
mod metrics;
mod new;
mod policies;
mod presets;
mod report;
mod rules;
mod run;
mod scenarios;
mod schema;
mod show;
mod simulate;
mod sweep;
mod test;
mod validate;
mod why;
mod zoo;

use crate::cli::{Cli, Command};
use crate::error::CliError;
use crate::outcome::Outcome;

/// Carries out what was typed.
pub(crate) fn execute(cli: &Cli) -> Result<Outcome, CliError> {
    match &cli.command {
        Command::Check(args) => check::execute(args),
        Command::Fit(command) => fit::execute(command),
        Command::FitScenario(args) => fit_scenario::execute(args),
        Command::Fuzz(args) => fuzz::execute(args),
        Command::Completions(args) => completions::execute(args),
        Command::Man(args) => man::execute(args),
        Command::Compare(args) => compare::execute(args),
        Command::New(args) => new::execute(args),
        Command::Run(args) => run::execute(args),
        Command::Test(args) => test::execute(args),
        Command::Validate(args) => validate::execute(args),
        Command::Sweep(args) => sweep::execute(args),
        Command::Crossover(args) => crossover::execute(args),
        Command::Anatomy(args) => anatomy::execute(args),
        Command::Diff(args) => diff::execute(args),
        Command::Why(args) => why::execute(args),
        Command::Report(args) => report::execute(args),
        Command::Scenarios => scenarios::execute(),
        Command::Show(args) => show::execute(args),
        Command::Schema(args) => schema::execute(args),
        Command::Metrics(args) => metrics::execute(args),
        Command::Policies => policies::execute(),
        Command::Presets(args) => presets::execute(args),
        Command::Rules(args) => rules::execute(args),
        Command::Explore(args) => explore::execute(args),
        Command::Invariants(args) => invariants::execute(args),
        Command::Zoo(args) => zoo::execute(args),
    }
}
