//! The list of a vCPU's outstanding requests, and how requests leave it.

use super::begins;
use super::completions::Completions;
use super::course::Counted;
use super::event::LogEvent;
use super::ledger::BreachSubject;
use super::request::{Request, Told};
use super::state::LogState;
use crate::monitors::catalogue::{INV_01, INV_13};

/// A try that led to neither a request nor a halt was served in the vCPU thread.
pub(super) fn settle_attempt(log: &mut LogState, at: usize) {
    let cap = log.config.cap as usize;
    let own = &mut log.vcpus[at];
    let Some(attempt) = own.attempt.take() else { return };
    own.add_unannounced(attempt);
    log.survey.course.count(at, attempt.ns, Counted::Sync);
    if attempt.outstanding >= cap {
        own.counts.at_cap += 1;
    } else {
        own.counts.refused += 1;
        let readied = own.counts.ready + own.counts.wake_alls;
        own.watch.came_to_nothing(attempt.event, readied);
    }
}

/// Takes a request off the list that got no page ready of its own.
pub(super) fn drop_request(
    log: &mut LogState,
    completions: &mut Completions,
    at: usize,
    place: usize,
) {
    let request = remove_request(log, completions, at, place);
    if request.completed.is_none() {
        completions.abandon(log, request.gva);
    }
}

/// Takes a request off the list whose completion counts as its own, if there was one.
fn remove_request(
    log: &mut LogState,
    completions: &mut Completions,
    at: usize,
    place: usize,
) -> Request {
    let request = log.vcpus[at].requests.remove(place);
    match request.completed {
        None => completions.end(&request),
        Some(done) => time_completed(log, at, &request, done.ns),
    }
    log.survey.course.outstanding(at, log.now, false);
    request
}

/// Measures the way to a completion, when it is sure that it stays one.
pub(super) fn time_completed(log: &mut LogState, at: usize, request: &Request, ns: u64) {
    let latency = ns.saturating_sub(request.announced.ns);
    log.survey.completed += 1;
    log.survey.course.latencies(at).not_present_to_completed.record(latency);
}

/// Page ready of a request. If it is not known to be completed, the oldest completion counts
/// for it that may be its own: if it is another's, its own is still to come for that one.
pub(super) fn dequeued(
    log: &mut LogState,
    completions: &mut Completions,
    at: usize,
    place: usize,
) -> Request {
    let mut request = log.vcpus[at].requests[place];
    if request.completed.is_none()
        && let Some(done) = completions.take_waiting(log, at, &request)
    {
        request.completed = Some(done);
        time_completed(log, at, &request, done.ns);
    }
    remove_request(log, completions, at, place);
    completions.settle_waiting(log, request.gva);
    request
}

/// A request was completed, or ready, that another one for its frame was announced beside.
pub(super) fn confirm_double(log: &mut LogState, at: usize, place: usize, event: LogEvent) {
    let request = log.vcpus[at].requests[place];
    let Some(second) = request.doubled else { return };
    log.vcpus[at].requests[place].doubled = None;
    let text = format!(
        "frame {} of {} was announced twice: request {} for it was outstanding still",
        request.gfn(),
        log.vcpus[at].label(),
        request.token
    );
    log.say(at, INV_01, event, text, &[request.announced, second]);
}

/// A page ready did not come, and will not any more.
pub(super) fn missing_ready(
    log: &mut LogState,
    completions: &mut Completions,
    at: usize,
    place: usize,
    event: LogEvent,
) {
    let request = log.vcpus[at].requests[place];
    drop_request(log, completions, at, place);
    if request.unseen_ready {
        log.ledger.unjudged(INV_13, begins::PAGE_READIES, 1);
        return;
    }
    log.vcpus[at].miss(&request);
    let own = &mut log.vcpus[at];
    if request.told == Told::Yes {
        own.suspects.push((request, event));
        return;
    }
    unanswered(log, at, &request, event);
}

/// Page ready of a request is missing for certain.
pub(super) fn unanswered(log: &mut LogState, at: usize, request: &Request, event: LogEvent) {
    let done = request.completed.map_or(0, |done| done.line);
    let text = format!(
        "not present {} of {}, completed at line {done}, got no page ready: later requests \
         were dequeued past it",
        request.token,
        log.vcpus[at].label(),
    );
    let story = log.vcpus[at].story(&[request.announced]);
    log.ledger.breach_about(
        BreachSubject { gva: request.gva, seq: request.seq },
        INV_13,
        event,
        text,
        story,
    );
}

/// What is known of a thread was said of another vCPU.
pub(super) fn becomes_another(log: &mut LogState, completions: &mut Completions, at: usize) {
    while !log.vcpus[at].requests.is_empty() {
        drop_request(log, completions, at, 0);
    }
    log.vcpus[at].resynchronise();
    log.vcpus[at].bases.clear();
    log.vcpus[at].token_id = None;
    log.seen.wandering = true;
}
