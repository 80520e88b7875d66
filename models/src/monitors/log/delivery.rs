//! How the guest hears of requests: exceptions, interrupts and registers. INV-13's other half, and
//! INV-33.

use super::completions::Completions;
use super::deferred::{Deferred, Needs};
use super::event::LogEvent;
use super::exceptions::{self, Exceptions};
use super::request::{Notices, Told};
use super::state::LogState;
use super::{drained, halt_spins, requests, told};
use crate::base::abi::{
    CALLBACK as LINUX_VECTOR, MSR_ASYNC_PF_ACK as MSR_ACK, MSR_ASYNC_PF_EN as MSR_EN,
    MSR_ASYNC_PF_INT as MSR_INT, PAGE_FAULT,
};
use crate::base::ids::Token;
use crate::monitors::catalogue::{INV_06, INV_12, INV_13, INV_22, INV_33};
use crate::trace::kernel::KernelExit;

/// Acknowledgements that may answer page readies from before the log or a loss: of the one that
/// was raised, and of the next, raised inside that one's exit.
const UNKNOWN_ACKS: u64 = 2;
const CANCELLED: &str =
    "the guest turned notices off before its worker said that the page is there";
const OFF_FIRST: &str = "the guest turned notices off before it acknowledged a page ready";
const SMM: &str = "a system management interrupt ended, which may drop what is outstanding";
const UNTOLD: &str = "it was announced before the log's first kvm_inj_exception";
const NESTED: &str = "the guest has guests, and may have been told by an exit of one";

/// An exception is injected: not present or, before 5.8, page ready.
pub(super) fn exception(
    log: &mut LogState,
    exceptions: &mut Exceptions,
    at: usize,
    event: LogEvent,
    (vector, error_code, reinjected): (u8, Option<u32>, bool),
) {
    if vector == PAGE_FAULT && reinjected {
        log.vcpus[at].unheard = None;
    }
    if vector != PAGE_FAULT || error_code != Some(0) || reinjected {
        return;
    }
    log.vcpus[at].spin.useful();
    let own = &mut log.vcpus[at];
    own.unheard = None;
    let Some(untold) = own.untold.take() else {
        // Of the try before it, of which no not present is in the log.
        if let Some(attempt) = own.attempt.as_mut().filter(|_| own.last_ready.is_none()) {
            attempt.told.get_or_insert(event);
        }
        // Before 5.8 page ready is an exception too.
        let just = matches!(own.last_ready, Some((ready, _)) if event.ns - ready.ns.min(event.ns) < 1_000_000);
        log.seen.ready_exceptions += u64::from(just);
        exceptions::ready_exception(log, at, event);
        return;
    };
    if !exceptions.own_exception(log, at, event, untold) {
        return;
    }
    told_though_off(log, at, event, untold.token);
    let own = &mut log.vcpus[at];
    own.takes_part = true;
    if let Some(place) = own.place_of(untold.token) {
        own.requests[place].told = Told::Yes;
    }
    own.told_at = own.entries;
    if let Some(ready) = untold.readied {
        own.raise(ready, Some(untold.token));
    }
    own.goes_on();
    drained::raised(log, at, event);
    // The guest takes part, and was not sent a wake-all: it never turned notices off.
    for (request, seen) in std::mem::take(&mut log.vcpus[at].suspects) {
        requests::unanswered(log, at, &request, seen);
    }
    halt_spins::settle_spins_of(log, at, false);
}

/// The guest is told of a request: it has not turned notices off (`kvm_can_deliver_async_pf` looks for
/// both bits).
fn told_though_off(log: &mut LogState, at: usize, event: LogEvent, token: Token) {
    let label = log.vcpus[at].label();
    let (off, needs, what) = match log.vcpus[at].notices {
        Notices::Unknown | Notices::On => return,
        Notices::Off(off) => (off, Needs::Exceptions, "turned notices off"),
        Notices::WithoutInterrupt(off) => {
            (off, Needs::ReadyByInterrupt, "turned notices on without page ready by interrupt")
        }
    };
    let text = format!(
        "{label} is told of request {token}, though its guest has {what} at line {}",
        off.line
    );
    let story = log.vcpus[at].story(&[off]);
    log.deferred.keep(Deferred { id: INV_22, needs, event, text, story });
}

/// An interrupt is injected.
pub(super) fn interrupt(log: &mut LogState, at: usize, vector: u8, reinjected: bool) {
    if !reinjected {
        log.vcpus[at].spin.useful();
    }
    log.seen.by_interrupt |= vector == LINUX_VECTOR;
    log.vcpus[at].interrupted = true;
    if vector == LINUX_VECTOR && !reinjected {
        told::page_ready_injected(log, at);
    }
}

