//! Clocks of processors that differ.
//!
//! ftrace's default clock is each processor's own. Where they differ, a thread that moves seems to
//! do things before their cause. No single clock can give such an order, and what rests on the
//! order of events is not judged in such a log.

use super::vcpu::Request;
use super::{LogEvent, LogMonitors};
use crate::base::ids::{Gva, Token};
use crate::monitors::catalogue::{INV_03, INV_04, INV_13, INV_19, InvariantId};
use crate::trace::kernel::KernelEvent;

/// By how much clocks may seem to differ, in nanoseconds: the kernel promises of its `local` clock
/// that it is about a tick off at most, and the longest tick is that of HZ = 100.
const TICK: u64 = 10_000_000;
/// Why what rests on the order of events is not judged.
pub(super) const DIFFER: &str = "the clocks of the processors differ; record with `echo mono > \
                                 trace_clock`, `trace-cmd record -C mono` or `perf record -k mono`";
const LATE: &str = "its page ready came after all, behind requests that were begun after its \
                    completion; do the clocks of the processors differ? record with `trace_clock` \
                    mono";
/// Requests without page ready that are remembered.
const MOST_MISSED: usize = 64;

/// Two processors whose clocks differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClocksDiffer {
    /// The one whose clock is behind.
    pub behind: u32,
    /// The one whose clock is ahead.
    pub ahead: u32,
    /// By at least so many nanoseconds.
    pub ns: u64,
    /// The line of the effect.
    pub effect: u64,
    /// The line of its cause, printed with a later time.
    pub cause: u64,
    /// How often such an order is seen.
    pub count: u64,
}

/// Whether the conclusion about an invariant rests on the order of events of several processors.
pub(super) fn rests_on_order(id: InvariantId) -> bool {
    ![INV_03, INV_04, INV_19].contains(&id)
}

impl LogMonitors {
    /// A token is announced whose page ready is in the log already, printed on another processor
    /// less than a tick before.
    pub(super) fn clocks_differ(
        &mut self,
        at: usize,
        event: LogEvent,
        token: Token,
        gva: Gva,
    ) -> bool {
        let same = |ready: &LogEvent| {
            matches!(ready.event, KernelEvent::Ready { gva: other, .. } if other == gva)
                && ready.cpu != event.cpu
                && event.ns.saturating_sub(ready.ns) < TICK
        };
        let found =
            self.vcpus[at].answered.iter().find(|(one, ready)| *one == token && same(ready));
        let Some((_, ready)) = found else { return false };
        self.note_clocks(ready, event);
        true
    }

    /// A page ready comes after an acknowledgement that had none before it.
    pub(super) fn ready_after_ack(&mut self, at: usize, ready: LogEvent) {
        let Some(ack) = self.vcpus[at].odd_ack.take() else { return };
        if ack.cpu != ready.cpu && ready.ns.saturating_sub(ack.ns) < TICK {
            self.note_clocks(ack, ready);
        }
    }

    fn note_clocks(&mut self, effect: LogEvent, cause: LogEvent) {
        let ns = cause.ns.saturating_sub(effect.ns);
        let first = ClocksDiffer {
            behind: effect.cpu,
            ahead: cause.cpu,
            ns,
            effect: effect.line,
            cause: cause.line,
            count: 0,
        };
        let known = self.survey.clocks.get_or_insert(first);
        known.count += 1;
        if ns > known.ns {
            *known = ClocksDiffer { count: known.count, ..first };
        }
    }

    /// A request is found to have no page ready.
    pub(super) fn miss(&mut self, at: usize, request: &Request) {
        let missed = &mut self.vcpus[at].missed;
        if missed.len() == MOST_MISSED {
            missed.remove(0);
        }
        missed.push(*request);
    }

    /// The page ready of a request that was found to have none.
    pub(super) fn came_after_all(&mut self, at: usize, token: Token, gva: Gva) -> bool {
        let own = &mut self.vcpus[at];
        let same = |one: &Request| one.token == token && one.gva == gva;
        let Some(place) = own.missed.iter().position(same) else { return false };
        let request = own.missed.remove(place);
        own.suspects.retain(|(one, _)| one.seq != request.seq);
        self.ledger.excuse_request(request.seq);
        self.ledger.unjudged(INV_13, LATE, 1);
        true
    }
}
