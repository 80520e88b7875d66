//! Who was told, in a log without exceptions: of which requests the guest was told, and for which its
//! vCPU was halted.
//!
//! Since 5.9 a page ready that raises an interrupt, and its acknowledgement, say that the guest was
//! told: they come only for requests of which it was.

use super::begins;
use super::course::Counted;
use super::deferred::{Deferred, Needs};
use super::event::LogEvent;
use super::request::{NotificationUnknown, Raised, Told};
use super::state::LogState;
use crate::base::ids::Token;
use crate::monitors::catalogue::{Family, INV_12};

/// Requests that wait to be known as told or not, a vCPU.
const MAX_UNSURE: usize = 1024;

/// Exceptions are recorded: who had none so far was not told.
pub(super) fn exceptions_are_recorded(log: &mut LogState) {
    if log.seen.exceptions {
        return;
    }
    log.seen.exceptions = true;
    begins::exceptions(log);
    for at in 0..log.vcpus.len() {
        for unsure in std::mem::take(&mut log.vcpus[at].unsure) {
            count_halted(log, at, &unsure);
        }
        let mut open = 0;
        for request in log.vcpus[at].requests.iter_mut().filter(|one| one.uncounted) {
            request.uncounted = false;
            open += 1;
        }
        log.vcpus[at].counts.unsure = 0;
        halted_still(log, at, open);
    }
}

/// Requests that are outstanding and count as halted.
fn halted_still(log: &mut LogState, at: usize, open: u64) {
    log.vcpus[at].counts.halted += open;
    for _ in 0..open {
        log.survey.course.count(at, log.now, Counted::Halted);
    }
}

fn count_halted(log: &mut LogState, at: usize, unsure: &NotificationUnknown) {
    log.vcpus[at].counts.halted += 1;
    log.survey.course.count(at, unsure.ready.ns, Counted::Halted);
    let latency = unsure.ready.ns.saturating_sub(unsure.begun);
    log.survey.course.latencies(at).halted.record(latency);
}

/// A request is ready of which the log does not say yet whether the guest was told.
pub(super) fn unsure(log: &mut LogState, at: usize, token: Token, ready: LogEvent, begun: u64) {
    if log.vcpus[at].unsure.len() == MAX_UNSURE {
        settle_oldest(log, at);
    }
    log.vcpus[at].unsure.push_back(NotificationUnknown { token, ready, begun });
}

fn settle_oldest(log: &mut LogState, at: usize) {
    let Some(unsure) = log.vcpus[at].unsure.pop_front() else { return };
    count_halted(log, at, &unsure);
    log.vcpus[at].counts.unsure += u64::from(!shows_page_ready(log));
}

/// A page ready that the guest takes would have left something in this log.
fn shows_page_ready(log: &LogState) -> bool {
    let by_interrupt =
        log.config.family == Some(Family::Int) || log.seen.by_interrupt || log.seen.repeated;
    let always = log.config.known.contains(&INV_12);
    by_interrupt && !always && (log.seen.interrupts || log.seen.accepts || log.seen.writes)
}

/// The local APIC takes the vector of page ready, right after one: its request was told.
pub(super) fn page_ready_accepted(log: &mut LogState, at: usize) {
    log.seen.by_interrupt = true;
    log.seen.vector = true;
    if let Some((_, Some(request))) = log.vcpus[at].last_ready {
        told_by_interrupt(log, at, request.token);
    }
}

/// The vector of page ready is injected, maybe some entries later. No other page ready comes
/// before it is acknowledged.
pub(super) fn page_ready_injected(log: &mut LogState, at: usize) {
    log.seen.by_interrupt = true;
    log.seen.vector = true;
    if !log.seen.accepts
        && let Some(token) = log.vcpus[at].unsure.back().map(|one| one.token)
    {
        told_by_interrupt(log, at, token);
    }
}

/// Page ready raised an interrupt: its request was told.
pub(super) fn told_by_interrupt(log: &mut LogState, at: usize, token: Token) {
    if log.seen.exceptions || log.config.known.contains(&INV_12) {
        return;
    }
    let own = &mut log.vcpus[at];
    let Some(place) = own.unsure.iter().position(|one| one.token == token) else { return };
    let Some(unsure) = own.unsure.remove(place) else { return };
    own.raise(unsure.ready, Some(token));
    count_told_by_ready(log, at, unsure.ready, unsure.begun);
}

/// The guest acknowledges a page ready. Where interrupts are not recorded, it was told of the
/// request of the oldest one that is not acknowledged.
pub(super) fn told_by_acknowledgement(log: &mut LogState, at: usize) {
    if log.seen.exceptions || log.seen.vector || log.config.known.contains(&INV_12) {
        return;
    }
    let own = &mut log.vcpus[at];
    let Some(unsure) = own.unsure.front().copied() else { return };
    if own.raised.first().is_some_and(|raised| raised.event.ns <= unsure.ready.ns) {
        return;
    }
    own.unsure.pop_front();
    own.raised
        .insert(0, Raised { event: unsure.ready, token: Some(unsure.token), accepted: false });
    count_told_by_ready(log, at, unsure.ready, unsure.begun);
}

fn count_told_by_ready(log: &mut LogState, at: usize, ready: LogEvent, begun: u64) {
    let own = &mut log.vcpus[at];
    own.counts.told += 1;
    own.takes_part = true;
    log.survey.told += 1;
    log.survey.told_by_ready += 1;
    log.survey.course.count(at, ready.ns, Counted::Told);
    let latency = ready.ns.saturating_sub(begun);
    log.survey.course.latencies(at).told.record(latency);
}

/// The vCPU went on: a request that it was not told of before now is not told any more.
pub(super) fn settle_told(log: &mut LogState, at: usize) {
    let own = &mut log.vcpus[at];
    let Some(untold) = own.untold.take() else { return };
    // Who is told does not sleep before it goes on.
    let recorded = log.seen.exceptions || own.slept;
    if let Some(place) = own.place_of(untold.token) {
        own.requests[place].told = Told::No;
        own.requests[place].uncounted = !recorded;
    }
    if recorded {
        own.counts.halted += 1;
        log.survey.course.count(at, log.now, Counted::Halted);
    } else if let Some(ready) = untold.readied {
        unsure(log, at, untold.token, ready, untold.begun.unwrap_or(ready.ns));
        if untold.interrupts.is_some() {
            told_by_interrupt(log, at, untold.token);
            return;
        }
    }
    if let Some(event) = untold.interrupts.filter(|_| !log.seen.nested) {
        let own = &log.vcpus[at];
        let (token, label) = (untold.token, own.label());
        let text = format!("page ready {token} interrupts {label}, which was not told not present");
        let story = own.story(&[]);
        let needs = Needs::Exceptions;
        log.deferred.keep(Deferred { id: INV_12, needs, event, text, story });
    }
    if let Some((ready, begun)) = untold.readied.zip(untold.begun).filter(|_| recorded) {
        log.survey.course.latencies(at).halted.record(ready.ns.saturating_sub(begun));
    }
}

/// The log is over: who is not known to be told was halted.
pub(super) fn close(log: &mut LogState) {
    for at in 0..log.vcpus.len() {
        while !log.vcpus[at].unsure.is_empty() {
            settle_oldest(log, at);
        }
        let open = log.vcpus[at].requests.iter().filter(|one| one.uncounted).count() as u64;
        log.vcpus[at].counts.unsure += open;
        halted_still(log, at, open);
    }
}
