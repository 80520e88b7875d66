//! The end of a log: what waits still, and what stays open. INV-15.

use super::answers::OFF;
use super::completions::Completions;
use super::deferred::Needs;
use super::exceptions::Exceptions;
use super::request::Request;
use super::seen::SeenInLog;
use super::state::LogState;
use super::tokens::OLD_KERNEL;
use super::{begins, drained, early_readies, requests, told, workers};
use crate::monitors::catalogue::{Family, INV_04, INV_05, INV_06, INV_13, INV_15};

/// Events after which a vCPU surely goes on: one that was stopped has a few when it goes on again.
const ACTIVE: u64 = 16;
const END: &str = "the log ends first";

/// The log is over.
pub(super) fn close(
    log: &mut LogState,
    completions: &mut Completions,
    exceptions: &mut Exceptions,
) {
    exceptions.settle(log);
    told::close(log);
    for at in 0..log.vcpus.len() {
        requests::settle_attempt(log, at);
        let own = &mut log.vcpus[at];
        let suspects = std::mem::take(&mut own.suspects);
        log.ledger.unjudged(INV_13, OFF, suspects.len() as u64);
        if log.vcpus[at].zero.is_some() {
            log.ledger.unjudged(INV_04, OLD_KERNEL, 1);
        }
        // What is not late yet may still come.
        let own = &mut log.vcpus[at];
        let before = own.unfinished.len();
        own.unfinished.retain(|one| one.overdue.is_some());
        let open = (before - own.unfinished.len()) as u64;
        log.ledger.unjudged(INV_06, END, open);
        if log.vcpus[at].over.is_some() {
            log.ledger.unjudged(INV_05, END, 1);
        }
        still_outstanding(log, at);
        drained::close(log, at);
        workers::close(log, at);
    }
    let deferred = std::mem::take(&mut log.deferred);
    let (family, seen) = (log.family(), log.seen);
    deferred.settle(|needs| shows(seen, family, needs), &mut log.ledger);
    log.ledger.unjudged(INV_06, END, completions.drop_uncertain());
    completions.settle_overdue(log, u64::MAX);
    early_readies::close(log);
}

/// The events of a processor end at that time: what comes then may be among those that are missing.
pub(super) fn cut(log: &mut LogState, completions: &mut Completions, since: u64) {
    log.losses += 1;
    log.ledger.take_back(since);
    completions.settle_overdue(log, since);
    let bound = log.config.liveness_bound;
    for own in &mut log.vcpus {
        own.suspects.clear();
        own.over = None;
        own.raised.clear();
        own.unacknowledged = None;
        // What was late before stays so.
        let late = |one: &Request| one.announced.ns.saturating_add(bound) < since;
        for request in own.requests.iter_mut().filter(|one| !late(one)) {
            request.doubtful = true;
        }
    }
    log.deferred.forget(since);
}

/// Requests of a vCPU that are outstanding: INV-15 where one should have been dequeued long ago.
fn still_outstanding(log: &mut LogState, at: usize) {
    let (end, bound) = (log.now, log.config.liveness_bound);
    let open_ones = log.vcpus[at].requests.clone();
    for request in &open_ones {
        if let Some(done) = request.completed {
            requests::time_completed(log, at, request, done.ns);
        }
    }
    let mut open = 0;
    for request in open_ones.iter().filter(|request| !request.doubtful) {
        open += 1;
        let Some(done) = request.completed else { continue };
        if request.unseen_ready {
            log.ledger.unjudged(INV_15, begins::PAGE_READIES, 1);
            continue;
        }
        if end.saturating_sub(done.ns) <= bound || !log.seen.ready {
            continue;
        }
        let own = &log.vcpus[at];
        let active = own.last_ns.saturating_sub(done.ns) > bound
            && own.events.saturating_sub(done.events) >= ACTIVE;
        if active {
            let waited = (log.vcpus[at].last_ns - done.ns) / 1_000_000;
            let text = format!(
                "request {} of {} was completed at line {} and is not dequeued, though \
                 the vCPU went on for {waited} ms",
                request.token,
                log.vcpus[at].label(),
                done.line
            );
            log.say(at, INV_15, request.announced, text, &[]);
        } else {
            log.ledger.unjudged(
                INV_15,
                "a completed request waits, and its vCPU did nothing any more: hung, \
                 stopped or destroyed; record kvm_entry, kvm_exit and sched_switch",
                1,
            );
        }
    }
    log.ledger.unjudged(INV_13, END, open);
}

/// Whether the log has shown what a breach depends on.
fn shows(seen: SeenInLog, family: (Family, bool), needs: Needs) -> bool {
    match needs {
        Needs::Announcements => seen.announced,
        Needs::Exceptions => seen.exceptions,
        Needs::ReadyByException => family == (Family::V7, true),
        Needs::ReadyByInterrupt => family == (Family::Int, true),
        Needs::AllWorkers => !seen.leaves_out_workers,
    }
}
