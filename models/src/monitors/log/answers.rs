//! Page ready: INV-12 to INV-14, and what only page readies confirm.

use super::clocks::{self, ClocksDiffer};
use super::completions::Completions;
use super::course::Counted;
use super::deferred::{Deferred, Needs};
use super::event::LogEvent;
use super::request::{Notices, Request, Told, Unfinished};
use super::state::LogState;
use super::vcpu::{VcpuLog, after, counter, owner};
use super::{begins, drained, halt_spins, requests, tokens, told};
use crate::base::ids::{Gfn, Gva, PAGE_SIZE, Token};
use crate::monitors::catalogue::{INV_05, INV_12, INV_13, INV_14};

/// Why a missing page ready may be no breach where `kvm_msr` is not recorded.
pub(super) const OFF: &str =
    "the guest may have turned notices off (kvm_msr would show it), or its vCPU been reset";
const WANDERING: &str = "a vCPU of this log is run by several threads";
const NAMESAKE: &str = "its request is outstanding in another thread, which runs the vCPU that the token names: the \
                        same one, handed over, or one of another VM";
const VAIN: &str = "its frame was tried in this log and no not present followed; unless repeated \
                    faults are not recorded (kvm_async_pf_repeated_fault), not present is missing";
const LATE: &str = "its page ready came after all, behind requests that were begun after its \
                    completion; do the clocks of the processors differ? record with `trace_clock` \
                    mono";

/// Page ready, of a request or as a wake-all.
pub(super) fn ready(
    log: &mut LogState,
    completions: &mut Completions,
    at: usize,
    event: LogEvent,
    token: Token,
    gva: Gva,
) {
    if !log.seen.ready {
        begins::page_readies(log, at, token);
    }
    log.seen.ready = true;
    log.vcpus[at].ready_ns = Some(event.ns);
    log.vcpus[at].moved = log.vcpus[at].entries;
    ready_after_ack(log, at, event);
    // Old kernels print the item's own token, which is 0, before they make it all ones.
    let zero = token.0 == 0 && log.vcpus[at].place_of(token).is_none();
    if gva.0 == 0 && (token == Token::WAKE_ALL || zero) {
        wake_all(log, at, event);
        return;
    }
    let own = &mut log.vcpus[at];
    own.counts.ready += 1;
    log.survey.course.count(at, event.ns, Counted::Ready);
    let own = &mut log.vcpus[at];
    own.readies_since_ack += 1;
    if let Some(untold) = &mut own.untold {
        untold.crossed |= untold.token != token;
    }
    tokens::ready(log, at, event, token);
    let found = log.vcpus[at].place_of(token);
    let Some(place) = found.filter(|&place| log.vcpus[at].requests[place].gva == gva) else {
        unknown_ready(log, completions, at, event, token, gva);
        return;
    };
    requests::confirm_double(log, at, place, event);
    note_order(log, at, place);
    let request = requests::dequeued(log, completions, at, place);
    time_ready(log, at, event, &request);
    log.vcpus[at].watch.ready(event, token, request.gfn());
    let seq = log.seq;
    let own = &mut log.vcpus[at];
    own.answer(token, event);
    own.last_ready = Some((event, Some(request)));
    if let Some(untold) = own.untold.as_mut().filter(|untold| untold.token == token) {
        untold.readied = Some(event);
        untold.begun = Some(request.tried.unwrap_or(request.announced.ns));
    } else if request.told == Told::Yes {
        own.unheard = log.seen.exceptions.then_some((event, request));
        own.raise(event, Some(token));
        drained::raised(log, at, event);
    }
    let own = &mut log.vcpus[at];
    if request.completed.is_none() && !request.doubtful && !request.shared {
        let unseen_worker = own.unstarted.iter().any(|one| one.request.seq == request.seq);
        own.unfinished.push(Unfinished {
            request,
            ready: event,
            seq,
            overdue: None,
            entered: None,
            unseen_worker,
        });
    }
    count_over(log, at, event, &request);
    find_overtaken(log, completions, at, event, &request);
    completions.find_unfinished(log, at, event, request.seq);
    completions.pass_orphans(log, at, &request);
}

fn time_ready(log: &mut LogState, at: usize, event: LogEvent, request: &Request) {
    let latencies = log.survey.course.latencies(at);
    if let Some(completed) = request.completed {
        latencies.completed_to_ready.record(event.ns.saturating_sub(completed.ns));
    }
    let begun = request.tried.unwrap_or(request.announced.ns);
    match request.told {
        Told::Yes => latencies.told.record(event.ns.saturating_sub(begun)),
        Told::No if request.uncounted => told::unsure(log, at, request.token, event, begun),
        Told::No => latencies.halted.record(event.ns.saturating_sub(begun)),
        // Its own exception is still to come.
        Told::Open => {}
    }
}

