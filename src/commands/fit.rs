//! `apfsim fit`: measurements of a block device as a swap device, faults of a log as a list of pages.

use std::path::Path;

use reports::formats::FORMATS;
use scenarios::{
    DeviceFitOptions, DeviceFitReport, FolderLock, PageOrder, PagesOptions, PagesReport,
    fit_device, pages_of_log,
};

use super::common::{not_lost, print, tell, write};
use crate::cli::{FitCommand, FitDeviceArgs, FitPagesArgs, ListOrder};
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::output;

pub(super) fn execute(command: &FitCommand) -> Result<Outcome, CliError> {
    match command {
        FitCommand::Device(args) => device(args),
        FitCommand::Pages(args) => pages(args),
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

fn pages(args: &FitPagesArgs) -> Result<Outcome, CliError> {
    let options = PagesOptions {
        region: args.region.clone(),
        hole: args.hole,
        start: args.start,
        size: args.size,
        until: args.until,
        order: match args.order {
            ListOrder::Recorded => PageOrder::Recorded,
            ListOrder::Address => PageOrder::Address,
        },
    };
    let files: Vec<&Path> =
        [&args.output, &args.trace].into_iter().flatten().map(Path::new).collect();
    for &file in &files {
        not_lost(Some(file), args.overwrite)?;
    }
    let _held = FolderLock::hold(args.out.as_deref(), &files)?;
    let report = pages_of_log(&args.log, &options)?;
    let written = keep_pages(args, &report);
    print(&report, args.format)?;
    let kept = written?;
    if !kept && args.format.name() == FORMATS[0].name() && !args.quiet {
        output::note(
            "the list is not kept: -o FILE writes it, and a handler's `prefetch` names that file",
        );
    }
    Ok(Outcome::Fine)
}

/// Writes what is asked for. Says whether anything is kept.
fn keep_pages(args: &FitPagesArgs, report: &PagesReport) -> Result<bool, CliError> {
    let mut written = Vec::new();
    for (file, text) in [(&args.output, &report.list), (&args.trace, &report.trace)] {
        if let Some(file) = file {
            write(file, text)?;
            written.push(file.clone());
        }
    }
    if let Some(folder) = &args.out {
        written.extend(reports::write_all(folder, report)?);
    }
    tell(&written, args.quiet);
    Ok(!written.is_empty())
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
