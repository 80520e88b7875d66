//! Completed requests that are not dequeued though their vCPU enters the guest: INV-15. And page
//! readies that nobody acknowledges: INV-33.

use super::event::LogEvent;
use super::request::Request;
use super::state::LogState;
use super::vcpu::VcpuLog;
use crate::monitors::catalogue::{Family, INV_15, INV_33};

/// Entries of a vCPU within which a completed request is dequeued. KVM looks for completed ones each
/// time that it goes round from an exit to the next entry (`vcpu_run`), and does not enter from a fast
/// path while it is asked to look (`KVM_REQ_APF_READY`): one or two are enough. The rest is a margin,
/// an assumption.
const ENTRIES: u64 = 16;
/// So many entries are counted between two looks at the list.
const STRIDE: u64 = 4;
/// Page readies that may be raised and unacknowledged: one, and the next, for which the guest has
/// cleared the slot before it acknowledges the first.
const RAISED: usize = 2;

const HELD_UP: &str = "completed requests wait while their vCPU enters the guest many times: a page ready \
                       before them is not acknowledged, the local APIC is off, or the vCPU was reset \
                       (kvm_msr, kvm_inj_exception and kvm_entry tell)";
const UNACKNOWLEDGED: &str = "page readies are raised without an acknowledgement, and no register is \
                              written behind them: kvm_msr may not be recorded to the end";

const NO_INTERRUPT: &str =
    "page readies were acknowledged of which no interrupt is in the log, as there is of others";

/// The guest is entered.
pub(super) fn entered(log: &mut LogState, at: usize, event: LogEvent) {
    let own = &mut log.vcpus[at];
    own.entries += 1;
    if own.requests.is_empty() || !own.entries.is_multiple_of(STRIDE) || !log.seen.ready {
        return;
    }
    // That the guest is told of others since shows that it was neither reset nor turned them off, and an interrupt
    // that its local APIC is on: kernels look for that too (`kvm_arch_can_dequeue_async_page_present`).
    let own = &log.vcpus[at];
    let free = own.raised.is_empty() && own.acks > 0 && log.seen.exceptions;
    let on = |since: u64| own.told_at > since && own.interrupted_at > since + ENTRIES;
    let sure = |one: &Request| held_up(own, one).is_some_and(on);
    let Some(place) = own.requests.iter().position(|one| free && sure(one)) else { return };
    let request = own.requests[place];
    let done = request.completed.map_or(0, |done| done.line);
    let text = format!(
        "request {} of {} was completed at line {done} and is not dequeued, though the vCPU has \
         entered the guest more than {ENTRIES} times since, and has acknowledged all page readies",
        request.token,
        own.label(),
    );
    log.say(at, INV_15, event, text, &[request.announced]);
    // One of them is enough: what is behind it waits for the same.
    for request in &mut log.vcpus[at].requests {
        request.doubtful = true;
    }
}

/// Entries before a request should have been dequeued, if there are many behind that.
fn held_up(own: &VcpuLog, request: &Request) -> Option<u64> {
    let done = own.surely_completed(request).filter(|_| !request.unseen_ready)?;
    let since = done.entries.max(own.moved);
    (own.entries.saturating_sub(since) > ENTRIES).then_some(since)
}

/// A page ready raises an interrupt.
pub(super) fn raised(log: &mut LogState, at: usize, event: LogEvent) {
    let own = &mut log.vcpus[at];
    if own.raised.len() > RAISED && log.seen.exceptions {
        own.unacknowledged.get_or_insert(event);
    }
}

/// A register is written or read: acknowledgements of before would be in the log.
pub(super) fn registers_are_recorded(log: &mut LogState, at: usize) {
    let Some(event) = log.vcpus[at].unacknowledged.take() else { return };
    let own = &mut log.vcpus[at];
    let raised = std::mem::take(&mut own.raised);
    // Before 5.8 each of them would have been an exception.
    let no_exceptions = log.seen.exceptions && log.seen.ready_exceptions == 0;
    let by_interrupt = log.seen.vector
        || log.seen.registers
        || log.seen.by_interrupt
        || own.takes > 0
        || no_exceptions;
    if log.family().0 != Family::Int || !by_interrupt || log.seen.wandering {
        return;
    }
    let own = &log.vcpus[at];
    let text = format!(
        "{} page readies of {} raised interrupts up to here, and none was acknowledged, though \
         writes to registers are recorded: no second one comes before the guest has cleared the \
         slot, and no third before it has acknowledged the first",
        raised.len(),
        own.label()
    );
    let before: Vec<LogEvent> = raised.iter().map(|one| one.event).collect();
    log.say(at, INV_33, event, text, &before);
}

/// The log is over.
pub(super) fn close(log: &mut LogState, at: usize) {
    let own = &log.vcpus[at];
    let count = own.requests.iter().filter(|one| held_up(own, one).is_some()).count() as u64;
    let open = u64::from(own.unacknowledged.is_some() && log.seen.writes);
    // One may be acknowledged while its interrupt is from before the log, and one comes inside that.
    let silent = if own.takes > 0 { own.acks.saturating_sub(own.takes + RAISED as u64) } else { 0 };
    if log.seen.ready {
        log.ledger.unjudged(INV_15, HELD_UP, count);
    }
    log.ledger.unjudged(INV_33, UNACKNOWLEDGED, open);
    log.ledger.unjudged(INV_33, NO_INTERRUPT, silent);
}
