//! Requests from their try to their announcement: INV-01, INV-02 and INV-05.

use super::clocks::{self, ClocksDiffer};
use super::completions::Completions;
use super::event::LogEvent;
use super::request::{Attempt, AwaitingException, Over, Request, Told};
use super::seen::SeenInLog;
use super::state::LogState;
use super::vcpu::{VcpuLog, after, counter, owner};
use super::{begins, exceptions, gaps, requests, tokens, told};
use crate::base::ids::{Gfn, Gva, PAGE_SIZE, Token};
use crate::monitors::catalogue::{INV_01, INV_02, INV_12};
use crate::trace::kernel::{KernelEvent, KernelExit};

const FRAMES: &str = "an address is requested while it is outstanding: with shadow paging, or when the guest has \
                      guests, two frames may have it (kvm_try_async_get_page tells)";
/// Requests that are followed on a vCPU; a correct kernel has no more than the cap.
const MAX_REQUESTS: usize = 512;

/// A fault for which the host tries to go asynchronous.
pub(super) fn tried(log: &mut LogState, at: usize, event: LogEvent, gva: Gva, gfn: Gfn) {
    log.seen.tries = true;
    log.seen.translated |= gva.0 / PAGE_SIZE != gfn.0;
    let own = &mut log.vcpus[at];
    own.counts.tries += 1;
    if let Some((exit, ns)) = own.last_exit
        && matches!(exit, KernelExit::NestedFault | KernelExit::PageFault)
    {
        log.survey.course.latencies(at).exit_to_try.record(event.ns.saturating_sub(ns));
    }
    for request in own.requests.iter_mut().filter(|request| request.gfn() == gfn) {
        request.again = true;
    }
    exceptions::not_heard(log, at, event);
    requests::settle_attempt(log, at);
    told::settle_told(log, at);
    let own = &mut log.vcpus[at];
    let outstanding = own.requests.len();
    own.attempt = Some(Attempt { outstanding, told: None, gva, gfn, ns: event.ns, event });
    own.watch.progress();
    own.halted_for = Some((gfn, event));
}

/// Not present: the try before it has become a request.
pub(super) fn announced(
    log: &mut LogState,
    completions: &mut Completions,
    at: usize,
    event: LogEvent,
    token: Token,
    gva: Gva,
) {
    if !log.seen.announced {
        begins::announcements(log, at);
    }
    log.seen.announced = true;
    told::settle_told(log, at);
    let begun = log.vcpus[at].before_last;
    let attempt = log.vcpus[at].attempt.take().filter(|attempt| attempt.gva == gva);
    if clocks_differ(log, at, event, token, gva) {
        // It is answered already, and its exception is still to come.
        let (readied, begun, crossed, interrupts) = (None, None, false, None);
        log.vcpus[at].untold =
            Some(AwaitingException { token, readied, begun, crossed, interrupts });
        return;
    }
    let frame = attempt.map(|attempt| attempt.gfn);
    name_is_free(log, completions, at, event, token, gva, frame);
    let seq = log.seq;
    let own = &mut log.vcpus[at];
    let count = counter(token);
    let zero = own.zero.take_if(|_| token.0 != 0);
    if own.first.is_none() {
        own.first = Some(count);
    }
    if own.token_id.is_none() {
        own.token_id = Some(owner(token));
        tokens::foreign_early(log, at, event, token);
    }
    let own = &mut log.vcpus[at];
    let tried = attempt.map(|attempt| attempt.ns);
    own.requests.push(Request {
        token,
        gva,
        frame,
        announced: event,
        seq,
        begun,
        tried,
        completed: None,
        told: Told::Open,
        went_on: false,
        again: false,
        uncounted: false,
        doubtful: false,
        shared: false,
        early: false,
        unseen_ready: false,
        doubled: None,
        read: own.watch.read.take(),
        work: own.watch.work.take(),
    });
    let table = own.table.take_if(|table| table.0 / PAGE_SIZE == gva.0 / PAGE_SIZE);
    log.survey.table_requests += u64::from(table.is_some());
    own.watch.announced(event, frame.unwrap_or(Gfn(gva.0 / PAGE_SIZE)));
    own.watch.progress();
    own.halted_for = Some((frame.unwrap_or(Gfn(gva.0 / PAGE_SIZE)), event));
    own.untold = Some(AwaitingException {
        token,
        readied: None,
        begun: None,
        crossed: false,
        interrupts: None,
    });
    (own.slept, own.interrupted) = (false, false);
    gaps::announced(log, at, &event, token);
    completions.begin(at, gva, seq);
    completions.claim_early(log, at, gva, begun);
    if log.vcpus[at].requests.len() > MAX_REQUESTS {
        // Their page readies are not recorded, or were lost.
        let doubtful = log.vcpus[at].requests.iter().position(|request| request.doubtful);
        requests::drop_request(log, completions, at, doubtful.unwrap_or(0));
    }
    if let Some(zero) = zero {
        tokens::after_zero(log, at, zero, count);
    }
    check_cap(log, at, event);
    check_early(log, completions, at, event, token);
    log.survey.course.outstanding(at, event.ns, true);
}

