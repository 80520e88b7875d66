//! `apfsim crossover`: where two policies are equal.

use scenarios::{CrossoverQuestion, find_crossover};

use super::{Outcome, simulate};
use crate::cli::{CrossoverArgs, Format};
use crate::error::CliError;
use crate::output;
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
        set: args.set.clone(),
        seed: args.run.seed,
        replications: args.replications,
    };
    let display = Display::new(&args.scenario, args.run.quiet);
    let options = simulate::options(&args.run);
    let found = find_crossover(&question, &options, &|progress| display.update(&progress))?;
    drop(display);

    if let Some(folder) = &args.run.out {
        let files = reports::crossover::write_all(folder, &found)?;
        if !args.run.quiet {
            for file in files {
                output::note(&format!("wrote {}", file.display()));
            }
        }
    }
    output::result(&match args.run.format {
        Format::Table => reports::crossover::table(&found),
        Format::Json => reports::crossover::object(&found),
    })?;
    Ok(if found.violation { Outcome::Violation } else { Outcome::Fine })
}
