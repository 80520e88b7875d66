//! `apfsim sweep`: policies at many points.

use scenarios::{ScenarioOverrides, Sweep, SweepOverrides, run_sweep};

use super::{Outcome, simulate};
use crate::cli::{SweepArgs, SweepFormat};
use crate::error::CliError;
use crate::output;
use crate::progress::Display;

pub(super) fn execute(args: &SweepArgs) -> Result<Outcome, CliError> {
    let overrides = SweepOverrides {
        axes: args.axes.clone(),
        set: args.set.clone(),
        metrics: args.metrics.clone(),
        scenario: ScenarioOverrides {
            policies: args.policies.clone(),
            seed: args.run.seed,
            replications: args.replications,
        },
    };
    let sweep = Sweep::load(&args.scenario, &overrides)?;
    let display = Display::new(&sweep.name, args.run.quiet);
    let options = simulate::options(&args.run);
    let result = run_sweep(&sweep, &options, &|progress| display.update(&progress))?;
    drop(display);

    if let Some(folder) = &args.run.out {
        let files = reports::sweep::write_all(folder, &result)?;
        if !args.run.quiet {
            for file in files {
                output::note(&format!("wrote {}", file.display()));
            }
        }
    }
    output::result(&match args.run.format {
        SweepFormat::Table => reports::sweep::table(&result),
        SweepFormat::Csv => reports::sweep::csv(&result),
        SweepFormat::Jsonl => reports::sweep::jsonl(&result),
    })?;
    Ok(if result.has_violation() { Outcome::Violation } else { Outcome::Fine })
}
