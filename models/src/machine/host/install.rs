//! How threads of the VMM install pages: `UFFDIO_COPY`, `UFFDIO_CONTINUE`, `UFFDIO_ZEROPAGE` (mm/userfaultfd.c of
//! 6.12: `mfill_atomic` and its `mfill_atomic_pte_copy`, `mfill_atomic_pte_continue`, `mfill_atomic_pte_zeropage`),
//! `write`, or stores of the VMM's own.

use sim_core::{EventQueue, SimDuration};

use super::state::Host;
use super::stores::{Answer, Installing};
use super::thread::{FetchGoal, ThreadKind};
use crate::base::ids::{GuestPage, ThreadId};
use crate::base::record::Event;
use crate::config::Install;
use crate::machine::world::{Cx, Flow, MachineEvent, Then};
use crate::parts::memory::pages::{Arrival, Backing, Entry};

/// Where a page stands in a call that installs some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    First,
    Further,
}

impl Host {
    /// What a thread is about to install.
    pub(super) fn installing_mut(&mut self, thread: ThreadId) -> &mut Installing {
        match self.kind_of(thread) {
            ThreadKind::Handler(handler) => &mut self.handlers[handler.index()].installing,
            ThreadKind::Vcpu(vcpu) => &mut self.vcpu_installs[vcpu.index()],
            other => unreachable!("{thread} is {other:?}, and installs no pages"),
        }
    }

    /// How a page is installed.
    pub(super) fn install_of(&mut self, page: GuestPage) -> Install {
        match self.memory.page(page).store {
            Some(store) => self.messages_mut(store).config().install,
            None => unreachable!("page {page} is in no store"),
        }
    }

    /// A marker stands in place of a page (`mfill_atomic_pte_poison`).
    fn poison(&mut self, page: GuestPage) {
        self.memory.page_mut(page).backing = Backing::Poisoned;
    }

