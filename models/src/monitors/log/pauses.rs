//! Lines that are missing, by what a vCPU cannot do: leave the guest twice, or fault while it is in it.
//!
//! `echo 0 > tracing_on` leaves no mark. A vCPU enters the guest, leaves it, and enters it again; where
//! that does not hold though it holds nearly always in the log, lines are missing. So they are where the
//! guest was told of a fault that was not tried.

use super::event::LogEvent;
use super::request::{Request, Told};
use super::sides::step;
use super::state::LogState;
use super::vcpu::{after, counter, owner};
use crate::base::abi::{MSR_ASYNC_PF_ACK, PAGE_FAULT};
use crate::base::ids::{Gfn, PAGE_SIZE, Token};
use crate::trace::kernel::KernelEvent;

/// A vCPU thread prints an event. Says since when lines are missing before it, if some are.
pub(super) fn settle(log: &mut LogState, at: usize, event: &LogEvent) -> Option<u64> {
    let own = &mut log.vcpus[at];
    let since = own.last_ns;
    let (side, right) = step(own.side, &event.event);
    own.side = side;
    let moved = right.is_some_and(|right| log.pauses.sides.is_pause(right));
    let told = is_tried(log, at, &event.event).is_some_and(|right| log.pauses.told.is_pause(right));
    let readied =
        is_known(log, at, &event.event).is_some_and(|right| log.pauses.readied.is_pause(right));
    let acknowledged =
        is_answered(log, at, &event.event).is_some_and(|right| log.pauses.acks.is_pause(right));
    if !(moved || told || readied || acknowledged) {
        return None;
    }
    log.survey.note_pause(event.line);
    // Where the vCPU's last line does not say since when, nothing takes longer.
    let bound = event.ns.saturating_sub(log.config.liveness_bound);
    Some(if moved || told { since } else { bound })
}

/// Whether the fault that the guest is told of was tried, where that can be known: tries are recorded,
/// the host does not handle the guest's own faults, and page ready is no exception.
fn is_tried(log: &LogState, at: usize, event: &KernelEvent) -> Option<bool> {
    let KernelEvent::InjException { vector: PAGE_FAULT, error_code: Some(0), reinjected: false } =
        *event
    else {
        return None;
    };
    let own = &log.vcpus[at];
    let known = log.seen.shows_frames() && log.seen.announced && own.first.is_some();
    if !known || log.seen.nested || log.seen.ready_exceptions > 0 || own.last_ready.is_some() {
        return None;
    }
    Some(own.untold.is_some() || own.attempt.is_some())
}

/// Whether the request that is ready was tried or announced, where that can be known: a page ready of which
/// the log has neither, though it has the vCPU's earlier requests, is one of several lines that are missing.
fn is_known(log: &LogState, at: usize, event: &KernelEvent) -> Option<bool> {
    let KernelEvent::Ready { token, gva } = *event else { return None };
    let own = &log.vcpus[at];
    if own.place_of(token).is_some() {
        return Some(true);
    }
    let frame = Gfn(gva.0 / PAGE_SIZE);
    let named = |one: Token| one == token;
    let before = own.answered.values().any(|(one, _)| named(one))
        || own.dropped.values().any(|(one, _)| named(one))
        || own.missed.iter().any(|one| named(one.token));
    let tried =
        own.unannounced_try(frame).is_some() || own.requests.iter().any(|one| one.gfn() == frame);
    let own_token =
        own.vcpu_number() == Some(owner(token)) && token != Token::WAKE_ALL && token.0 != 0;
    let young = own.first.is_some_and(|first| after(counter(token), first));
    let elsewhere = log.vcpus.iter().any(|other| other.place_of(token).is_some());
    let known = before || tried || !own_token || !young || elsewhere;
    (log.seen.shows_frames() && !known).then_some(false)
}

/// Whether an acknowledgement has a page ready before it, or its interrupt: where neither is in the log though
/// a request of which the guest was told is completed, both are missing.
fn is_answered(log: &LogState, at: usize, event: &KernelEvent) -> Option<bool> {
    let KernelEvent::Msr { write: true, ecx: MSR_ASYNC_PF_ACK, data, failed: false } = *event
    else {
        return None;
    };
    let own = &log.vcpus[at];
    if data & 1 == 0 || own.takes == 0 || !log.seen.accepts {
        return None;
    }
    let waits = |one: &Request| one.told == Told::Yes && own.surely_completed(one).is_some();
    let missing = own.raised.is_empty() && own.takes <= own.acks && own.requests.iter().any(waits);
    Some(!missing)
}
