//! What stands still at the end of a log: requests that stay open, and vCPUs that stay halted.
//!
//! Neither is a breach: the log may end before what is missing comes. So each is held against the
//! others of the same log, and said with the step that is missing.

use sim_core::Histogram;

use super::livelocks_at_end;
use super::processors::Processors;
use super::request::{Notices, Request, Told};
use super::stalls::{
    LOADED, MissingStep, Stall, StallKind, Watched, first_upper, late_beside, time,
};
use super::state::LogState;
use super::vcpu::VcpuLog;
use super::watch::{Work, Works};
use crate::monitors::catalogue::Family;

/// So few others give no 99th percentile to speak of.
const FEW: u64 = 10;
/// Entries of a vCPU within which a page ready comes that no event shows. KVM looks for completed requests each time
/// that it goes round from an exit to the next entry (`vcpu_run`): one or two are enough. The rest is a margin, an
/// assumption.
const ENTRIES: u64 = 64;
/// A halted vCPU is silent for so many times the 99th percentile of its silences: its guest's tick
/// ends most of them.
const SILENCES: u64 = 4;

/// The 99th percentile and number of some times, if there are enough.
type Others = Option<(u64, u64)>;

/// The 99th percentile and the number of values.
fn p99(times: &Histogram) -> Others {
    (times.count() >= FEW).then(|| (times.value_at_quantile(0.99), times.count()))
}

/// How long something may take beside others.
fn bound(others: Others, alone: u64) -> u64 {
    others.map_or(alone, |(p99, _)| late_beside(p99))
}

/// Finds what stands still. The log is over.
/// `vms` says of which VM each vCPU is.
pub(super) fn find(
    log: &LogState,
    works: &Works,
    processors: &Processors,
    vms: &[usize],
) -> Vec<Stall> {
    let mut requests = Histogram::default();
    let total = &log.survey.course.total.latencies;
    requests.merge(&total.told);
    requests.merge(&total.halted);
    let whole = p99(&requests);
    let ready = p99(&total.completed_to_ready);
    let acknowledged = p99(&total.ready_to_ack);
    let mut found = Vec::new();
    for (at, own) in log.vcpus.iter().enumerate() {
        let silent_cpu = processors.silent_since(own.last_cpu, log.now);
        let gone = gone_since(log, vms, at).or(silent_cpu);
        let mut stalls = open_requests(log, works, own, (whole, ready), gone);
        stalls.extend(unacknowledged(log, own, acknowledged));
        if stalls.is_empty() {
            // Where page readies are not recorded, it only looks halted.
            stalls.extend(silent(log.now, own).filter(|_| log.seen.ready));
        }
        stalls.extend(livelocks_at_end::find(own, log.now, log.config.cap));
        found.append(&mut stalls);
    }
    found
}

/// Requests that are open for longer than others, of all that is `whole`, or from completion to
/// page `ready`; one stall a missing step.
fn open_requests(
    log: &LogState,
    works: &Works,
    own: &VcpuLog,
    (whole, ready): (Others, Others),
    gone: Option<u64>,
) -> Vec<Stall> {
    if !log.seen.completed || !(log.seen.ready || ready_would_show(log, own)) {
        return Vec::new();
    }
    let alone = log.config.liveness_bound;
    let mut found: Vec<(MissingStep, Request, u64)> = Vec::new();
    // Who is told goes on: its VM was stopped or destroyed before the request was late, or the events of its
    // processor end.
    let over = |one: &Request| {
        one.told == Told::Yes
            && gone.is_some_and(|ns| ns <= one.announced.ns.saturating_add(LOADED))
    };
    let known = |one: &&Request| !one.doubtful && !one.unseen_ready && !over(one);
    for request in own.requests.iter().filter(known) {
        let age = log.now.saturating_sub(request.announced.ns);
        let (late, step) = match request.completed {
            Some(done) if !log.seen.ready && own.entries.saturating_sub(done.entries) < ENTRIES => {
                continue;
            }
            // Nor is it known of one whose completion may be another's that it waits for that.
            None if !log.seen.ready => continue,
            Some(done) => {
                let waits = log.now.saturating_sub(done.ns);
                (waits > bound(ready, alone), MissingStep::PageReady)
            }
            None => (age > bound(whole, alone), missing(works, log.seen.begun, request)),
        };
        if !late {
            continue;
        }
        match found.iter_mut().find(|(known, ..)| *known == step) {
            Some((.., count)) => *count += 1,
            None => found.push((step, *request, 1)),
        }
    }
    let stall = |(step, first, count)| still_open(own, log.now, whole, (step, first, count));
    found.into_iter().map(stall).collect()
}

/// Whether a page ready would have left something else in the log, which has no `kvm_async_pf_ready`: the guest has
/// turned notices on in it, page ready comes by interrupt, interrupts and registers are recorded, and the vCPU neither
/// took one for a page ready nor acknowledged one.
fn ready_would_show(log: &LogState, own: &VcpuLog) -> bool {
    let on = matches!(own.notices, Notices::On) && log.family().0 == Family::Int;
    let recorded = log.seen.accepts && log.seen.entries && !log.seen.wandering;
    on && recorded && own.takes == 0 && own.acks == 0
}