/// An interrupt that the processor delivers without an exit.
pub(super) fn posted(log: &mut LogState, at: usize, vector: u8) {
    log.vcpus[at].spin.useful();
    log.seen.accepts = true;
    if vector == LINUX_VECTOR {
        told::page_ready_accepted(log, at);
        taken(log, at);
    }
}

/// The local APIC takes an interrupt: INV-12 and INV-13 where it is that of a page ready whose
/// request was not told.
pub(super) fn accepted(log: &mut LogState, at: usize, event: LogEvent, vector: u8) {
    log.vcpus[at].spin.useful();
    log.vcpus[at].interrupted = true;
    if vector != LINUX_VECTOR {
        return;
    }
    told::page_ready_accepted(log, at);
    taken(log, at);
    let Some((ready, Some(request))) = log.vcpus[at].last_ready.take() else { return };
    let untold = log.vcpus[at].untold.as_mut();
    if let Some(untold) = untold.filter(|untold| untold.token == request.token) {
        // Its exception may still come, and go first.
        untold.interrupts = Some(event);
        return;
    }
    if request.told != Told::No || !log.seen.entries || log.seen.wandering {
        return;
    }
    if log.seen.nested {
        // Its own guest's exit tells it, which no exception shows.
        log.ledger.unjudged(INV_13, NESTED, 1);
        return;
    }
    if request.seq < log.exceptions_from {
        log.ledger.unjudged(INV_13, UNTOLD, 1);
        return;
    }
    let label = log.vcpus[at].label();
    let token = request.token;
    let (id, text) = if request.went_on && !request.again {
        let text = format!(
            "{label} was entered after not present {token} with neither the exception nor a \
             halt, and was interrupted for its page ready: the exception did not arrive"
        );
        (INV_13, text)
    } else {
        let text = format!(
            "page ready {token} interrupts {label}, which was halted and not told not present"
        );
        (INV_12, text)
    };
    let before = [request.announced, ready];
    if log.seen.exceptions {
        log.say(at, id, event, text, &before);
    } else {
        // Exceptions may not be recorded at all.
        let story = log.vcpus[at].story(&before);
        log.deferred.keep(Deferred { id, needs: Needs::Exceptions, event, text, story });
    }
}

/// The local APIC has taken the interrupt of a page ready.
fn taken(log: &mut LogState, at: usize) {
    let own = &mut log.vcpus[at];
    own.takes += 1;
    if let Some(raised) = own.raised.iter_mut().find(|one| !one.accepted) {
        raised.accepted = true;
    }
}

/// The guest is entered: what it was not told of so far it is not told of any more.
pub(super) fn entered(log: &mut LogState, at: usize, event: LogEvent) {
    exceptions::not_heard(log, at, event);
    drained::entered(log, at, event);
    let own = &mut log.vcpus[at];
    if let Some(untold) = own.untold
        && let Some(place) = own.place_of(untold.token)
    {
        own.requests[place].went_on = !own.slept && !own.interrupted;
    }
    requests::settle_attempt(log, at);
    told::settle_told(log, at);
    let own = &mut log.vcpus[at];
    (own.slept, own.interrupted) = (false, false);
    own.last_ready = None;
    own.goes_on();
}

/// The guest is left.
pub(super) fn left(log: &mut LogState, at: usize, event: LogEvent, reason: KernelExit) {
    log.vcpus[at].last_exit = Some((reason, event.ns));
    log.vcpus[at].watch.left(reason);
    if reason == KernelExit::Rsm {
        left_smm(log, at);
    }
    if reason == KernelExit::Hlt {
        log.seen.hlts = true;
        halt_spins::halted(log, at, event);
    } else if !matches!(reason, KernelExit::NestedFault | KernelExit::PageFault) {
        log.vcpus[at].spin.left();
    }
}

/// The guest writes a register of notices.
pub(super) fn register(
    log: &mut LogState,
    completions: &mut Completions,
    at: usize,
    event: LogEvent,
    ecx: u32,
    data: u64,
) {
    match ecx {
        MSR_EN => {
            log.seen.registers = true;
            log.seen.by_interrupt |= data & 9 == 9;
            log.vcpus[at].notices = match data {
                _ if data & 1 == 0 => Notices::Off(event),
                _ if data & 8 == 0 => Notices::WithoutInterrupt(event),
                _ => Notices::On,
            };
            if data & 1 == 0 {
                turned_off(log, completions, at, event);
            } else {
                turned_on(log, at);
            }
        }
        MSR_INT => log.seen.by_interrupt = true,
        MSR_ACK if data & 1 != 0 => {
            log.seen.registers = true;
            log.seen.by_interrupt = true;
            acknowledged(log, at, event);
        }
        _ => {}
    }
}

