//! `apfsim sweep`: policies at many points.

use scenarios::{FolderLock, ScenarioOverrides, Sweep, SweepOverrides, run_sweep};

use super::common::publish;
use super::simulate;
use crate::cli::SweepArgs;
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::progress::Display;

pub(super) fn execute(args: &SweepArgs) -> Result<Outcome, CliError> {
    let overrides = SweepOverrides {
        axes: args.axes.clone(),
        set: args.change.settings(),
        metrics: args.metrics.clone(),
        scenario: ScenarioOverrides {
            policies: args.policies.clone(),
            seed: args.run.seed,
            replications: args.replications,
        },
    };
    let sweep = Sweep::load(&args.scenario, &overrides)?;
    let _held = FolderLock::hold(args.run.out.as_deref(), &[])?;
    let display = Display::new(&sweep.name, args.run.quiet);
    let options = simulate::options(&args.run);
    let result = run_sweep(&sweep, &options, &|progress| display.update(&progress))?;
    drop(display);

    publish(&result, args.run.format, args.run.out.as_deref(), args.run.quiet)?;
    Ok(if result.has_violation() { Outcome::Violation } else { Outcome::Fine })
}