/// Since when all vCPUs of a VM print nothing, though those of another one go on.
fn gone_since(log: &LogState, vms: &[usize], at: usize) -> Option<u64> {
    let last = |same: bool| {
        let all = log.vcpus.iter().zip(vms).filter(move |(_, vm)| (**vm == vms[at]) == same);
        all.map(|(own, _)| own.last_ns).max()
    };
    let (own, others) = (last(true)?, last(false)?);
    (others.saturating_sub(own) > LOADED).then_some(own)
}

/// A request that is open, the first of `count` that wait for the same step.
fn still_open(
    own: &VcpuLog,
    now: u64,
    whole: Others,
    (step, first, count): (MissingStep, Request, u64),
) -> Stall {
    let age = now.saturating_sub(first.announced.ns);
    let others = match whole {
        Some((p99, n)) => format!("the 99th percentile of {n} others is {}", time(p99)),
        None => "there are few others to compare with".to_owned(),
    };
    let more = match count {
        1 => String::new(),
        count => format!(" ({} more wait for the same)", count - 1),
    };
    let message = format!(
        "request {} of {} for frame {}, announced at line {}, has been open for {} when \
         the log ends, while {others}; missing: {}{more}. {}{}",
        first.token,
        own.label(),
        first.gfn(),
        first.announced.line,
        time(age),
        step.name(),
        first_upper(step.text()),
        meanwhile(own, now, &first),
    );
    let watched =
        Watched { token: Some(first.token), frame: Some(first.gfn()), count, age, others: whole };
    Stall::of_vcpu(own, StallKind::OpenRequest(step), first.announced, watched, message)
}

/// What its vCPU does meanwhile.
fn meanwhile(own: &VcpuLog, now: u64, request: &Request) -> String {
    let quiet = now.saturating_sub(own.last_ns);
    if own.last_ns <= request.announced.ns + LOADED && quiet > LOADED {
        format!(
            "; the vCPU printed nothing for the last {}: it waits too, or was stopped or \
             destroyed",
            time(quiet)
        )
    } else {
        String::new()
    }
}

/// What a request that is not completed waits for.
fn missing(works: &Works, begins_seen: bool, request: &Request) -> MissingStep {
    if request.read.is_some_and(|read| works.reads.contains(&read)) {
        return MissingStep::Io;
    }
    match request.work.and_then(|work| works.items.get(&work)) {
        Some(Work::Queued) if begins_seen => MissingStep::Worker,
        Some(Work::Begun) => MissingStep::Page,
        _ => MissingStep::Completion,
    }
}

/// The last page ready, which nobody acknowledges.
fn unacknowledged(log: &LogState, own: &VcpuLog, others: Others) -> Option<Stall> {
    let mut raised = own.raised.first().copied()?;
    let mut never = "";
    if own.acks == 0 {
        // The write that turned notices on shows that registers are recorded. Of many only the last ones are kept.
        if !matches!(own.notices, Notices::On) || log.family().0 != Family::Int {
            return None;
        }
        raised.event = own.unacknowledged.unwrap_or(raised.event);
        never = ", and none was before since it turned notices on";
    }
    let age = log.now.saturating_sub(raised.event.ns);
    if log.seen.wandering || age <= bound(others, log.config.liveness_bound) {
        return None;
    }
    let step = match (log.seen.accepts, raised.accepted) {
        (true, false) => MissingStep::Interrupt,
        _ => MissingStep::Acknowledgement,
    };
    let p99 = others.map_or(String::new(), |(p99, n)| {
        format!(" (the 99th percentile of {n} others is {})", time(p99))
    });
    let message = format!(
        "page ready of {} at line {} has not been acknowledged for {}{p99}{never}; missing: {}. {}",
        own.label(),
        raised.event.line,
        time(age),
        step.name(),
        first_upper(step.text()),
    );
    let watched = Watched { token: raised.token, frame: None, count: 1, age, others };
    let kind = StallKind::OpenRequest(step);
    Some(Stall::of_vcpu(own, kind, raised.event, watched, message))
}

/// A vCPU that is halted for a page that is there.
fn silent(now: u64, own: &VcpuLog) -> Option<Stall> {
    let (frame, since) = own.halted_for?;
    let silence = now.saturating_sub(own.last_ns);
    let usual = p99(&own.silences);
    let longer = usual.is_some_and(|(p99, _)| silence > p99.saturating_mul(SILENCES));
    let request = own.requests.iter().find(|one| one.gfn() == frame && !one.doubtful)?;
    let done = request.completed?;
    if !longer {
        return None;
    }
    let p99 = usual.map_or(0, |(p99, _)| p99);
    let message = format!(
        "{} is halted for frame {frame} (request {}) and silent since line {} for {}, while \
         the 99th percentile of its silences is {}; the page is there since line {}, and \
         nothing wakes it before the log ends. An event that should have ended the halt was \
         dropped (notices turned off or the vCPU reset meanwhile), it was stopped, or the log \
         ends too early",
        own.label(),
        request.token,
        since.line,
        time(silence),
        time(p99),
        done.line,
    );
    let watched = Watched {
        token: Some(request.token),
        frame: Some(frame),
        count: 1,
        age: silence,
        others: usual,
    };
    Some(Stall::of_vcpu(own, StallKind::SilentVcpu, since, watched, message))
}
