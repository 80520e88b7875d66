//! Direct reclaim: calls of a thread that needs a page (`try_to_free_mem_cgroup_pages`, `do_try_to_free_pages` of
//! mm/vmscan.c; 5.10.262, 6.1.192, 6.12.117 and 7.2.13 alike).
//!
//! A call makes passes at falling priorities, each over a larger part of the lists than the one before, until 32 pages
//! are free, whether or not there is room for the page that is wanted after the first. What a pass begins to write is
//! free later, so that a call on a device that takes its time writes several times as many pages as it frees; the next
//! call then finds them at the old end.

use sim_core::{EventQueue, SimDuration};

use super::thread::PassSums;
use crate::base::ids::ThreadId;
use crate::config::{Cgroup, DirectReclaim};
use crate::machine::world::{Cx, Flow, MachineEvent, Outcome, Then};
use crate::parts::memory::call::ReclaimCall;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The next pass of direct reclaim, paid by the thread that needs a page.
    pub(in crate::machine) fn direct_reclaim(&mut self, thread: ThreadId) -> Flow {
        let own = self.w.host.fetch_of(thread).guest_page.vm();
        if self.w.setup.config.host.kernel.direct_reclaim == DirectReclaim::Priorities {
            self.w.host.threads[thread.index()].call.get_or_insert_default();
        }
        self.reclaim_pass(thread, own)
    }

    /// A pass of a call is over: the thread makes the next one, or goes on with its fault.
    pub(in crate::machine) fn call_pass_done(&mut self, thread: ThreadId, last: Outcome) -> Flow {
        let own = self.w.host.fetch_of(thread).guest_page.vm();
        let container = self.w.host.memory.container(own);
        let state = &mut self.w.host.threads[thread.index()];
        let PassSums { reclaimed, wrote, .. } = state.last_pass;
        let Some(mut call) = state.call.take() else {
            unreachable!("{thread} is in no call of direct reclaim");
        };
        if !call.pass_done(reclaimed) {
            self.w.host.memory.of_vm(own).call_ends();
            return self.call_done(thread, container, call, last);
        }
        state.call = Some(call);
        // A container of version 1 waits for what it writes (`shrink_folio_list`); else only a full queue stops it.
        let waits = match self.w.setup.config.host.kernel.cgroup {
            Cgroup::V1 => wrote && self.room_will_come(thread, container),
            Cgroup::V2 => !self.takes_writes(),
        };
        match waits {
            true => self.wait_for_room(thread, container),
            false => Flow::Spend(SimDuration::ZERO, Then::ReclaimNext),
        }
    }

    /// A call is over: the thread goes on with its fault, or tries again where nothing is under way and nothing was
    /// found, as the last pass may have aged.
    fn call_done(
        &mut self,
        thread: ThreadId,
        container: usize,
        call: ReclaimCall,
        last: Outcome,
    ) -> Flow {
        let in_vain = last == Outcome::Nothing && self.w.host.memory.of(container).room() == 0;
        let next = call.retry().filter(|_| in_vain && call.reclaimed() == 0);
        if next.is_some() {
            self.w.host.threads[thread.index()].call = next;
            return Flow::Spend(SimDuration::ZERO, Then::ReclaimNext);
        }
        // Others took what it freed.
        let taken = in_vain && call.reclaimed() > 0;
        self.reclaimed_for_page(thread, container, if taken { Outcome::Again } else { last })
    }
}
