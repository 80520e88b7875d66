//! Direct reclaim: calls of a thread that needs a page (`try_to_free_mem_cgroup_pages`, `do_try_to_free_pages` of
//! mm/vmscan.c; 5.10.262, 6.1.192, 6.12.117 and 7.2.13 alike).
//!
//! A call makes passes at falling priorities, each over a larger part of the lists than the one before, until 32 pages
//! are free, whether or not there is room for the page that is wanted after the first. What a pass begins to write is
//! free later, so that a call on a device that takes its time writes several times as many pages as it frees; the next
//! call then finds them at the old end.

use sim_core::{EventQueue, SimDuration};

use super::state::PassSums;
use crate::base::ids::ThreadId;
use crate::config::{Cgroup, DirectReclaim};
use crate::machine::world::{Cx, Flow, MachineEvent, Outcome, Then};

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
        let call = state.call.get_or_insert_default();
        if !call.pass_done(reclaimed) {
            // Where a call of several passes has freed pages others took them.
            let again = call.reclaimed() > 0 && last == Outcome::Nothing;
            state.call = None;
            return self.reclaimed_for_page(
                thread,
                container,
                if again { Outcome::Again } else { last },
            );
        }
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
}
