//! Who was told: of which requests the guest got an exception, and for which its vCPU was halted.
//!
//! The exception says it where it is recorded. Since 5.9 a page ready that raises an interrupt, and
//! its acknowledgement, say it too: they come only for requests that the guest was told of. Before
//! 5.8 page ready is an exception itself, of the same kind, and comes for every request: one that
//! follows a page ready is not the request's own.

use super::vcpu::{Raised, Request, Told, Untold};
use super::{Counted, Deferred, LogEvent, LogMonitors, Needs};
use crate::base::ids::Token;
use crate::monitors::catalogue::{Family, INV_12};

/// Requests that wait to be known as told or not, a vCPU.
const MOST_UNSURE: usize = 1024;
/// Exceptions that wait for the log to show which kernel it is.
const MOST_AMBIGUOUS: usize = 4096;

/// A request that is ready, in a log without exceptions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unsure {
    token: Token,
    ready: LogEvent,
    begun: u64,
}

/// An exception that is a request's own, or that of a page ready before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ambiguous {
    at: usize,
    untold: Untold,
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

impl LogMonitors {
    /// Exceptions are recorded: who had none so far was not told.
    pub(super) fn exceptions_are_recorded(&mut self) {
        if self.seen.exceptions {
            return;
        }
        self.seen.exceptions = true;
        for at in 0..self.vcpus.len() {
            for unsure in std::mem::take(&mut self.vcpus[at].unsure) {
                self.count_halted(at, &unsure);
            }
            let mut open = 0;
            for request in self.vcpus[at].requests.iter_mut().filter(|one| one.uncounted) {
                request.uncounted = false;
                open += 1;
            }
            self.vcpus[at].counts.unsure = 0;
            self.halted_still(at, open);
        }
    }

    /// Requests that are outstanding and count as halted.
    fn halted_still(&mut self, at: usize, open: u64) {
        self.vcpus[at].counts.halted += open;
        for _ in 0..open {
            self.survey.course.count(at, self.now, Counted::Halted);
        }
    }

    fn count_halted(&mut self, at: usize, unsure: &Unsure) {
        self.vcpus[at].counts.halted += 1;
        self.survey.course.count(at, unsure.ready.ns, Counted::Halted);
        let latency = unsure.ready.ns.saturating_sub(unsure.begun);
        self.survey.course.latencies(at).halted.record(latency);
    }

    /// A request is ready of which the log does not say yet whether the guest was told.
    pub(super) fn unsure(&mut self, at: usize, token: Token, ready: LogEvent, begun: u64) {
        if self.vcpus[at].unsure.len() == MOST_UNSURE {
            self.settle_oldest(at);
        }
        self.vcpus[at].unsure.push_back(Unsure { token, ready, begun });
    }

    fn settle_oldest(&mut self, at: usize) {
        let Some(unsure) = self.vcpus[at].unsure.pop_front() else { return };
        self.count_halted(at, &unsure);
        self.vcpus[at].counts.unsure += u64::from(!self.shows_page_ready());
    }

    /// A page ready that the guest takes would have left something in this log.
    fn shows_page_ready(&self) -> bool {
        let by_interrupt =
            self.config.family == Some(Family::Int) || self.seen.by_interrupt || self.seen.repeated;
        let always = self.config.known.contains(&INV_12);
        by_interrupt && !always && (self.seen.interrupts || self.seen.accepts || self.seen.writes)
    }

    /// The local APIC takes the vector of page ready, right after one: its request was told.
    pub(super) fn page_ready_accepted(&mut self, at: usize) {
        self.seen.by_interrupt = true;
        self.seen.vector = true;
        if let Some((_, Some(request))) = self.vcpus[at].last_ready {
            self.told_by_interrupt(at, request.token);
        }
    }

    /// The vector of page ready is injected, maybe some entries later. No other page ready comes
    /// before it is acknowledged.
    pub(super) fn page_ready_injected(&mut self, at: usize) {
        self.seen.by_interrupt = true;
        self.seen.vector = true;
        if !self.seen.accepts
            && let Some(token) = self.vcpus[at].unsure.back().map(|one| one.token)
        {
            self.told_by_interrupt(at, token);
        }
    }

    /// Page ready raised an interrupt: its request was told.
    pub(super) fn told_by_interrupt(&mut self, at: usize, token: Token) {
        if self.seen.exceptions || self.config.known.contains(&INV_12) {
            return;
        }
        let own = &mut self.vcpus[at];
        let Some(place) = own.unsure.iter().position(|one| one.token == token) else { return };
        let Some(unsure) = own.unsure.remove(place) else { return };
        own.raise(unsure.ready, Some(token));
        self.count_told_by_ready(at, unsure.ready, unsure.begun);
    }

    /// The guest acknowledges a page ready. Where interrupts are not recorded, it was told of the
    /// request of the oldest one that is not acknowledged.
    pub(super) fn told_by_acknowledgement(&mut self, at: usize) {
        if self.seen.exceptions || self.seen.vector || self.config.known.contains(&INV_12) {
            return;
        }
        let own = &mut self.vcpus[at];
        let Some(unsure) = own.unsure.front().copied() else { return };
        if own.raised.first().is_some_and(|raised| raised.event.ns <= unsure.ready.ns) {
            return;
        }
        own.unsure.pop_front();
        own.raised
            .insert(0, Raised { event: unsure.ready, token: Some(unsure.token), accepted: false });
        self.count_told_by_ready(at, unsure.ready, unsure.begun);
    }

