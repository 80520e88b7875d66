//! `apfsim fit device`: measurements of a block device as a swap device.

use std::path::Path;

use reports::formats::FORMATS;
use scenarios::{DeviceFitOptions, DeviceFitReport, FolderLock, fit_device};

use super::common::{not_lost, print, tell, write};
use crate::cli::{FitCommand, FitDeviceArgs};
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::output;

pub(super) fn execute(command: &FitCommand) -> Result<Outcome, CliError> {
    match command {
        FitCommand::Device(args) => device(args),
    }
}

fn device(args: &FitDeviceArgs) -> Result<Outcome, CliError> {
    let options = DeviceFitOptions { channels: args.channels, name: args.name.clone() };
    let files: Vec<&Path> = args.output.as_deref().into_iter().collect();
    not_lost(args.output.as_deref(), args.overwrite)?;
    let _held = FolderLock::hold(args.out.as_deref(), &files)?;
    let report = fit_device(&args.files, &options)?;
    let written = keep(args, &report);
    print(&report, args.format)?;
    // After the result, which is worth having when the disk is full.
    let kept = written?;
    if !kept && args.format.name() == FORMATS[0].name() && !args.quiet {
        output::note(
            "the device is not kept: -o FILE.json writes it, and scenarios name that file",
        );
    }
    Ok(Outcome::Fine)
}

/// Writes what is asked for. Says whether the device is kept.
fn keep(args: &FitDeviceArgs, report: &DeviceFitReport) -> Result<bool, CliError> {
    let mut written = Vec::new();
    if let Some(file) = &args.output {
        write(file, &report.preset)?;
        written.push(file.clone());
    }
    if let Some(folder) = &args.out {
        written.extend(reports::write_all(folder, report)?);
    }
    tell(&written, args.quiet);
    Ok(!written.is_empty())
}
