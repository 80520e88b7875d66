//! The host's memory as a whole: its kernel's thread that reclaims when little is free (`wakeup_kswapd`,
//! `balance_pgdat`, mm/vmscan.c of 6.12.117).

use sim_core::{EventQueue, SimDuration};

use super::duties::Duty;
use super::state::Host;
use super::thread::ThreadState;
use crate::base::ids::{ReclaimerId, ThreadId};
use crate::base::record::Event;
use crate::machine::world::{Cx, Flow, MachineEvent, Outcome, Then};
use crate::parts::memory::MAX_RECLAIM_RETRIES;

impl Host {
    /// The thread that reclaims when little is free, with the marks below which it is woken and up to which it
    /// reclaims.
    fn kswapd(&self) -> Option<(ReclaimerId, u64, u64)> {
        let place =
            self.reclaimers.iter().position(|own| matches!(own.duty, Duty::Kswapd { .. }))?;
        match self.reclaimers[place].duty {
            Duty::Kswapd { low, high, .. } => Some((ReclaimerId(place as u16), low, high)),
            _ => None,
        }
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// A thread has done a step, in which it may have allocated pages: is so little free that the kernel's thread
    /// is to reclaim?
    pub(super) fn wake_kswapd_if_low(&mut self) {
        let Some((own, low, _)) = self.w.host.kswapd() else { return };
        let vm = self.w.host.reclaimer(own).vm;
        if self.w.host.memory.of_vm(vm).free() >= low {
            return;
        }
        let thread = self.w.host.reclaimer(own).thread;
        let state = &self.w.host.threads[thread.index()];
        let sleeps = state.state == ThreadState::Blocked && state.then == Then::ReclaimerWoken;
        // A node of which nothing can be taken is left to direct reclaim (`kswapd_failures`), until that has
        // freed something.
        if !sleeps || self.w.host.hopeless {
            return;
        }
        self.emit(Event::KswapdWake { thread });
        self.wake_thread(thread);
    }

    /// The thread runs: it reclaims until enough is free.
    pub(in crate::machine) fn kswapd_woken(&mut self, own: ReclaimerId) -> Flow {
        self.w.host.reclaimer(own).tries = MAX_RECLAIM_RETRIES;
        Flow::Spend(SimDuration::ZERO, Then::ReclaimerNext)
    }

    /// Is enough free?
    pub(in crate::machine) fn kswapd_next(&mut self, thread: ThreadId, own: ReclaimerId) -> Flow {
        let vm = self.w.host.reclaimer(own).vm;
        let high = match self.w.host.reclaimer(own).duty {
            Duty::Kswapd { high, .. } => high,
            _ => unreachable!("{own} does not balance memory"),
        };
        if self.w.host.memory.of_vm(vm).free() >= high {
            return self.kswapd_sleeps(thread);
        }
        self.note_progress(thread);
        self.reclaim_pass(thread, vm)
    }

    /// A pass of the thread is over.
    pub(in crate::machine) fn kswapd_pass_done(
        &mut self,
        thread: ThreadId,
        own: ReclaimerId,
        outcome: Outcome,
    ) -> Flow {
        let vm = self.w.host.reclaimer(own).vm;
        match outcome {
            // `shrink_node` forgets the failures.
            Outcome::Again => self.w.host.reclaimer(own).tries = MAX_RECLAIM_RETRIES,
            Outcome::Waits => {
                let container = self.w.host.memory.container(vm);
                return self.wait_for_room(thread, container);
            }
            Outcome::Nothing => {
                let tries = &mut self.w.host.reclaimer(own).tries;
                *tries -= 1;
                if *tries == 0 {
                    self.w.host.hopeless = true;
                    return self.kswapd_sleeps(thread);
                }
            }
        }
        Flow::Spend(SimDuration::ZERO, Then::ReclaimerNext)
    }

    fn kswapd_sleeps(&mut self, thread: ThreadId) -> Flow {
        self.emit(Event::KswapdSleep { thread });
        self.block_thread(thread, Then::ReclaimerWoken);
        Flow::Stopped
    }
}
