//! `apfsim fit`: measurements of a block device as a swap device, faults of a log as a list of pages.

use std::path::{Path, PathBuf};

use reports::Report;
use reports::formats::FORMATS;
use scenarios::{
    DeviceFitOptions, FolderLock, PageOrder, PagesError, PagesOptions, fit_device, pages_of_log,
};

use super::common::{not_lost, print, tell, write};
use crate::cli::{FitCommand, FitDeviceArgs, FitPagesArgs, Format, ListOrder};
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
    let kept = Kept {
        files: vec![args.output.as_deref()],
        out: args.out.as_deref(),
        overwrite: args.overwrite,
        format: args.format,
        quiet: args.quiet,
        unless: "the device is not kept: -o FILE.json writes it, and scenarios name that file",
    };
    let _held = kept.hold()?;
    let report = fit_device(&args.files, &options)?;
    kept.finish(&report, &[&report.preset])
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
    if args.output.is_some() && args.output == args.trace {
        let help = "a file for the list, and another one for the touches".into();
        return Err(PagesError::Option { option: "--trace", help }.into());
    }
    let kept = Kept {
        files: vec![args.output.as_deref(), args.trace.as_deref()],
        out: args.out.as_deref(),
        overwrite: args.overwrite,
        format: args.format,
        quiet: args.quiet,
        unless: "the list is not kept: -o FILE writes it, and a handler's `prefetch` names that file",
    };
    let _held = kept.hold()?;
    let report = pages_of_log(&args.log, &options)?;
    kept.finish(&report, &[&report.list, &report.trace])
}

/// Where a fit is kept.
struct Kept<'a> {
    /// A file for each text that the fit has.
    files: Vec<Option<&'a Path>>,
    out: Option<&'a Path>,
    overwrite: bool,
    format: Format,
    quiet: bool,
    /// What is said where it is not kept.
    unless: &'static str,
}

impl Kept<'_> {
    /// Refuses files that are there, and keeps others out of the folder meanwhile.
    fn hold(&self) -> Result<FolderLock, CliError> {
        let files: Vec<&Path> = self.files.iter().copied().flatten().collect();
        for &file in &files {
            not_lost(Some(file), self.overwrite)?;
        }
        Ok(FolderLock::hold(self.out, &files)?)
    }

    fn finish(&self, report: &dyn Report, texts: &[&str]) -> Result<Outcome, CliError> {
        let written = self.write(report, texts);
        print(report, self.format)?;
        // After the result, which is worth having when the disk is full.
        let written = written?;
        tell(&written, self.quiet);
        if written.is_empty() && self.format.name() == FORMATS[0].name() && !self.quiet {
            output::note(self.unless);
        }
        Ok(Outcome::Fine)
    }

    fn write(&self, report: &dyn Report, texts: &[&str]) -> Result<Vec<PathBuf>, CliError> {
        let mut written = Vec::new();
        for (file, text) in self.files.iter().zip(texts) {
            if let Some(file) = file {
                write(file, text)?;
                written.push(file.to_path_buf());
            }
        }
        if let Some(folder) = self.out {
            written.extend(reports::write_all(folder, report)?);
        }
        Ok(written)
    }
}
