//! What `compare` and `run` share: run, write, print, judge.

use std::path::Path;

use reports::Compared;
use scenarios::{Comparison, FolderLock, RunOptions, Scenario, ScenarioOverrides, run_comparison};

use super::common::{print, tell};
use crate::cli::RunningArgs;
use crate::effort;
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::output;
use crate::progress::Display;

/// Runs a scenario and prints the result as `report` has it.
pub(super) fn execute(
    scenario: &Scenario,
    (overrides, args): (&ScenarioOverrides, &RunningArgs),
    trace: Option<&Path>,
    report: fn(&Comparison) -> Compared<'_>,
) -> Result<Outcome, CliError> {
    let files: Vec<&Path> = trace.into_iter().collect();
    let _held = FolderLock::hold(args.out.as_deref(), &files)?;
    begin_anew(args)?;
    for line in scenario.left_out.iter().filter(|_| !args.quiet) {
        output::note(&format!(
            "left out, as its policy is not among those chosen: expect \"{line}\""
        ));
    }
    effort::warn(scenario, args);
    let options = RunOptions { trace: trace.map(Path::to_owned), ..options(args) };
    let display = Display::new(&scenario.name, args.quiet);
    let comparison = run_comparison(scenario, &options, &|progress| display.update(&progress))?;
    drop(display);

    let kept = args.out.as_deref().map(|folder| -> Result<_, CliError> {
        let scenario = scenario.as_run(overrides)?;
        Ok(reports::keep(folder, &Compared::kept(&comparison), &scenario)?)
    });
    print(&report(&comparison), args.format)?;
    // After the result, which is worth having when the disk is full.
    tell(&kept.transpose()?.unwrap_or_default(), args.quiet);
    Ok(if comparison.has_violation() { Outcome::Violation } else { Outcome::Fine })
}

/// Removes kept runs and earlier results where that is asked for. The folder is held.
pub(super) fn begin_anew(args: &RunningArgs) -> Result<(), CliError> {
    match &args.out {
        Some(folder) if args.overwrite => Ok(reports::start_over(folder)?),
        _ => Ok(()),
    }
}

/// What a command line says of running.
pub(super) fn options(args: &RunningArgs) -> RunOptions {
    RunOptions {
        jobs: args.jobs.map_or(0, usize::from),
        queue: args.queue,
        skip: !args.no_skip,
        out: args.out.clone(),
        trace: None,
        stop: None,
        within: Display::is_seen(args.quiet),
    }
}
