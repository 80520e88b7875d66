//! Frames for pages that were never touched.

use sim_core::SimTime;

use super::state::Host;
use crate::base::ids::{GuestPage, ThreadId};
use crate::machine::world::Setup;
use crate::parts::memory::pages::{Arrival, Backing, Entry};
use crate::parts::memory::second_stage_lock::{Turn, Turnstile, Visit};

impl Host {
    /// A page that was never touched gets a cleared frame, for which there is room.
    pub(super) fn give_fresh_frame(&mut self, guest_page: GuestPage) {
        let memory = self.memory.of_vm(guest_page.vm());
        memory.charge(guest_page);
        if !memory.page(guest_page).in_guest_memfd {
            memory.lru_arrive(guest_page, Arrival::Fresh);
        }
        let page = memory.page_mut(guest_page);
        page.backing = Backing::Resident;
        page.dirty = true;
        // The guest's kernel clears a page before anybody reads it.
        page.vmm = Entry::Writable;
    }

    /// Whether a thread that faults at a page finds nothing in its way: the page was never touched and is small,
    /// there is room, nobody changes the VMM's memory map, nobody wants a processor.
    pub(in crate::machine) fn gives_at_once(
        &self,
        thread: ThreadId,
        guest_page: GuestPage,
        setup: &Setup,
    ) -> bool {
        let (page, state) = (self.memory.page(guest_page), &self.threads[thread.index()]);
        page.backing == Backing::Untouched
            && !page.in_guest_memfd
            && self.memory.second_stage(guest_page).entry == Entry::None
            && !setup.config.host.thp
            && self.high.is_none()
            && setup.config.host.memory_control.kswapd.is_none()
            && self.memory.room(guest_page.vm()) > 0
            && self.map_locks[guest_page.vm().index()].is_none()
            && self.resched.is_empty()
            && !(state.locked.atomic || state.locked.asked)
    }

    /// The turn of a thread at the lock of the second-stage tables, if it need not wait, and the lock after it.
    pub(in crate::machine) fn free_turn(
        &self,
        thread: ThreadId,
        guest_page: GuestPage,
        visit: Visit,
        at: SimTime,
    ) -> Option<(Turn, Turnstile)> {
        let mut lock = self.second_stage_locks[guest_page.vm().index()].clone()?;
        let pcpu = Some(self.threads[thread.index()].pcpu);
        let turn = lock.enter(at, Visit { pcpu, ..visit });
        turn.wait.is_zero().then_some((turn, lock))
    }

    /// Whether the lock of the second-stage tables is kept.
    pub(in crate::machine) fn keeps_lock(&self) -> bool {
        self.second_stage_locks[0].is_some()
    }

    /// The page's frame is there, and a thread has had its turn at the lock.
    pub(in crate::machine) fn give_at_once(
        &mut self,
        guest_page: GuestPage,
        lock: Option<Turnstile>,
    ) {
        self.give_fresh_frame(guest_page);
        if lock.is_some() {
            self.second_stage_locks[guest_page.vm().index()] = lock;
        }
    }
}
