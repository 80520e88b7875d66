//! `apfsim fit-scenario`: a real host's log as a scenario.

use scenarios::{FitOptions, fit_path};

use super::Outcome;
use crate::cli::{FitArgs, Format};
use crate::error::CliError;
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
    let report = fit_path(&args.log, &options)?;
    let mut written = Vec::new();
    if let Some(file) = &args.output {
        written.push(reports::write_scenario(file, &report)?);
    }
    if let Some(folder) = &args.out {
        written.extend(reports::write_fit(folder, &report)?);
    }
    if !args.quiet {
        for file in &written {
            output::note(&format!("wrote {}", file.display()));
        }
        if written.is_empty() && args.format == Format::Table {
            output::note("the scenario is not kept: -o FILE writes it");
        }
    }
    output::result(&match args.format {
        Format::Table => reports::fit::table(&report),
        Format::Json => reports::fit::object(&report),
    })?;
    Ok(Outcome::Fine)
}
