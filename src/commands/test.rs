//! `apfsim test`: scenarios that say what they expect, and whether it came so.

use std::path::Path;

use scenarios::experiments::judge::Judgement;
use scenarios::experiments::suite::{CaseOutcome, CaseResult, Suite};
use scenarios::{FolderLock, RunOptions};
use serde_json::{Value, json};

use super::common::write;
use super::junit;
use crate::cli::{Format, TestArgs};
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::output;
use crate::progress::Display;

pub(super) fn execute(args: &TestArgs) -> Result<Outcome, CliError> {
    let suite = Suite::find(&args.places)?;
    let files: Vec<&Path> = args.junit.as_deref().into_iter().collect();
    let _held = FolderLock::hold(None, &files)?;
    let options = RunOptions { jobs: args.jobs.map_or(0, usize::from), ..RunOptions::default() };
    let display = Display::new("test", args.quiet);
    let results = suite.run(&options, &|progress| display.update(&progress))?;
    drop(display);
    let written = args.junit.as_ref().map(|path| write(path, &junit::document(&results)));
    output::result(&match args.format {
        Format::Table => table(&results, args.quiet),
        Format::Json => format!("{:#}\n", Value::from_iter(results.iter().map(value))),
    })?;
    // After the results, which are worth having.
    written.transpose()?;
    let errors: Vec<String> = results.iter().filter_map(CaseResult::error).collect();
    match errors.len() {
        0 if results.iter().any(CaseResult::has_failed) => Ok(Outcome::Violation),
        0 => Ok(Outcome::Fine),
        files => Err(CliError::Suite { files, errors: errors.join("\n") }),
    }
}

/// A line a file, and below it what was not met. Quiet, only what was not met is told.
fn table(results: &[CaseResult], quiet: bool) -> String {
    let mut text = String::new();
    let (mut passed, mut failed, mut skipped, mut broken) = (0, 0, 0, 0);
    for case in results {
        let (word, remark) = match &case.outcome {
            CaseOutcome::Skipped(reason) => {
                skipped += 1;
                ("skip", (*reason).to_owned())
            }
            CaseOutcome::Broken(_) => {
                broken += 1;
                ("BAD ", "cannot be run".to_owned())
            }
            CaseOutcome::Failed(_) => {
                broken += 1;
                ("BAD ", "a run failed".to_owned())
            }
            CaseOutcome::Run { judgements, .. } if case.has_failed() => {
                failed += 1;
                let unmet = judgements.iter().filter(|line| !line.met).count();
                ("FAIL", format!("{unmet} of {} not met", judgements.len()))
            }
            CaseOutcome::Run { judgements, .. } => {
                passed += 1;
                ("ok  ", format!("{} met", judgements.len()))
            }
        };
        if !quiet || matches!(word, "FAIL" | "BAD ") {
            text.push_str(&format!("{word}  {}: {remark}\n", case.file));
        }
        if let CaseOutcome::Run { judgements, .. } = &case.outcome {
            for Judgement { expected, measured, .. } in judgements.iter().filter(|line| !line.met) {
                text.push_str(&format!("        expected  {expected}\n"));
                text.push_str(&format!("        measured  {measured}\n"));
            }
        }
    }
    let broken = if broken == 0 { String::new() } else { format!(", {broken} bad") };
    text.push_str(&format!("{passed} ok, {failed} failed, {skipped} skipped{broken}\n"));
    text
}

fn value(case: &CaseResult) -> Value {
    let file = &case.file;
    match &case.outcome {
        CaseOutcome::Skipped(reason) => {
            json!({ "file": file, "outcome": "skipped", "reason": reason })
        }
        CaseOutcome::Broken(error) => {
            json!({ "file": file, "outcome": "bad", "reason": error.to_string() })
        }
        CaseOutcome::Failed(error) => {
            json!({ "file": file, "outcome": "bad", "reason": error.to_string() })
        }
        CaseOutcome::Run { digest, judgements } => {
            let line = |judgement: &Judgement| {
                let Judgement { expected, measured, met } = judgement;
                json!({ "expected": expected, "measured": measured, "met": met })
            };
            json!({
                "file": file,
                "outcome": if case.has_failed() { "failed" } else { "ok" },
                "digest": digest.to_string(),
                "expectations": judgements.iter().map(line).collect::<Vec<_>>(),
            })
        }
    }
}
