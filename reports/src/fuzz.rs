//! What random scenarios came to.

use std::collections::BTreeMap;

use scenarios::experiments::fuzz::{FailureKind, FuzzOptions, FuzzReport};
use serde_json::{Value, json};

use crate::page::Page;
use crate::report::Report;

/// What was asked, and what came of it.
#[derive(Debug)]
pub struct Fuzzed<'a> {
    /// What came of it.
    pub report: &'a FuzzReport,
    /// What was asked.
    pub options: &'a FuzzOptions,
}

impl Report for Fuzzed<'_> {
    fn page(&self) -> Page {
        Page::verbatim(text(self.report, self.options))
    }

    fn object(&self) -> String {
        format!("{:#}\n", value(self.report, self.options))
    }
}

fn of_kind(report: &FuzzReport, kind: FailureKind) -> usize {
    report.failures.iter().filter(|failure| failure.failure.kind == kind).count()
}

/// Counts, then failures.
fn text(report: &FuzzReport, options: &FuzzOptions) -> String {
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

fn value(report: &FuzzReport, options: &FuzzOptions) -> Value {
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
        "failed": kinds.collect::<BTreeMap<_, _>>(),
        "failures": failures.collect::<Vec<_>>(),
    })
}