fn note_order(log: &mut LogState, at: usize, place: usize) {
    let requests = &log.vcpus[at].requests;
    let Some(completed) = requests[place].completed else { return };
    let before = |r: &Request| r.completed.is_some_and(|other| other.seq < completed.seq);
    log.survey.ready_out_of_order +=
        u64::from(requests.iter().any(|request| !request.doubtful && before(request)));
}

/// A page ready for no outstanding request of its vCPU and frame.
fn unknown_ready(
    log: &mut LogState,
    completions: &mut Completions,
    at: usize,
    event: LogEvent,
    token: Token,
    gva: Gva,
) {
    if came_after_all(log, at, token, gva) {
        log.vcpus[at].answer(token, event);
        return;
    }
    let own = &log.vcpus[at];
    let label = own.label();
    let frame = Gfn(gva.0 / PAGE_SIZE);
    let before = own.answered.values().find(|&(other, _)| other == token);
    if let Some((_, before)) = before {
        let text = format!("page ready {token} of {label} comes a second time");
        log.say(at, INV_14, event, text, &[before]);
        return;
    }
    if let Some(Elsewhere { other, place, same_vcpu: true, .. }) = elsewhere(log, at, token, gva) {
        handed_over(log, at, (other, place), event, token);
        return;
    }
    let why = match log.seen.wandering {
        // It may have been announced in another thread.
        true => None,
        false => never_announced(log, at, token, gva),
    };
    let (sure, unsure) = if log.seen.announced { (why, None) } else { (None, why) };
    if let Some((why, before)) = sure {
        let text = format!("page ready {token} of {label} has no not present: {why}");
        log.say(at, INV_12, event, text, &before);
        // What it was meant for is answered, however wrongly.
        let own = &log.vcpus[at];
        if let Some(place) = own.requests.iter().position(|r| r.gfn() == frame) {
            requests::drop_request(log, completions, at, place);
        }
        log.vcpus[at].answer(token, event);
        return;
    }
    if let Some((why, before)) = unsure {
        let text = format!("page ready {token} of {label} has no not present: {why}");
        let story = log.vcpus[at].story(&before);
        let needs = Needs::Announcements;
        log.deferred.keep(Deferred { id: INV_12, needs, event, text, story });
    }
    log.survey.from_before += 1;
    if log.seen.wandering {
        log.ledger.unjudged(INV_12, WANDERING, 1);
    }
    let own = &mut log.vcpus[at];
    if own.unannounced_try(frame).is_some() {
        log.ledger.unjudged(INV_12, VAIN, 1);
    }
    own.early(token, event);
    own.answer(token, event);
    completions.unseen_request(log, gva);
}

/// Why a token was surely not announced before the log began; nothing when it may have been.
fn never_announced(
    log: &LogState,
    at: usize,
    token: Token,
    gva: Gva,
) -> Option<(&'static str, Vec<LogEvent>)> {
    let own = &log.vcpus[at];
    let frame = Gfn(gva.0 / PAGE_SIZE);
    let same = |r: &&Request| r.gfn() == frame && !r.doubtful;
    let of_frame = own.requests.iter().find(same).filter(|_| log.seen.shows_frames());
    if let Some(request) = of_frame {
        return Some((
            "the outstanding request for its frame has another token",
            vec![request.announced],
        ));
    }
    if let Some(place) = own.place_of(token).filter(|&at| !own.requests[at].doubtful) {
        return Some((
            "the request of that token is for another frame",
            vec![own.requests[place].announced],
        ));
    }
    if let Some(Elsewhere { request, .. }) = elsewhere(log, at, token, gva) {
        return Some(("it was announced to another vCPU", vec![request.announced]));
    }
    if let Some((_, off)) = own.dropped.values().find(|&(dropped, _)| dropped == token) {
        return Some(("the guest turned notices off, which dropped its request", vec![off]));
    }
    if token == Token::WAKE_ALL || token.0 == 0 {
        return None;
    }
    if own.token_id.or(own.id).is_some_and(|id| id != owner(token)) {
        return Some(("the token is that of another vCPU", Vec::new()));
    }
    let unannounced = own.unannounced_try(frame).filter(|_| !log.seen.translated);
    if let Some(told) = unannounced.and_then(|attempt| attempt.told) {
        return Some((
            "the guest was told of a fault on its frame, and no not present was printed",
            vec![told],
        ));
    }
    // Otherwise it may have been a repeated fault on a request from before.
    let repeated = log.seen.repeated || log.seen.old_name;
    if repeated && own.first.is_some() && unannounced.is_some() {
        return Some(("its frame was tried in this log, and no request came of it", Vec::new()));
    }
    let first = own.first?;
    (counter(token) == first || after(counter(token), first))
        .then(|| ("its token is younger than the first one in this log", Vec::new()))
}