/// What a token and its frame must not be when they are announced.
fn name_is_free(
    log: &mut LogState,
    completions: &mut Completions,
    at: usize,
    event: LogEvent,
    token: Token,
    gva: Gva,
    tried: Option<Gfn>,
) {
    let frame = tried.unwrap_or(Gfn(gva.0 / PAGE_SIZE));
    tokens::announced(log, at, event, token);
    if let Some(place) = log.vcpus[at].place_of(token) {
        let other = log.vcpus[at].requests[place];
        if other.doubtful {
            requests::drop_request(log, completions, at, place);
        } else {
            let label = log.vcpus[at].label();
            let text = format!("token {token} of {label} is announced while it is outstanding");
            log.say(at, INV_02, event, text, &[other.announced]);
            if other.gfn() == frame && is_comparable(log.seen, tried, &other) {
                let text = format!(
                    "frame {frame} of {label} is announced while a request for it is \
                     outstanding"
                );
                log.say(at, INV_01, event, text, &[other.announced]);
            }
            // The second one takes the place of the first, so that it is told of once.
            requests::drop_request(log, completions, at, place);
        }
    } else if log.vcpus[at].token_id.is_some_and(|id| id != owner(token)) {
        foreign_token(log, completions, at, event, token);
    }
    let seen = log.seen;
    let same_frame = |comparable: bool| {
        let same = |r: &Request| r.gfn() == frame && is_comparable(seen, tried, r) == comparable;
        log.vcpus[at].requests.iter().position(same)
    };
    let open = same_frame(false).is_some_and(|place| !log.vcpus[at].requests[place].doubtful);
    if let Some(place) = same_frame(true) {
        let other = log.vcpus[at].requests[place];
        if other.doubtful {
            requests::drop_request(log, completions, at, place);
        } else if log.vcpus[at].surely_completed(&other).is_some() && log.vcpus[at].counts.ready > 0
        {
            // The frame is taken out of the hash when the request is dequeued.
            requests::missing_ready(log, completions, at, place, event);
        } else if other.completed.is_some() {
            requests::drop_request(log, completions, at, place);
        } else {
            log.vcpus[at].requests[place].doubled = Some(event);
        }
    } else if !seen.tries {
        log.ledger.unjudged(INV_01, FRAMES, u64::from(open));
    }
}

/// Whether a frame, which was `tried` or is that of the address, can be held against that of a request.
fn is_comparable(seen: SeenInLog, tried: Option<Gfn>, other: &Request) -> bool {
    seen.shows_frames() || (tried.is_some() && other.frame.is_some())
}

/// A token with the number of another vCPU.
fn foreign_token(
    log: &mut LogState,
    completions: &mut Completions,
    at: usize,
    event: LogEvent,
    token: Token,
) {
    let same_vm = |own: &VcpuLog, other: &VcpuLog| {
        (own.tgid.is_some() && own.tgid == other.tgid)
            || own.bases.iter().any(|base| other.has_base(base.host))
    };
    let own = &log.vcpus[at];
    let held = log.vcpus.iter().enumerate().find_map(|(number, other)| {
        let place = other.place_of(token).filter(|_| number != at && same_vm(own, other))?;
        Some((number, other.requests[place].announced))
    });
    if let Some((other, announced)) = held {
        let text = format!(
            "token {token} of {} is outstanding on {} already",
            log.vcpus[at].label(),
            log.vcpus[other].label()
        );
        log.say(at, INV_02, event, text, &[announced]);
    } else if token.0 != 0 && token != Token::WAKE_ALL {
        requests::becomes_another(log, completions, at);
    }
}

/// A page ready that came before this announcement, and was put down to before the log.
fn check_early(
    log: &mut LogState,
    completions: &mut Completions,
    at: usize,
    event: LogEvent,
    token: Token,
) {
    if log.seen.wandering {
        // It may have been announced in another thread before.
        return;
    }
    let own = &log.vcpus[at];
    let first = own.first.unwrap_or(0);
    let late = own.early.values().find(|&(early, _)| {
        early == token || after(counter(early), first) || counter(early) == first
    });
    if let Some((early, ready)) = late {
        log.vcpus[at].early.empty();
        let text =
            format!("page ready {early} of {} came before its not present", log.vcpus[at].label());
        log.say(at, INV_12, event, text, &[ready]);
        if early == token
            && let Some(place) = log.vcpus[at].place_of(token)
        {
            requests::drop_request(log, completions, at, place);
        }
    }
}

/// A vCPU has no more requests than the cap.
fn check_cap(log: &mut LogState, at: usize, event: LogEvent) {
    let cap = log.config.cap as usize;
    let seq = log.seq;
    let own = &mut log.vcpus[at];
    let count = own.outstanding();
    own.counts.most = own.counts.most.max(count);
    if count > cap && own.over.is_none() {
        own.over = Some(Over { event, seq, count, readied: 0 });
    }
}

/// A token is announced whose page ready is in the log already, printed on another processor less
/// than a tick before.
fn clocks_differ(log: &mut LogState, at: usize, event: LogEvent, token: Token, gva: Gva) -> bool {
    let same = |ready: &LogEvent| {
        matches!(ready.event, KernelEvent::Ready { gva: other, .. } if other == gva)
            && clocks::may_differ(ready, &event)
    };
    let found = log.vcpus[at].answered.values().find(|(one, ready)| *one == token && same(ready));
    let Some((_, ready)) = found else { return false };
    ClocksDiffer::note(&mut log.survey.clocks, ready, event);
    true
}