    /// A page gets its frame.
    pub(super) fn give_installed_frame(&mut self, guest_page: GuestPage) {
        self.memory.charge(guest_page);
        self.memory.lru_arrive(guest_page, Arrival::Installed);
        let page = self.memory.page_mut(guest_page);
        page.backing = Backing::Resident;
        // A page of the VMM's own, or of shared memory: no file on a disk has it (`mfill_atomic_install_pte`
        // makes the entry dirty).
        page.dirty = true;
        page.vmm = Entry::Writable;
    }
}

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// The processor time that a page takes.
    fn install_cost(&mut self, page: GuestPage, place: Place, answer: Answer) -> SimDuration {
        let install = self.w.host.install_of(page);
        let answers = self.w.setup.answers_faults(page.vm());
        let prices = &self.w.setup.prices;
        let (copy, write, entry) = match place {
            Place::First => (prices.uffd_copy, prices.vmm_copy, prices.uffd_continue),
            Place::Further => {
                (prices.uffd_copy_next, prices.vmm_copy_next, prices.uffd_continue_next)
            }
        };
        match (install, answers) {
            // An entry is made, and nothing else (assumption: what it takes to make one that exists in the page cache).
            _ if answer != Answer::Contents => entry.time,
            (Install::Copy, false) => copy.time,
            (Install::Copy, true) => write.time,
            (Install::Continue | Install::Zeropage, false) => entry.time,
            (Install::Continue | Install::Zeropage, true) => entry.time + prices.vmm_bit.time,
            (Install::Stores, false) => prices.vmm_store.time + entry.time,
            (Install::Stores, true) => prices.vmm_store.time + prices.vmm_bit.time,
        }
    }

    /// A thread begins to install its pages. What it does to each is at its end, in [`Self::install`].
    pub(in crate::machine) fn begin_install(&mut self, thread: ThreadId) -> Flow {
        match self.w.host.installing_mut(thread).page() {
            Some(page) => self.install_next(thread, page, Place::First),
            None => unreachable!("{thread} has no page to install"),
        }
    }

    fn install_next(&mut self, thread: ThreadId, page: GuestPage, place: Place) -> Flow {
        self.emit(Event::UffdCopy { thread, page });
        self.w.host.set_fetch(thread, page, FetchGoal::Install);
        let answer = self.w.host.answer_for(page);
        let changes = self.changes_around(page).1;
        let own = self.w.host.installing_mut(thread);
        (own.answer, own.changes) = (answer, changes);
        Flow::Spend(self.install_cost(page, place, answer), Then::Fetch)
    }

    /// Whether memory around a page is being given back, and how often it was.
    fn changes_around(&mut self, page: GuestPage) -> (bool, u64) {
        let store = self.w.host.memory.page(page).store;
        store.map_or((false, 0), |store| self.w.host.messages_mut(store).changes(page))
    }

    /// The entry of a page is made, unless there is one already (EEXIST): that ends the call, and what comes
    /// behind it takes another one. The program wakes whoever sleeps for a page that was there by itself, as a
    /// call that fails wakes nobody (`UFFDIO_WAKE`).
    pub(super) fn install(&mut self, thread: ThreadId, guest_page: GuestPage) -> Flow {
        // Where the descriptor is closed meanwhile there is nothing to install in (ENOENT).
        let installed = self.w.host.memory.page(guest_page).backing == Backing::Stored
            && !self.w.host.is_orphaned(guest_page);
        let Installing { answer, changes, .. } = *self.w.host.installing_mut(thread);
        let (under_way, now) = self.changes_around(guest_page);
        if (under_way || now != changes) && !self.w.host.is_orphaned(guest_page) {
            return self.install_again(thread, guest_page);
        }
        if installed && answer == Answer::Poison {
            self.w.host.poison(guest_page);
            self.emit(Event::UffdPoisoned { thread, page: guest_page });
        } else if installed
            && (answer == Answer::Zeros || self.w.host.install_of(guest_page) == Install::Zeropage)
        {
            // The entry of the page of zeros, which is nobody's: who touches it next gets a frame.
            self.w.host.memory.page_mut(guest_page).backing = Backing::Untouched;
        } else if installed {
            if self.w.host.memory.room(guest_page.vm()) == 0 {
                return self.direct_reclaim(thread);
            }
            self.w.host.give_installed_frame(guest_page);
        }
        if installed
            && answer == Answer::Contents
            && self.w.host.install_of(guest_page) != Install::Zeropage
        {
            self.check_is_no_discard(guest_page);
        }
        self.unlock_map(thread);
        self.w.host.threads[thread.index()].fetch = None;
        self.emit(Event::UffdCopied { thread, page: guest_page, installed });
        self.next_copy(thread, installed)
    }

    /// What waking costs that is not done under the lock of the descriptor's queue.
    fn wake_cost(&mut self, thread: ThreadId) -> SimDuration {
        let prices = &self.w.setup.prices;
        let (wake, first, own) =
            (prices.uffd_wake.time, prices.uffd_herd.time, prices.uffd_locked.time);
        let run = self.w.host.installing_mut(thread).run;
        let meant = run.and_then(|run| Some((run, self.w.host.memory.page(run.first).store?)));
        let under = meant.is_some_and(|(run, store)| {
            let descriptor = self.w.host.messages_mut(store).descriptor(run.first) as u16;
            let queues = self.w.host.queues_mut(store, descriptor);
            queues.is_some_and(|queues| queues.has_entry_for(|page| run.contains(page)))
        });
        if under { wake.saturating_sub(first + own) } else { wake }
    }

    /// A thread has been through a page of its run.
    fn next_copy(&mut self, thread: ThreadId, installed: bool) -> Flow {
        let own = self.w.host.installing_mut(thread);
        own.copied += 1;
        let answer = own.answer;
        let first = own.run.map(|run| run.first);
        let vcpu = matches!(self.w.host.kind_of(thread), ThreadKind::Vcpu(_));
        match self.w.host.installing_mut(thread).page() {
            // Nobody sleeps in the kernel for what a vCPU thread brings itself (`UFFDIO_COPY_MODE_DONTWAKE`).
            None if vcpu => Flow::Spend(SimDuration::ZERO, Then::OutsideBrought),
            None => {
                // Nor where faults leave it.
                let answers = first.is_some_and(|page| self.w.setup.answers_faults(page.vm()));
                let cost = if answers { SimDuration::ZERO } else { self.wake_cost(thread) };
                Flow::Spend(cost, Then::HandlerWake)
            }
            Some(_) if !installed && vcpu => Flow::Spend(SimDuration::ZERO, Then::OutsideInstall),
            Some(_) if !installed => Flow::Spend(SimDuration::ZERO, Then::HandlerInstall),
            // Contents, zeros and markers take a call each.
            Some(page) if self.w.host.answer_for(page) != answer => {
                Flow::Spend(SimDuration::ZERO, Then::HandlerInstall)
            }
            Some(page) => self.install_next(thread, page, Place::Further),
        }
    }
}