/// A request of another thread.
struct Elsewhere {
    other: usize,
    place: usize,
    request: Request,
    /// The thread may run the vCPU that the token names.
    same_vcpu: bool,
}

/// The request of that token and address in another thread that may be of the same VM.
fn elsewhere(log: &LogState, at: usize, token: Token, gva: Gva) -> Option<Elsewhere> {
    let own = &log.vcpus[at];
    let same_vcpu = own.vcpu_number().is_none_or(|number| number == owner(token));
    log.vcpus.iter().enumerate().find_map(|(number, other)| {
        let place = other.place_of(token).filter(|_| number != at)?;
        let request = other.requests[place];
        (request.gva == gva && !own.is_of_another_vm(other)).then_some(Elsewhere {
            other: number,
            place,
            request,
            same_vcpu,
        })
    })
}

/// Page ready of a request that another thread has announced. Any thread of a VMM may run any of its
/// vCPUs (`kvm_vcpu_ioctl` takes the vCPU's mutex, and asks for nothing else), so that it may be the
/// same one; or it answers a request from before the log, of a VM that has the same token outstanding.
fn handed_over(
    log: &mut LogState,
    at: usize,
    (other, place): (usize, usize),
    event: LogEvent,
    token: Token,
) {
    log.ledger.unjudged(INV_12, NAMESAKE, 1);
    log.survey.from_before += 1;
    log.seen.wandering = true;
    log.vcpus[other].requests[place].doubtful = true;
    log.vcpus[at].kin = Some(other);
    log.vcpus[at].answer(token, event);
}

fn wake_all(log: &mut LogState, at: usize, event: LogEvent) {
    halt_spins::wake_all(log, at);
    let own = &mut log.vcpus[at];
    own.counts.wake_alls += 1;
    own.readies_since_ack += 1;
    own.takes_part = true;
    if let Notices::Off(_) = own.notices {
        // The VMM has restored a state in which they are on, of which no line is printed.
        own.notices = Notices::Unknown;
    }
    own.raise(event, None);
    // It answers whatever was told before, and what was cleared before it needs no answer.
    for request in &mut own.requests {
        request.doubtful = true;
    }
    own.suspects.clear();
    own.over = None;
    own.last_ready = Some((event, None));
}

fn count_over(log: &mut LogState, at: usize, event: LogEvent, request: &Request) {
    let cap = log.config.cap;
    let own = &mut log.vcpus[at];
    let Some(over) = &mut own.over else { return };
    if request.seq > over.seq {
        return;
    }
    over.readied += 1;
    // Requests that a guest has dropped silently are never ready: most of them were real.
    if over.readied > cap * 3 / 4 {
        let over = *over;
        own.over = None;
        let text = format!(
            "{} had {} requests outstanding at line {}; the cap is {cap}",
            own.label(),
            over.count,
            over.event.line
        );
        log.say(at, INV_05, event, text, &[over.event]);
    }
}

/// Requests that were completed before this one was begun, and are not ready yet.
fn find_overtaken(
    log: &mut LogState,
    completions: &mut Completions,
    at: usize,
    event: LogEvent,
    request: &Request,
) {
    let overtaken = |own: &VcpuLog, other: &Request| {
        own.surely_completed(other).is_some_and(|done| done.seq < request.begun)
    };
    let own = &log.vcpus[at];
    let count = own.requests.iter().filter(|other| overtaken(own, other)).count();
    let all = count > 1 && !log.seen.registers;
    for _ in 0..count {
        let own = &log.vcpus[at];
        let Some(place) = own.requests.iter().position(|other| overtaken(own, other)) else {
            break;
        };
        if all {
            // A queue that is cleared loses all at once, a lost page ready goes alone.
            log.ledger.unjudged(INV_13, OFF, 1);
            requests::drop_request(log, completions, at, place);
        } else {
            requests::missing_ready(log, completions, at, place, event);
        }
    }
}

/// A page ready comes after an acknowledgement that had none before it.
fn ready_after_ack(log: &mut LogState, at: usize, ready: LogEvent) {
    let Some(ack) = log.vcpus[at].unexpected_ack.take() else { return };
    if clocks::may_differ(&ack, &ready) {
        ClocksDiffer::note(&mut log.survey.clocks, ack, ready);
    }
}

/// The page ready of a request that was found to have none.
fn came_after_all(log: &mut LogState, at: usize, token: Token, gva: Gva) -> bool {
    let own = &mut log.vcpus[at];
    let same = |one: &Request| one.token == token && one.gva == gva;
    let Some(place) = own.missed.iter().position(same) else { return false };
    let request = own.missed.remove(place);
    own.suspects.retain(|(one, _)| one.seq != request.seq);
    log.ledger.excuse_request(request.seq);
    log.ledger.unjudged(INV_13, LATE, 1);
    true
}
