//! Scenarios that say what they expect, and whether it came so.

use scenarios::experiments::judge::Judgement;
use scenarios::experiments::suite::{CaseOutcome, CaseResult};
use serde_json::{Value, json};

use crate::page::Page;
use crate::report::Report;

/// The results of all files.
#[derive(Debug)]
pub struct SuiteReport<'a> {
    /// A result a file.
    pub results: &'a [CaseResult],
    /// Whether the page tells only what was not met.
    pub quiet: bool,
}

impl Report for SuiteReport<'_> {
    fn page(&self) -> Page {
        Page::verbatim(text(self.results, self.quiet))
    }

    fn object(&self) -> String {
        format!("{:#}\n", Value::from_iter(self.results.iter().map(value)))
    }
}

/// A line a file, and below it what was not met. Quiet, only what was not met is told.
fn text(results: &[CaseResult], quiet: bool) -> String {
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