    pub(super) fn count_told_by_ready(&mut self, at: usize, ready: LogEvent, begun: u64) {
        let own = &mut self.vcpus[at];
        own.counts.told += 1;
        own.takes_part = true;
        self.survey.told += 1;
        self.survey.told_by_ready += 1;
        self.survey.course.count(at, ready.ns, Counted::Told);
        let latency = ready.ns.saturating_sub(begun);
        self.survey.course.latencies(at).told.record(latency);
    }

    /// The family whose page ready is an exception, as far as the log has shown it.
    fn is_by_exception(&self) -> bool {
        self.family() == (Family::V7, true)
    }

    /// An exception after a page ready, while a request waits for its own.
    fn whose_exception(&mut self, at: usize) -> Whose {
        // What is said of the kernel goes before what its events look like.
        match self.family() {
            (Family::V7, _) => return Whose::PageReady,
            (Family::V5, _) => return Whose::Request,
            (Family::Int, _) => {
                let given = self.config.family.is_some();
                if given || self.seen.by_interrupt || self.seen.repeated {
                    return Whose::Request;
                }
            }
        }
        if self.vcpus[at].slept {
            // Who is told does not sleep before the exception.
            self.seen.ready_exceptions += 1;
            return Whose::PageReady;
        }
        Whose::Unknown
    }

    /// An exception while a request waits for its own. Says whether it is the request's.
    pub(super) fn own_exception(&mut self, at: usize, event: LogEvent, untold: Untold) -> bool {
        let after_ready = untold.crossed || untold.readied.is_some();
        match if after_ready { self.whose_exception(at) } else { Whose::Request } {
            Whose::Request => {
                self.count_told(at, event, untold, self.announced_ns(at, untold.token));
                true
            }
            Whose::PageReady => {
                self.vcpus[at].untold = Some(untold);
                self.ready_exception(at, event);
                false
            }
            Whose::Unknown => {
                let announced = self.announced_ns(at, untold.token);
                let ready = self.vcpus[at].last_ready;
                if self.ambiguous.len() == MOST_AMBIGUOUS {
                    let oldest = self.ambiguous.remove(0);
                    self.settle_ambiguous(oldest);
                }
                self.ambiguous.push(Ambiguous { at, untold, event, announced, ready });
                true
            }
        }
    }

    fn announced_ns(&self, at: usize, token: Token) -> Option<u64> {
        let own = &self.vcpus[at];
        own.place_of(token).map(|place| own.requests[place].announced.ns)
    }

    fn count_told(&mut self, at: usize, event: LogEvent, untold: Untold, announced: Option<u64>) {
        let own = &mut self.vcpus[at];
        own.counts.told += 1;
        self.survey.told += 1;
        self.survey.course.count(at, event.ns, Counted::Told);
        self.survey.crossed += u64::from(untold.crossed);
        if let Some(ready) = untold.readied {
            self.survey.ready_before_exception += 1;
            let begun = untold.begun.unwrap_or(ready.ns);
            self.survey.course.latencies(at).told.record(ready.ns.saturating_sub(begun));
        }
        if let Some(announced) = announced {
            let latency = event.ns.saturating_sub(announced);
            self.survey.course.latencies(at).not_present_to_exception.record(latency);
        }
    }

    /// The exception of a page ready, as before 5.8: also of a request that was not told.
    pub(super) fn ready_exception(&mut self, at: usize, event: LogEvent) {
        let ready = self.vcpus[at].last_ready.take();
        self.untold_exception(at, event, ready);
    }

    fn untold_exception(
        &mut self,
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
            self.vcpus[at].label()
        );
        let id = INV_12;
        let story = [request.announced, ready].into_iter().chain(self.vcpus[at].recent()).collect();
        self.defer(Deferred { id, needs: Needs::ReadyByException, event, text, story });
    }

    /// The log is over, or has shown which kernel it is.
    pub(super) fn settle_told_by(&mut self) {
        for ambiguous in std::mem::take(&mut self.ambiguous) {
            self.settle_ambiguous(ambiguous);
        }
        for at in 0..self.vcpus.len() {
            while !self.vcpus[at].unsure.is_empty() {
                self.settle_oldest(at);
            }
            let open = self.vcpus[at].requests.iter().filter(|one| one.uncounted).count() as u64;
            self.vcpus[at].counts.unsure += open;
            self.halted_still(at, open);
        }
    }

    fn settle_ambiguous(&mut self, one: Ambiguous) {
        let Ambiguous { at, untold, event, announced, ready } = one;
        if !self.is_by_exception() {
            self.count_told(at, event, untold, announced);
            return;
        }
        self.vcpus[at].counts.halted += 1;
        self.survey.course.count(at, event.ns, Counted::Halted);
        if let Some((ready, begun)) = untold.readied.zip(untold.begun) {
            let latency = ready.ns.saturating_sub(begun);
            self.survey.course.latencies(at).halted.record(latency);
        }
        self.untold_exception(at, event, ready);
    }
}
