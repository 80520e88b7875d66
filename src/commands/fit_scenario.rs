//! `apfsim fit-scenario`: a real host's log as a scenario.

use std::path::{Path, PathBuf};

use reports::ReportError;
use reports::formats::FORMATS;
use scenarios::{FitOptions, FitReport, FolderLock, fit_path};

use super::common::{not_lost, print, tell};
use crate::cli::FitArgs;
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::output;

pub(super) fn execute(args: &FitArgs) -> Result<Outcome, CliError> {
    let options = FitOptions {
        policy: args.policy.clone(),
        cpu: args.cpu.clone(),
        device: args.device.clone(),
        faulters: args.faulters,
        workers: args.workers,
        touch: args.touch,
        seed: args.seed,
        run: !args.no_run,
    };
    let files: Vec<&Path> = args.output.as_deref().into_iter().collect();
    not_lost(args.output.as_deref(), args.overwrite)?;
    let _held = FolderLock::hold(args.out.as_deref(), &files)?;
    let report = fit_path(&args.log, &options)?;
    let written = write(args, &report);
    print(&report, args.format)?;
    // After the result, which is worth having when the disk is full.
    let written = written?;
    tell(&written, args.quiet);
    if written.is_empty() && args.format.name() == FORMATS[0].name() && !args.quiet {
        output::note("the scenario is not kept: -o FILE writes it");
    }
    Ok(Outcome::Fine)
}

fn write(args: &FitArgs, report: &FitReport) -> Result<Vec<PathBuf>, ReportError> {
    let mut written = Vec::new();
    if let Some(file) = &args.output {
        written.push(reports::write_scenario(file, report)?);
    }
    if let Some(folder) = &args.out {
        written.extend(reports::write_all(folder, report)?);
    }
    Ok(written)
}
