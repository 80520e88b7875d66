//! `apfsim fuzz`: random scenarios in every way.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use reports::fuzz::Fuzzed;
use scenarios::experiments::fuzz::{Against, FuzzFailure, FuzzOptions, fuzz, scenario_text};
use scenarios::{FolderLock, write_file};

use super::common::print;
use crate::cli::FuzzArgs;
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::output;
use crate::progress::Counter;

pub(super) fn execute(args: &FuzzArgs) -> Result<Outcome, CliError> {
    if let Some(seed) = args.print {
        output::result(&scenario_text(seed))?;
        return Ok(Outcome::Fine);
    }
    let options = options(args)?;
    let stop = on_interrupt()?;
    let total = args.minutes.is_none().then(|| options.seeds.end - options.seeds.start);
    let counter = Counter::new("fuzz", total, args.quiet);
    let mut broken = None;
    let begun = Instant::now();
    let report = fuzz(
        &options,
        &stop,
        &mut |failure| match write(&args.out, failure) {
            Ok(path) if !args.quiet => counter.note(&format!("wrote {path}")),
            Ok(_) => {}
            Err(error) => {
                broken.get_or_insert(error);
                stop.store(true, Ordering::Relaxed);
            }
        },
        &|done| counter.update(done),
    );
    drop(counter);
    if let Some(error) = broken {
        return Err(error);
    }
    if !args.quiet {
        output::note(&format!("{:.1} s", begun.elapsed().as_secs_f64()));
    }
    print(&Fuzzed { report: &report, options: &options }, args.format)?;
    Ok(if report.failures.is_empty() { Outcome::Fine } else { Outcome::Violation })
}

fn options(args: &FuzzArgs) -> Result<FuzzOptions, CliError> {
    if args.seeds.end == u64::MAX && args.minutes.is_none() {
        let message = "seeds without an end need `--minutes`, or `--seeds A..B`";
        return Err(CliError::Fuzz(message.to_owned()));
    }
    let against = args
        .against
        .as_ref()
        .map(|program| Against { program: program.clone(), percent: args.share.into() });
    if let Some(other) = &against
        && !other.program.is_file()
    {
        let message = format!("there is no program `{}`", other.program.display());
        return Err(CliError::Fuzz(message));
    }
    Ok(FuzzOptions {
        seeds: args.seeds.clone(),
        time: args.minutes.map(|minutes| Duration::from_secs(minutes.saturating_mul(60))),
        jobs: args.jobs.map_or(0, usize::from),
        against,
        events: args.events,
        ..FuzzOptions::default()
    })
}

/// Set when the user wants an end. What was found is told then, too.
fn on_interrupt() -> Result<Arc<AtomicBool>, CliError> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let asked = OnceLock::new();
    ctrlc::set_handler(move || {
        flag.store(true, Ordering::Relaxed);
        // Whoever asks again does not want to wait; a group of processes is told twice at once.
        if asked.get_or_init(Instant::now).elapsed() > Duration::from_secs(1) {
            std::process::exit(130);
        }
    })
    .map_err(|error| CliError::Fuzz(format!("cannot listen for interrupts: {error}")))?;
    Ok(stop)
}

fn write(folder: &Path, failure: &FuzzFailure) -> Result<String, CliError> {
    let path = folder.join(failure.file_name());
    let _held = FolderLock::hold(None, &[&path])?;
    let text = failure.text.as_bytes();
    let written = fs::create_dir_all(folder).and_then(|()| write_file(&path, text));
    let shown = path.display().to_string();
    match written {
        Ok(()) => Ok(shown),
        Err(error) => Err(CliError::Fuzz(format!(
            "cannot write `{shown}`: {error}\n  help: seed {} fails ({}); name a folder with `--out`",
            failure.seed, failure.failure.kind
        ))),
    }
}
