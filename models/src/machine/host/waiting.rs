//! Threads that sleep while they get a page in: for the page, for room, for the block layer, for a lock.

use sim_core::{EventQueue, SimDuration};

use super::thread::{ThreadKind, ThreadState};
use crate::base::ids::ThreadId;
use crate::base::record::BlockReason;
use crate::machine::world::{Cx, Flow, MachineEvent, Then};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    pub(super) fn sleep_in_fetch(&mut self, thread: ThreadId, reason: BlockReason) -> Flow {
        self.going_to_sleep(thread, reason);
        self.block_thread(thread, Then::FetchAwake(reason));
        debug_assert_eq!(self.w.host.threads[thread.index()].state, ThreadState::Blocked);
        Flow::Stopped
    }

    pub(in crate::machine) fn fetch_awake(
        &mut self,
        thread: ThreadId,
        reason: BlockReason,
    ) -> Flow {
        self.running_again(thread);
        if reason == BlockReason::Throttle {
            let writes_back = self.w.host.kind_of(thread) == ThreadKind::Shrinker
                && self.w.host.threads[thread.index()].fetch.is_none();
            let then = if writes_back { Then::ShrinkSubmit } else { Then::ReclaimDone };
            return Flow::Spend(SimDuration::ZERO, then);
        }
        let cost = match reason {
            BlockReason::Fetch => self.w.setup.prices.block_complete.time,
            _ => SimDuration::ZERO,
        };
        let pays = self.w.host.threads[thread.index()].payment.is_some();
        let fetches = self.w.host.threads[thread.index()].fetch.is_some();
        let calls = self.w.host.threads[thread.index()].call.is_some();
        let then = match self.w.host.kind_of(thread) {
            _ if calls => Then::ReclaimNext,
            // One that saves a page has slept for it.
            ThreadKind::Reclaimer(_) if !fetches => Then::ReclaimerNext,
            _ if pays => Then::PayNext,
            _ => Then::Fetch,
        };
        Flow::Spend(cost, then)
    }

    /// A thread is about to sleep while it gets a page in.
    pub(super) fn going_to_sleep(&mut self, thread: ThreadId, reason: BlockReason) {
        match self.w.host.kind_of(thread) {
            ThreadKind::Vcpu(vcpu) => self.vcpu_sleeps(vcpu, reason),
            ThreadKind::Worker(_) => self.worker_sleeps(thread),
            ThreadKind::Handler(_) | ThreadKind::Shrinker | ThreadKind::Reclaimer(_) => {}
        }
    }

    /// A thread that slept while it got a page in runs again.
    pub(super) fn running_again(&mut self, thread: ThreadId) {
        match self.w.host.kind_of(thread) {
            ThreadKind::Vcpu(vcpu) => self.vcpu_wakes(vcpu),
            ThreadKind::Worker(_) => self.worker_wakes(thread),
            ThreadKind::Handler(_) | ThreadKind::Shrinker | ThreadKind::Reclaimer(_) => {}
        }
    }
}
