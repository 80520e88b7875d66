//! Threads that sleep while they get a page in: for the page, for room, for the block layer, for a lock.

use sim_core::{EventQueue, SimDuration};

use super::state::{ThreadKind, ThreadState};
use crate::base::ids::ThreadId;
use crate::base::record::BlockReason;
use crate::machine::world::{Cx, Flow, MachineEvent, Then};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    pub(super) fn sleep_in_fetch(&mut self, thread: ThreadId, reason: BlockReason) -> Flow {
        if let ThreadKind::Vcpu(vcpu) = self.w.host.threads[thread.index()].kind {
            self.vcpu_sleeps(vcpu, reason);
        }
        self.block_thread(thread, Then::FetchAwake(reason));
        debug_assert_eq!(self.w.host.threads[thread.index()].state, ThreadState::Blocked);
        Flow::Stopped
    }

    pub(in crate::machine) fn fetch_awake(
        &mut self,
        thread: ThreadId,
        reason: BlockReason,
    ) -> Flow {
        if let ThreadKind::Vcpu(vcpu) = self.w.host.threads[thread.index()].kind {
            self.vcpu_wakes(vcpu);
        }
        if reason == BlockReason::Throttle {
            return Flow::Spend(SimDuration::ZERO, Then::ReclaimDone);
        }
        let cost = match reason {
            BlockReason::Fetch => self.w.setup.prices.block_complete.time,
            _ => SimDuration::ZERO,
        };
        Flow::Spend(cost, Then::Fetch)
    }

    /// There may be room in a container.
    pub(super) fn wake_room_waiters(&mut self, container: usize) {
        let waiters = std::mem::take(&mut self.w.host.room_waiters[container]);
        for thread in waiters {
            self.wake_thread(thread);
        }
    }
}
