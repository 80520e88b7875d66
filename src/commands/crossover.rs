//! `apfsim crossover`: where two policies are equal.

use scenarios::{CrossoverQuestion, FolderLock, find_crossover};

use super::common::publish;
use super::simulate;
use crate::cli::CrossoverArgs;
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::progress::Display;

pub(super) fn execute(args: &CrossoverArgs) -> Result<Outcome, CliError> {
    let question = CrossoverQuestion {
        scenario: args.scenario.clone(),
        fields: args.field.clone(),
        from: args.from.clone(),
        to: args.to.clone(),
        policy: args.policy.clone(),
        against: args.against.clone(),
        metric: args.metric.clone(),
        tolerance: args.tolerance,
        set: args.change.settings(),
        seed: args.run.seed,
        replications: args.replications,
    };
    let _held = FolderLock::hold(args.run.out.as_deref(), &[])?;
    simulate::begin_anew(&args.run)?;
    let display = Display::new(&args.scenario, args.run.quiet);
    let options = simulate::options(&args.run);
    let found = find_crossover(&question, &options, &|progress| display.update(&progress))?;
    drop(display);

    publish(&found, args.run.format, args.run.out.as_deref(), args.run.quiet)?;
    Ok(if found.violation { Outcome::Violation } else { Outcome::Fine })
}
