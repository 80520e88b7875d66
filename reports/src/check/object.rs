//! For programs.

use models::monitors::log::{
    CourseRow, CourseWindow, Latencies, LogFinding, LogSurvey, LogWitness, SpinCause, Stall,
    StoryLine, VcpuSurvey,
};
use models::monitors::{Invariant, Verdict};
use scenarios::CheckReport;
use scenarios::logs::check::{HandlerSurvey, PfaultSurvey, Skipped, SkippedKind};
use serde_json::{Value, json};
use sim_core::Histogram;

use super::backports;
use super::words::{overall, row_name, word};
use super::words::{snake, stall_kind};
use crate::json::written;

/// Everything that was found as one JSON object. Times are in nanoseconds.
pub(super) fn object(report: &CheckReport) -> String {
    let survey = &report.survey;
    let latencies = |all: &Latencies| all.named().map(|(name, times)| time(name, times)).to_vec();
    let spins = survey.spins.iter().map(|one| {
        json!({
            "vcpu": one.vcpu,
            "cause": cause(one.cause),
            "reason": one.cause.text(),
            "spins": one.count,
            "turns": one.turns,
            "line": one.line,
        })
    });
    let value = json!({
        "log": report.name,
        "version": env!("CARGO_PKG_VERSION"),
        "verdict": snake(overall(report)),
        "lines": report.lines,
        "source": report.source,
        "not_read": report.not_read,
        "events": report.events,
        "span_ns": survey.span,
        "kernels": report.kernels,
        "kernels_shown": report.kernels_shown,
        "rules": report.rules,
        "times_are_ticks": report.ticks,
        "may_hide_losses": report.may_hide_losses,
        "clocks_differ": survey.clocks.map(|one| json!({
            "behind_cpu": one.behind,
            "ahead_cpu": one.ahead,
            "ns": one.ns,
            "effect_line": one.effect,
            "cause_line": one.cause,
            "count": one.count,
        })),
        "has_faults": report.has_faults,
        "pfaults": report.pfaults.as_ref().map(pfaults),
        "userfaultfd": report.handler.as_ref().map(handler),
        "invariants": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "backports": report.backports.iter().map(backports::value).collect::<Vec<_>>(),
        "skipped": skipped(&report.skipped),
        "joined": report.joined,
        "lost": { "places": report.losses.0, "events": report.losses.1 },
        "overwritten": report.overwritten,
        "reordered": report.reordered,
        "backwards": report.backwards,
        "recording": recording(report),
        "counts": report.counts.iter().map(|one| json!({
            "event": one.name, "count": one.count,
        })).collect::<Vec<_>>(),
        "vcpus": survey.vcpus.iter().map(vcpu).collect::<Vec<_>>(),
        "latencies": latencies(&survey.course.total.latencies),
        "spins": spins.collect::<Vec<_>>(),
        "stalls": survey.stalls.iter().map(stall).collect::<Vec<_>>(),
        "cap": survey.cap,
        "course": {
            "from_ns": survey.course.from,
            "window_ns": survey.course.width,
            "total": course(&survey.course.total),
            "vcpus": survey.course.rows.iter().enumerate().map(|(at, row)| json!({
                "name": row_name(report, at),
                "windows": course(row),
                "latencies": latencies(&row.latencies),
            })).collect::<Vec<_>>(),
        },
        "exceptions_recorded": survey.exceptions,
        "told_by_page_ready": survey.told_by_ready,
        "second_stage_faults": second_stage_faults(survey),
        "order": order(survey),
    });
    written(serde_json::to_string_pretty(&value))
}

/// What was wrong with the recording, besides losses that it marks.
fn recording(report: &CheckReport) -> Value {
    json!({
        "events_twice": report.twice,
        "further_recordings": report.heads.0,
        "token_gaps": report.survey.gap.map(|gap| json!({
            "places": gap.count, "line": gap.line, "missing": gap.missing,
        })),
        "pauses": report.survey.pauses.map(|(line, count)| json!({ "places": count, "line": line })),
        "ends_early": report.survey.ends_early.map(|cut| json!({ "cpu": cut.cpu, "line": cut.line })),
    })
}

fn second_stage_faults(survey: &LogSurvey) -> Value {
    json!({
        "at_guest_tables": survey.table_faults,
        "at_pages": survey.final_faults,
        "requests_for_guest_tables": survey.table_requests,
    })
}

fn order(survey: &LogSurvey) -> Value {
    json!({
        "completed_out_of_order": survey.completed_out_of_order,
        "ready_out_of_order": survey.ready_out_of_order,
        "other_ready_before_exception": survey.crossed,
        "own_ready_before_exception": survey.ready_before_exception,
        "ready_before_completed": survey.ready_before_completed,
        "ready_from_before": survey.from_before,
        "completed_from_elsewhere": survey.foreign_completions,
    })
}

fn pfaults(all: &PfaultSurvey) -> Value {
    json!({
        "begun": all.begun,
        "done": all.done,
        "open": all.open_count,
        "may_have_ended_among_lost": all.uncertain,
        "done_from_before": all.unknown,
        "open_faults": all.open.iter().map(|one| json!({
            "token": one.token, "thread": one.thread, "line": one.line, "age_ns": one.age,
        })).collect::<Vec<_>>(),
    })
}

