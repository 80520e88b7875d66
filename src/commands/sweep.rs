//! `apfsim sweep`: policies at many points.

use std::path::Path;

use scenarios::{
    FolderLock, SHARD_FILE, ScenarioOverrides, Screening, Shard, ShardError, Sweep, SweepCommand,
    SweepOverrides, merge_sweep, run_screening, run_sweep, run_sweep_shard,
};

use super::common::{print, publish_of};
use super::simulate;
use crate::cli::{self, MergeArgs, SweepArgs};
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::progress::Display;

pub(super) fn execute(args: &SweepArgs) -> Result<Outcome, CliError> {
    if let Some(cli::SweepCommand::Merge(args)) = &args.command {
        return merge(args);
    }
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
    if let Some(trajectories) = args.sensitivity {
        return screen(args, &overrides, trajectories);
    }
    let command = SweepCommand { scenario: args.scenario.clone().unwrap_or_default(), overrides };
    let sweep = command.load()?;
    let _held = FolderLock::hold(args.run.out.as_deref(), &[])?;
    simulate::begin_anew(&args.run)?;
    // There is no --shard without --out.
    if let (Some(shard), Some(folder)) = (args.shard, &args.run.out) {
        return part(args, &command, &sweep, shard, folder);
    }
    if let Some(folder) = args.run.out.as_deref().filter(|folder| folder.join(SHARD_FILE).exists())
    {
        return Err(CliError::Shard(ShardError::Out { path: folder.to_owned() }));
    }
    let display = Display::new(&sweep.name, args.run.quiet);
    let options = simulate::options(&args.run);
    let result = run_sweep(&sweep, &options, &|progress| display.update(&progress))?;
    drop(display);

    publish_of(
        &result,
        &result.scenario,
        args.run.format,
        args.run.out.as_deref(),
        args.run.quiet,
    )?;
    Ok(outcome(result.has_violation()))
}

/// `--sensitivity`: which axes the result hangs on.
fn screen(
    args: &SweepArgs,
    overrides: &SweepOverrides,
    trajectories: u32,
) -> Result<Outcome, CliError> {
    let name = args.scenario.as_deref().unwrap_or_default();
    let screening = Screening::load(name, overrides, trajectories)?;
    let _held = FolderLock::hold(args.run.out.as_deref(), &[])?;
    simulate::begin_anew(&args.run)?;
    let display = Display::new(&screening.sweep.name, args.run.quiet);
    let options = simulate::options(&args.run);
    let result = run_screening(&screening, &options, &|progress| display.update(&progress))?;
    drop(display);

    publish_of(
        &result,
        &result.sweep.scenario,
        args.run.format,
        args.run.out.as_deref(),
        args.run.quiet,
    )?;
    Ok(outcome(result.sweep.has_violation()))
}

/// `--shard`: a part of the runs.
fn part(
    args: &SweepArgs,
    command: &SweepCommand,
    sweep: &Sweep,
    shard: Shard,
    folder: &Path,
) -> Result<Outcome, CliError> {
    let display = Display::new(&sweep.name, args.run.quiet);
    let options = simulate::options(&args.run);
    let progress = |progress| display.update(&progress);
    let done = run_sweep_shard(command, sweep, shard, folder, &options, &progress)?;
    drop(display);

    print(&done, args.run.format)?;
    Ok(outcome(done.runs.violation))
}

/// `merge`: all parts together.
fn merge(args: &MergeArgs) -> Result<Outcome, CliError> {
    let _held = FolderLock::hold(args.out.as_deref(), &[])?;
    let result = merge_sweep(&args.folders, args.out.as_deref())?;
    publish_of(&result, &result.scenario, args.format, args.out.as_deref(), args.quiet)?;
    Ok(outcome(result.has_violation()))
}

fn outcome(violation: bool) -> Outcome {
    if violation { Outcome::Violation } else { Outcome::Fine }
}
