//! What `compare` and `run` share: run, write, print, judge.

use std::path::Path;

use clap::ValueEnum;
use scenarios::{Comparison, FolderLock, RunOptions, Scenario, run_comparison};

use super::common::tell;
use crate::cli::{Format, RunningArgs};
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::output;
use crate::progress::Display;

/// Runs a scenario and prints the result, as a table by means of `table`.
pub(super) fn execute(
    scenario: &Scenario,
    args: &RunningArgs,
    trace: Option<&Path>,
    table: fn(&Comparison) -> String,
) -> Result<Outcome, CliError> {
    let files: Vec<&Path> = trace.into_iter().collect();
    let _held = FolderLock::hold(args.out.as_deref(), &files)?;
    let options = RunOptions { trace: trace.map(Path::to_owned), ..options(args) };
    let display = Display::new(&scenario.name, args.quiet);
    let comparison = run_comparison(scenario, &options, &|progress| display.update(&progress))?;
    drop(display);

    let written = args.out.as_ref().map(|folder| reports::write_all(folder, &comparison));
    output::result(&match args.format {
        Format::Table => table(&comparison),
        Format::Json => reports::json::object(&comparison),
    })?;
    // After the result, which is worth having when the disk is full.
    tell(&written.transpose()?.unwrap_or_default(), args.quiet);
    Ok(if comparison.has_violation() { Outcome::Violation } else { Outcome::Fine })
}

/// What a command line says of running.
pub(super) fn options<F>(args: &RunningArgs<F>) -> RunOptions
where
    F: ValueEnum + Default + Send + Sync + 'static,
{
    RunOptions {
        jobs: args.jobs.map_or(0, usize::from),
        queue: args.queue,
        skip: !args.no_skip,
        out: args.out.clone(),
        trace: None,
    }
}
