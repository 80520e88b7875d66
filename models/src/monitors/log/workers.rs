//! Work items beside the requests that they are for: INV-06 where a page ready comes before its worker begins.

use super::clocks;
use super::deferred::{Deferred, Needs};
use super::event::LogEvent;
use super::request::Unstarted;
use super::state::LogState;
use super::watch::{Work, Works};
use crate::base::ids::Token;
use crate::monitors::catalogue::INV_06;
use crate::trace::kernel::KernelEvent;

/// Page readies a vCPU that wait for their workers.
const MAX_UNSTARTED: usize = 64;
const CLOCKS: &str = "page ready comes before its worker begins, on another processor and less than 10 ms apart: \
                      their clocks may differ";

/// An event of a device or of a worker; `at` is the vCPU of its thread, if it runs one.
pub(super) fn observe(log: &mut LogState, works: &mut Works, at: Option<usize>, event: LogEvent) {
    match event.event {
        KernelEvent::QueueWork { work } => queued(log, at, work),
        KernelEvent::ExecuteStart { work } => begun(log, event, work),
        _ => {}
    }
    works.observe(&event.event, at.map(|at| &mut log.vcpus[at].watch));
}

/// Since 5.8 the item is queued behind the announcement.
fn queued(log: &mut LogState, at: Option<usize>, work: u64) {
    for own in &mut log.vcpus {
        let before = own.unstarted.len();
        own.unstarted.retain(|one| one.work != work);
        log.seen.leaves_out_workers |= log.seen.begun && own.unstarted.len() < before;
    }
    let Some(own) = at.map(|at| &mut log.vcpus[at]) else { return };
    // Its exception may be in between.
    let since = own.recent.values().filter(|one| !is_exception(one)).last();
    if let Some(request) = own.requests.last_mut()
        && since == Some(request.announced)
        && request.work.is_none()
    {
        request.work = Some(work);
    }
}

fn is_exception(event: &LogEvent) -> bool {
    matches!(event.event, KernelEvent::InjException { .. })
}

/// A request is ready: its worker has begun, as far as that is recorded.
pub(super) fn ready(log: &mut LogState, works: &Works, at: usize, event: LogEvent, token: Token) {
    let own = &mut log.vcpus[at];
    let Some(request) = own.place_of(token).map(|place| own.requests[place]) else { return };
    let Some(work) = request.work.filter(|_| !request.doubtful) else { return };
    if works.items.get(&work) == Some(&Work::Queued) {
        if own.unstarted.len() == MAX_UNSTARTED {
            own.unstarted.remove(0);
            log.seen.leaves_out_workers |= log.seen.begun;
        }
        own.unstarted.push(Unstarted { work, request, ready: event });
    }
}

/// A worker begins.
fn begun(log: &mut LogState, event: LogEvent, work: u64) {
    log.seen.begun = true;
    for at in 0..log.vcpus.len() {
        let own = &mut log.vcpus[at];
        let Some(place) = own.unstarted.iter().position(|one| one.work == work) else { continue };
        let Unstarted { request, ready, .. } = own.unstarted.remove(place);
        own.unfinished
            .iter_mut()
            .filter(|one| one.request.seq == request.seq)
            .for_each(|one| one.unseen_worker = false);
        if clocks::may_differ(&ready, &event) {
            log.ledger.unjudged(INV_06, CLOCKS, 1);
            continue;
        }
        let text = format!(
            "page ready {} of {} came before its worker had begun",
            request.token,
            log.vcpus[at].label()
        );
        let story = log.vcpus[at].story(&[request.announced, ready]);
        let needs = Needs::AllWorkers;
        log.deferred.keep(Deferred { id: INV_06, needs, event, text, story });
    }
}

/// The log is over: workers that have not begun by now are not in it.
pub(super) fn close(log: &mut LogState, at: usize) {
    let late = |one: &Unstarted| log.now.saturating_sub(one.ready.ns) > clocks::TICK;
    log.seen.leaves_out_workers |= log.seen.begun && log.vcpus[at].unstarted.iter().any(late);
}