/// The guest turns notices on: as one that boots, to which nothing of before is owed.
fn turned_on(log: &mut LogState, at: usize) {
    let own = &mut log.vcpus[at];
    own.raised.clear();
    (own.acks, own.takes, own.unacknowledged, own.moved) = (0, 0, None, own.entries);
}

/// A write that the host refused.
pub(super) fn refused(log: &mut LogState, at: usize, event: LogEvent, ecx: u32, data: u64) {
    if ecx == MSR_EN {
        let own = &mut log.vcpus[at];
        own.notices = Notices::Unknown;
        let ready = own.counts.ready;
        own.watch.refused(event, data, ready);
    }
}

/// The handler of a system management interrupt is over, which switches paging on again: many
/// kernels drop without a word what is outstanding then (`kvm_clear_async_pf_completion_queue`).
fn left_smm(log: &mut LogState, at: usize) {
    let own = &mut log.vcpus[at];
    let sure = own.requests.iter_mut().filter(|request| !request.doubtful);
    let mut dropped = 0;
    for request in sure {
        request.doubtful = true;
        dropped += 1;
    }
    own.suspects.clear();
    own.over = None;
    log.ledger.unjudged(INV_13, SMM, dropped);
}

/// The guest turns notices off, which drops all that is outstanding.
fn turned_off(log: &mut LogState, completions: &mut Completions, at: usize, event: LogEvent) {
    let own = &mut log.vcpus[at];
    if let Some(raised) = own.raised.first().copied().filter(|_| own.acks > 0) {
        let ready = own.counts.ready;
        own.watch.turned_off(raised.event, raised.token, event, ready);
        log.ledger.unjudged(INV_33, OFF_FIRST, 1);
    }
    while let Some(request) = log.vcpus[at].requests.first().copied() {
        log.vcpus[at].dropped(request.token, event);
        requests::drop_request(log, completions, at, 0);
    }
    let now = log.seq;
    completions.find_unfinished(log, at, event, now);
    let own = &mut log.vcpus[at];
    own.untold = None;
    own.suspects.clear();
    own.missed.clear();
    // A worker that was late before is not excused by what the guest does now.
    let before = own.unfinished.len();
    own.unfinished.retain(|one| one.overdue.is_some());
    let unfinished = (before - own.unfinished.len()) as u64;
    own.over = None;
    own.raised.clear();
    own.takes_part = false;
    log.ledger.unjudged(INV_06, CANCELLED, unfinished);
}

/// The guest acknowledges a page ready: INV-33.
fn acknowledged(log: &mut LogState, at: usize, event: LogEvent) {
    told::told_by_acknowledgement(log, at);
    let own = &mut log.vcpus[at];
    (own.unacknowledged, own.moved) = (None, own.entries);
    if own.raised.is_empty() {
        // A second one in a row, with no page ready of any kind in between.
        let told = own.counts.ready + own.counts.wake_alls > 0;
        let wrong = told && own.acks >= UNKNOWN_ACKS && own.readies_since_ack == 0;
        own.acks += 1;
        // Of a vCPU that several threads run, each has a part.
        if wrong && !log.seen.wandering {
            let own = &log.vcpus[at];
            let text = format!(
                "{} acknowledges page ready, and none came since the last time",
                own.label()
            );
            log.say(at, INV_33, event, text, &[]);
            log.vcpus[at].unexpected_ack = Some(event);
        }
        return;
    }
    let raised = own.raised.remove(0);
    // What came inside this exit belongs to the next acknowledgement.
    let exit = own.last_exit.filter(|(reason, _)| *reason == KernelExit::Msr);
    let inside = exit.map_or(0, |(_, ns)| ns);
    let after = own.ready_ns.filter(|&ns| ns >= inside);
    own.readies_since_ack = u64::from(after.is_some());
    own.acks += 1;
    log.survey.course.latencies(at).ready_to_ack.record(event.ns.saturating_sub(raised.event.ns));
}

/// A vCPU is kicked by another one of its VM.
pub(super) fn hypercall(log: &mut LogState, event: LogEvent, nr: u64, target: u64) {
    // KVM_HC_KICK_CPU; APIC ids are the numbers of vCPUs but on machines with odd topologies.
    if nr != 5 {
        return;
    }
    for own in &mut log.vcpus {
        if own.id.or(own.token_id).map(u64::from) == Some(target) {
            own.spin.kick(event.line);
        }
    }
}
