//! A log whose kinds of events begin one after the other, as they are enabled: what was announced
//! before the first line of a kind may have had its own line of that kind before it.

use super::deferred::Needs;
use super::state::LogState;
use crate::base::ids::Token;

pub(super) const COMPLETIONS: &str =
    "it was announced before the log's first kvm_async_pf_completed";
pub(super) const PAGE_READIES: &str = "it was announced before the log's first kvm_async_pf_ready";

/// The first not present, of a vCPU: other tries before it may have become requests.
pub(super) fn announcements(log: &mut LogState, at: usize) {
    for (number, own) in log.vcpus.iter_mut().enumerate() {
        own.unannounced.empty();
        if number != at {
            own.attempt = None;
        }
    }
}

/// The first completion: who is ready already has had its own, and so may have who is not.
pub(super) fn completions(log: &mut LogState) {
    for own in &mut log.vcpus {
        for request in &mut own.requests {
            request.early = true;
        }
        for unfinished in &mut own.unfinished {
            unfinished.request.early = true;
        }
    }
}

/// The first page ready: those of requests that were completed before it may be missing. Where no
/// completion is recorded so far, that may be all of them.
pub(super) fn page_readies(log: &mut LogState, at: usize, token: Token) {
    let all = !log.seen.completed;
    for (number, own) in log.vcpus.iter_mut().enumerate() {
        let other = |own_token| number != at || own_token != token;
        for request in own.requests.iter_mut().filter(|one| other(one.token)) {
            request.unseen_ready = all || request.completed.is_some();
        }
    }
}

/// The first exception: who was not told before it may have been, and what rested on that is
/// forgotten.
pub(super) fn exceptions(log: &mut LogState) {
    log.deferred.forget_those(Needs::Exceptions);
    log.exceptions_from = log.seq;
}

/// The first read or write of a register: what was raised before the last page ready may have been
/// acknowledged.
pub(super) fn registers(log: &mut LogState) {
    for own in &mut log.vcpus {
        let before = own.raised.len().saturating_sub(1);
        own.raised.drain(..before);
        own.unacknowledged = None;
    }
}
