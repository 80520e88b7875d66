//! `apfsim sweep`: policies at many points.

use scenarios::{FolderLock, ScenarioOverrides, Sweep, SweepOverrides, run_sweep};

use super::common::tell;
use super::simulate;
use crate::cli::{SweepArgs, SweepFormat};
use crate::error::CliError;
use crate::outcome::Outcome;
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
    let _held = FolderLock::hold(args.run.out.as_deref(), &[])?;
    let display = Display::new(&sweep.name, args.run.quiet);
    let options = simulate::options(&args.run);
    let result = run_sweep(&sweep, &options, &|progress| display.update(&progress))?;
    drop(display);

    let written = args.run.out.as_ref().map(|it| reports::sweep::write_all(it, &result));
    output::result(&match args.run.format {
        SweepFormat::Table => reports::sweep::table(&result),
        SweepFormat::Csv => reports::sweep::csv(&result),
        SweepFormat::Jsonl => reports::sweep::jsonl(&result),
    })?;
    // After the result, which is worth having when the disk is full.
    tell(&written.transpose()?.unwrap_or_default(), args.run.quiet);
    Ok(if result.has_violation() { Outcome::Violation } else { Outcome::Fine })
}
