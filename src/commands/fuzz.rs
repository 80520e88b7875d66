//! `apfsim fuzz`: random scenarios in every way.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use scenarios::experiments::fuzz::{
    Against, FailureKind, FuzzFailure, FuzzOptions, FuzzReport, fuzz, scenario_text,
};
use scenarios::{FolderLock, write_file};
use serde_json::{Value, json};

use crate::cli::{Format, FuzzArgs};
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
    output::result(&match args.format {
        Format::Table => table(&report, &options),
        Format::Json => format!("{:#}\n", object(&report, &options)),
    })?;
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

fn of_kind(report: &FuzzReport, kind: FailureKind) -> usize {
    report.failures.iter().filter(|failure| failure.failure.kind == kind).count()
}

/// Counts, then failures.
fn table(report: &FuzzReport, options: &FuzzOptions) -> String {
    let FuzzReport { scenarios, refused, stopped, too_long, runs, cut, against, .. } = report;
    let mut text = format!("seeds {} to {}\n", options.seeds.start, report.next.saturating_sub(1));
    let mut line = |count: u64, what: &str| text.push_str(&format!("{count:>9}  {what}\n"));
    line(*scenarios, "scenarios");
    line(*runs, "runs of each way");
    if options.against.is_some() {
        line(*against, "scenarios given to the other program");
    }
    line(*refused, "refused, with place and help");
    line(*stopped, "stopped by the same error in all ways");
    line(*too_long, "left out, as their prefill alone takes too many events");
    line(*cut, "runs whose end was not followed to the bound of liveness");
    for kind in FailureKind::ALL {
        line(of_kind(report, kind) as u64, &format!("{kind}: {}", kind.describes()));
    }
    if !report.reasons.is_empty() {
        text.push_str("\nrefused or stopped:\n");
        for (reason, (count, seed)) in &report.reasons {
            text.push_str(&format!("{count:>9}  (first by seed {seed}) {reason}\n"));
        }
    }
    for failure in &report.failures {
        let first = failure.failure.message.lines().next().unwrap_or_default();
        text.push_str(&format!("\n{}\n  {first}\n", failure.file_name()));
    }
    if report.ended_early {
        text.push_str(&format!("\nended early; the next seed is {}\n", report.next));
    }
    text
}

fn object(report: &FuzzReport, options: &FuzzOptions) -> Value {
    let kinds = FailureKind::ALL.iter().map(|&kind| (kind.name(), of_kind(report, kind)));
    let reason = |(reason, (count, seed)): (&String, &(u64, u64))| json!({ "reason": reason, "count": count, "first_seed": seed });
    let failures = report.failures.iter().map(|failure| {
        json!({
            "seed": failure.seed,
            "kind": failure.failure.kind,
            "message": failure.failure.message,
            "file": failure.file_name(),
            "tries": failure.tries,
        })
    });
    json!({
        "first_seed": options.seeds.start,
        "next_seed": report.next,
        "ended_early": report.ended_early,
        "scenarios": report.scenarios,
        "runs": report.runs,
        "against": report.against,
        "refused": report.refused,
        "stopped": report.stopped,
        "left_out": report.too_long,
        "cut_afterwards": report.cut,
        "reasons": report.reasons.iter().map(reason).collect::<Vec<_>>(),
        "failed": kinds.collect::<std::collections::BTreeMap<_, _>>(),
        "failures": failures.collect::<Vec<_>>(),
    })
}
