//! Whose an exception is, and who was told by one.
//!
//! Before 5.8 page ready is an exception itself, of the same kind as not present, and comes for every
//! request: one that follows a page ready is not the request's own.

use super::course::Counted;
use super::deferred::{Deferred, Needs};
use super::event::LogEvent;
use super::request::{AwaitingException, Request, Told};
use super::state::LogState;
use crate::base::ids::Token;
use crate::monitors::catalogue::{Family, INV_12, INV_13};

/// Exceptions that wait for the log to show which kernel it is.
const MAX_AMBIGUOUS: usize = 4096;

/// An exception that is a request's own, or that of a page ready before it.
#[derive(Clone, Copy, Debug)]
struct Ambiguous {
    at: usize,
    untold: AwaitingException,
    event: LogEvent,
    announced: Option<u64>,
    ready: Option<(LogEvent, Option<Request>)>,
}

/// Whose an exception is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Request,
    PageReady,
    Unknown,
}

/// Exceptions that may be of two kinds, until the log shows which kernel it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Exceptions {
    unsettled: Vec<Ambiguous>,
}

impl Exceptions {
    /// An exception while a request waits for its own. Says whether it is the request's.
    pub(super) fn own_exception(
        &mut self,
        log: &mut LogState,
        at: usize,
        event: LogEvent,
        untold: AwaitingException,
    ) -> bool {
        let after_ready = untold.crossed || untold.readied.is_some();
        match if after_ready { whose_exception(log, at) } else { Whose::Request } {
            Whose::Request => {
                count_told(log, at, event, untold, announced_ns(log, at, untold.token));
                true
            }
            Whose::PageReady => {
                log.vcpus[at].untold = Some(untold);
                ready_exception(log, at, event);
                false
            }
            Whose::Unknown => {
                let announced = announced_ns(log, at, untold.token);
                let ready = log.vcpus[at].last_ready;
                if self.unsettled.len() == MAX_AMBIGUOUS {
                    let oldest = self.unsettled.remove(0);
                    settle_ambiguous(log, oldest);
                }
                self.unsettled.push(Ambiguous { at, untold, event, announced, ready });
                true
            }
        }
    }

    /// The log is over, or has shown which kernel it is.
    pub(super) fn settle(&mut self, log: &mut LogState) {
        for ambiguous in std::mem::take(&mut self.unsettled) {
            settle_ambiguous(log, ambiguous);
        }
    }
}

/// An exception after a page ready, while a request waits for its own.
fn whose_exception(log: &mut LogState, at: usize) -> Whose {
    // What is said of the kernel goes before what its events look like.
    match log.family() {
        (Family::V7, _) => return Whose::PageReady,
        (Family::V5, _) => return Whose::Request,
        (Family::Int, _) => {
            let given = log.config.family.is_some();
            if given || log.seen.by_interrupt || log.seen.repeated {
                return Whose::Request;
            }
        }
    }
    if log.vcpus[at].slept {
        // Who is told does not sleep before the exception.
        log.seen.ready_exceptions += 1;
        return Whose::PageReady;
    }
    Whose::Unknown
}

fn announced_ns(log: &LogState, at: usize, token: Token) -> Option<u64> {
    let own = &log.vcpus[at];
    own.place_of(token).map(|place| own.requests[place].announced.ns)
}

fn count_told(
    log: &mut LogState,
    at: usize,
    event: LogEvent,
    untold: AwaitingException,
    announced: Option<u64>,
) {
    let own = &mut log.vcpus[at];
    own.counts.told += 1;
    log.survey.told += 1;
    log.survey.course.count(at, event.ns, Counted::Told);
    log.survey.crossed += u64::from(untold.crossed);
    if let Some(ready) = untold.readied {
        log.survey.ready_before_exception += 1;
        let begun = untold.begun.unwrap_or(ready.ns);
        log.survey.course.latencies(at).told.record(ready.ns.saturating_sub(begun));
    }
    if let Some(announced) = announced {
        let latency = event.ns.saturating_sub(announced);
        log.survey.course.latencies(at).not_present_to_exception.record(latency);
    }
}

/// The exception of a page ready, as before 5.8: also of a request that was not told.
pub(super) fn ready_exception(log: &mut LogState, at: usize, event: LogEvent) {
    let ready = log.vcpus[at].last_ready.take();
    untold_exception(log, at, event, ready);
}

/// Before 5.8 page ready is an exception: the guest is entered without that of a request of which it was
/// told.
pub(super) fn not_heard(log: &mut LogState, at: usize, event: LogEvent) {
    let Some((ready, request)) = log.vcpus[at].unheard.take() else { return };
    let text = format!(
        "{} goes on after page ready {} without its exception: it was taken back or lost, and the task \
         that was told not present sleeps on",
        log.vcpus[at].label(),
        request.token
    );
    let story = log.vcpus[at].story(&[request.announced, ready]);
    let needs = Needs::ReadyByException;
    log.deferred.keep(Deferred { id: INV_13, needs, event, text, story });
}

fn untold_exception(
    log: &mut LogState,
    at: usize,
    event: LogEvent,
    ready: Option<(LogEvent, Option<Request>)>,
) {
    let Some((ready, Some(request))) = ready else { return };
    if request.told == Told::Yes {
        return;
    }
    let text = format!(
        "page ready {} is an exception for {}, which was halted and not told not present: a \
         wake without sleeper, which leaves an entry in a Linux guest's table",
        request.token,
        log.vcpus[at].label()
    );
    let id = INV_12;
    let story = log.vcpus[at].story(&[request.announced, ready]);
    log.deferred.keep(Deferred { id, needs: Needs::ReadyByException, event, text, story });
}

fn settle_ambiguous(log: &mut LogState, one: Ambiguous) {
    let Ambiguous { at, untold, event, announced, ready } = one;
    if !is_by_exception(log) {
        count_told(log, at, event, untold, announced);
        return;
    }
    log.vcpus[at].counts.halted += 1;
    log.survey.course.count(at, event.ns, Counted::Halted);
    if let Some((ready, begun)) = untold.readied.zip(untold.begun) {
        let latency = ready.ns.saturating_sub(begun);
        log.survey.course.latencies(at).halted.record(latency);
    }
    untold_exception(log, at, event, ready);
}

/// The family whose page ready is an exception, as far as the log has shown it.
fn is_by_exception(log: &LogState) -> bool {
    log.family() == (Family::V7, true)
}