fn handler(all: &HandlerSurvey) -> Value {
    json!({
        "lookups": all.lookups,
        "messages": all.messages,
        "messages_read": all.read,
        "copies": all.copies,
        "installed": all.installed,
        "unasked": all.unasked,
        "eexist": all.there,
        "failed": all.failed,
        "open": all.open,
        "unread": all.unread,
        "may_have_been_answered_among_lost": all.uncertain,
        "went_on_without_recorded_answer": all.went_on,
        "oldest_open": all.oldest.map(|one| json!({
            "line": one.line, "thread": one.thread, "address": one.address, "age_ns": one.age,
            "read": one.read,
        })),
        "times": all.times().map(|(name, times)| time(name, times)).to_vec(),
    })
}

fn time(name: &str, times: &Histogram) -> Value {
    let at = |quantile: f64| (!times.is_empty()).then(|| times.value_at_quantile(quantile));
    let end = |value: u64| (!times.is_empty()).then_some(value);
    json!({
        "name": name,
        "count": times.count(),
        "min_ns": end(times.min()),
        "p50_ns": at(0.5),
        "p90_ns": at(0.9),
        "p99_ns": at(0.99),
        "max_ns": end(times.max()),
    })
}

/// A list a kind, each with a value a window.
fn course(row: &CourseRow) -> Value {
    let list = |value: fn(&CourseWindow) -> u32| row.windows.iter().map(value).collect::<Vec<_>>();
    json!({
        "told": list(|window| window.told),
        "halted": list(|window| window.halted),
        "sync": list(|window| window.sync),
        "repeated": list(|window| window.repeated),
        "ready": list(|window| window.ready),
        "most_outstanding": list(|window| window.most),
    })
}

fn finding(finding: &LogFinding) -> Value {
    let line = Invariant::find(finding.id);
    let missing = match finding.verdict {
        Verdict::Undecided { missing } => Some(missing),
        _ => None,
    };
    json!({
        "invariant": finding.id,
        "title": line.map(|line| line.title),
        "promise": line.map(|line| line.sentence),
        "verdict": snake(word(finding.verdict)),
        "record": missing,
        "count": finding.count,
        "first": finding.first.as_ref().map(witness),
        "open": finding.unjudged.iter().map(|one| json!({
            "reason": one.reason, "count": one.count,
        })).collect::<Vec<_>>(),
    })
}

fn stall(stall: &Stall) -> Value {
    let (kind, missing) = stall_kind(stall.kind);
    json!({
        "kind": kind,
        "missing": missing,
        "vcpu": stall.vcpu,
        "thread": stall.thread,
        "line": stall.line,
        "ns": stall.ns,
        "token": stall.token.map(|token| token.0),
        "frame": stall.frame.map(|frame| frame.0),
        "count": stall.count,
        "age_ns": stall.age,
        "others_p99_ns": stall.others.map(|(p99, _)| p99),
        "others": stall.others.map(|(_, count)| count),
        "message": stall.message,
        "story": story(&stall.story),
    })
}

fn story(story: &[StoryLine]) -> Value {
    let line = |one: &StoryLine| json!({ "line": one.line, "ns": one.ns, "text": one.text });
    story.iter().map(line).collect()
}

fn witness(witness: &LogWitness) -> Value {
    json!({
        "line": witness.line,
        "ns": witness.ns,
        "message": witness.message,
        "story": story(&witness.story),
    })
}

fn vcpu(one: &VcpuSurvey) -> Value {
    json!({
        "vm": one.vm,
        "thread": one.pid,
        "vcpu": one.id,
        "tries": one.tries,
        "told": one.told,
        "halted": one.halted,
        "halted_or_told": one.unsure,
        "repeated": one.repeated,
        "at_cap": one.at_cap,
        "other_sync": one.refused,
        "ready": one.ready,
        "wake_alls": one.wake_alls,
        "most_outstanding": one.most,
    })
}

const fn cause(cause: SpinCause) -> &'static str {
    match cause {
        SpinCause::WakeAllWaits => "wake_all_waits",
        SpinCause::CompletedWait => "completed_wait",
        SpinCause::Kicked => "kicked",
        SpinCause::LikeKicked => "like_kicked",
        SpinCause::Hlt => "hlt",
        SpinCause::Unknown => "unknown",
    }
}

/// What of a log was left out.
pub(crate) fn skipped(all: &[Skipped]) -> Value {
    let one = |one: &Skipped| {
        json!({
            "kind": kind(one.kind), "event": one.event, "count": one.count, "line": one.line,
            "text": one.text,
        })
    };
    all.iter().map(one).collect()
}

const fn kind(kind: SkippedKind) -> &'static str {
    match kind {
        SkippedKind::NoEvent => "no_event",
        SkippedKind::BadFields => "bad_fields",
        SkippedKind::TooLong => "too_long",
        SkippedKind::HalfLine => "half_line",
        SkippedKind::BrokenCompression => "broken_compression",
        SkippedKind::Damaged => "damaged",
        SkippedKind::UnknownRecord => "unknown_record",
        SkippedKind::CutShort => "cut_short",
    }
}
