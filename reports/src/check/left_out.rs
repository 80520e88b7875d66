//! What of a log was left out, mended or lost.

use scenarios::CheckReport;

use super::words::{counted, number};
use crate::page::wrapped;

/// A block of the table; nothing where all was taken as it stands.
pub(super) fn left_out(report: &CheckReport) -> String {
    let mut text = String::new();
    let mut say = |line: String| text.push_str(&wrapped(&line, 2, 4));
    for skipped in &report.skipped {
        let example = match skipped.text.as_str() {
            "" => String::new(),
            text => format!(": `{text}`"),
        };
        let what = skipped.what();
        say(format!("{}: {what}, first at line {}{example}", number(skipped.count), skipped.line));
    }
    if report.joined > 0 {
        say(format!(
            "{} joined to the ones before: a program had wrapped them",
            counted(report.joined, "line was", "lines were")
        ));
    }
    for part in &report.not_read {
        say(format!("not read: {part}"));
    }
    let (places, events) = report.losses;
    if places > 0 {
        let many = match events {
            0 => String::new(),
            events => format!(" ({} events, as the log says)", number(events)),
        };
        say(format!(
            "events were lost at {}{many}: what they may hold is not missed",
            counted(places, "place", "places")
        ));
    }
    if report.heads.0 > 0 {
        say(format!(
            "{} inside the log, the first at line {}: taken for a loss",
            counted(report.heads.0, "further recording begins", "further recordings begin"),
            number(report.heads.1)
        ));
    }
    if let Some(gap) = report.survey.gap {
        say(format!(
            "tokens jump at {}, first by {} at line {}: lines are missing there (a pause of the \
             recording, or a cut), taken for a loss",
            counted(gap.count, "place", "places"),
            number(gap.missing),
            number(gap.line)
        ));
    }
    if let Some((line, count)) = report.survey.pauses {
        say(format!(
            "vCPUs do what they cannot at {}, first at line {}: lines are missing before it (a pause of \
             the recording), taken for a loss",
            counted(count, "place", "places"),
            number(line)
        ));
    }
    if let Some(cut) = report.survey.ends_early {
        say(format!(
            "processor {} prints nothing behind line {}, while it ran a thread and others go on: its buffer \
             may have been full; what it may hold is not missed",
            cut.cpu,
            number(cut.line)
        ));
    }
    if report.twice > 0 {
        say(format!(
            "{} recorded twice, as by patterns that overlap, and taken once",
            counted(report.twice, "event was", "events were")
        ));
    }
    if report.overwritten > 0 {
        say(format!(
            "the buffer had overwritten {} events before it was read",
            number(report.overwritten)
        ));
    }
    if report.reordered > 0 {
        say(format!("{} events were put in the order of time", number(report.reordered)));
    }
    if report.backwards > 0 {
        say(format!("{} events are earlier than the one before", number(report.backwards)));
    }
    if report.ticks {
        say("times are ticks whose length the log does not say (x86-tsc, counter), shown as \
             nanoseconds"
            .to_owned());
    }
    if report.may_hide_losses && report.is_violated() {
        say(
            "`perf script` shows lost events with --show-lost-events only: without it a violation \
             may be a loss"
                .to_owned(),
        );
    }
    if report.survey.threads_left_out > 0 {
        let count = number(report.survey.threads_left_out);
        say(format!("{count} events of threads beyond the number that is followed"));
    }
    if text.is_empty() { text } else { format!("Left out or mended\n{text}") }
}
