//! Threads of the VMM that answer page faults (userfaultfd): readers, which take messages from a descriptor,
//! and installers, which put pages into the VMM's memory.
//!
//! A reader polls, reads as many messages as it asks for, oldest first, and either brings and installs their
//! pages itself, one after the other, or hands them on. An installer takes the first page that nobody else has
//! taken, sleeps until its contents are there, installs it, and goes on.

use sim_core::{EventQueue, SimDuration};

use super::state::{FetchGoal, ThreadKind};
use super::waiters::take_threads;
use crate::base::ids::{GuestPage, HandlerId, ThreadId};
use crate::base::record::Event;
use crate::machine::world::{Cx, Flow, MachineEvent, Then};
use crate::parts::memory::pages::{Arrival, Backing, Entry};
use crate::parts::memory::userfault::{Role, Wanted};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    pub(in crate::machine) fn perform_handler(
        &mut self,
        thread: ThreadId,
        handler: HandlerId,
        then: Then,
    ) -> Flow {
        let prices = &self.w.setup.prices;
        match then {
            // Back from `poll`, which said that there is something to read.
            Then::HandlerPolled => {
                self.show_awake(thread, handler);
                self.begin_read(handler)
            }
            Then::HandlerTold => {
                let told = prices.uffd_told.time;
                self.show_awake(thread, handler);
                Flow::Spend(told, Then::HandlerLook)
            }
            Then::HandlerPoll => self.poll(thread, handler),
            Then::HandlerRead => self.read_messages(thread, handler),
            Then::HandlerServe => self.serve(thread, handler),
            Then::HandlerTell => self.tell_installer(handler),
            Then::HandlerSubmit => self.submit_for(thread, handler),
            Then::HandlerLook => self.look(thread, handler),
            Then::HandlerInstall => self.begin_install(thread, handler),
            Then::HandlerWake => self.wake_sleepers(handler),
            Then::HandlerPrefetch => self.prefetch(thread, handler),
            Then::HandlerPrefetchRead => self.read_ahead_of_guest(thread, handler),
            Then::HandlerRing => self.look_into_ring(thread, handler),
            Then::HandlerAnswer => self.begin_answer(handler),
            Then::HandlerAnswered => self.make_answer(thread, handler),
            Then::HandlerToldKernel => self.answer_is_told(thread, handler),
            Then::HandlerPassedOn => self.pass_on(handler),
            other => unreachable!("{thread} is a handler, but is to do {other:?}"),
        }
    }

    /// A reader goes to sleep in `poll`, unless there is something to read.
    fn poll(&mut self, thread: ThreadId, handler: HandlerId) -> Flow {
        let (store, number) = self.w.host.handler(handler);
        if self.w.host.handlers[handler.index()].role == Role::Main {
            return self.poll_posts(thread, handler);
        }
        if self.w.host.messages_mut(store).may_read(number)
            || self.w.host.requests_mut(store).has_some(number)
        {
            return self.begin_read(handler);
        }
        self.w.host.messages_mut(store).sleeps(number);
        self.block_thread(thread, Then::HandlerPolled);
        Flow::Stopped
    }

    /// A reader's `read`: it may come too late for a message that woke it.
    fn read_messages(&mut self, thread: ThreadId, handler: HandlerId) -> Flow {
        if let Some(flow) = self.read_requests(thread, handler) {
            return flow;
        }
        let (store, number) = self.w.host.handler(handler);
        let pages = self.w.host.messages_mut(store).read(number);
        let Some(further) = (pages.len() as u64).checked_sub(1) else {
            return Flow::Spend(self.w.setup.prices.uffd_poll.time, Then::HandlerPoll);
        };
        self.note_progress(thread);
        for &page in &pages {
            self.emit(Event::UffdRead { thread, page });
        }
        self.w.host.handlers[handler.index()].taken = pages.into();
        Flow::Spend(self.w.setup.prices.uffd_message.time.times(further), Then::HandlerServe)
    }

    /// A reader does the next thing for the messages that it has read.
    fn serve(&mut self, thread: ThreadId, handler: HandlerId) -> Flow {
        let (store, _) = self.w.host.handler(handler);
        if !self.w.host.handlers[handler.index()].answers.is_empty() {
            return Flow::Spend(SimDuration::ZERO, Then::HandlerAnswer);
        }
        let config = self.w.host.messages_mut(store).config();
        let (installs, latency, around) = (config.installers == 0, config.latency, config.around);
        let from_device = self.w.host.has_device(store);
        if from_device {
            return match self.w.host.handlers[handler.index()].taken.front() {
                Some(&page) => {
                    let pages = self.w.host.run_around(store, page, around).pages;
                    let prices = &self.w.setup.prices;
                    let copies = prices.block_copy.time.times(pages.into());
                    Flow::Spend(prices.block_submit.time + copies, Then::HandlerSubmit)
                }
                None => self.served(handler),
            };
        }
        let now = self.now();
        if installs {
            let Some(page) = self.w.host.handlers[handler.index()].taken.pop_front() else {
                return self.served(handler);
            };
            let run = self.w.host.run_around(store, page, around);
            self.w.host.handlers[handler.index()].current = Some(run);
            return self.sleep_until(thread, now + latency, Then::HandlerInstall);
        }
        let pages = std::mem::take(&mut self.w.host.handlers[handler.index()].taken);
        for page in pages {
            let run = self.w.host.run_around(store, page, around);
            self.w.host.messages_mut(store).want(Wanted { run, due: Some(now + latency) });
        }
        match self.w.host.messages_mut(store).has_idle_installer() {
            true => Flow::Spend(self.w.setup.prices.uffd_tell.time, Then::HandlerTell),
            false => self.served(handler),
        }
    }

    /// A reader has served what it had read: it goes on with the ring that it is in, or back to `poll`.
    fn served(&self, handler: HandlerId) -> Flow {
        match self.w.host.handlers[handler.index()].ring {
            Some(_) => Flow::Spend(self.w.setup.prices.vmm_look.time, Then::HandlerRing),
            None => Flow::Spend(self.w.setup.prices.uffd_poll.time, Then::HandlerPoll),
        }
    }

    /// A reader wakes an installer that has nothing to do.
    fn tell_installer(&mut self, handler: HandlerId) -> Flow {
        let (store, _) = self.w.host.handler(handler);
        self.wake_installer(handler);
        debug_assert!(!self.w.host.has_device(store));
        self.served(handler)
    }

    fn wake_installer(&mut self, of: HandlerId) {
        let (store, _) = self.w.host.handler(of);
        if let Some(installer) = self.w.host.messages_mut(store).take_idle_installer() {
            let thread = self.w.host.thread_of_handler(store, Role::Installer, installer);
            self.wake_thread(thread);
        }
    }

    /// A reader has submitted the read of a page's contents. Where there are no installers it waits for it.
    fn submit_for(&mut self, thread: ThreadId, handler: HandlerId) -> Flow {
        let (store, _) = self.w.host.handler(handler);
        let Some(guest_page) = self.w.host.handlers[handler.index()].taken.pop_front() else {
            unreachable!("{thread} submits nothing");
        };
        let config = self.w.host.messages_mut(store).config();
        let (installs, around) = (config.installers == 0, config.around);
        let run = self.w.host.run_around(store, guest_page, around);
        if installs {
            return self.read_and_wait(thread, handler, run);
        }
        let request = self.request_for(store, run);
        self.issue(thread, request, SimDuration::ZERO);
        self.submit(thread);
        Flow::Spend(SimDuration::ZERO, Then::HandlerServe)
    }

    /// An installer takes the first page that nobody else has taken, and waits until its contents are there.
    fn look(&mut self, thread: ThreadId, handler: HandlerId) -> Flow {
        let (store, number) = self.w.host.handler(handler);
        let Some(Wanted { run, due }) = self.w.host.messages_mut(store).take_wanted() else {
            self.w.host.messages_mut(store).is_idle(number);
            self.block_thread(thread, Then::HandlerTold);
            return Flow::Stopped;
        };
        self.note_progress(thread);
        self.w.host.handlers[handler.index()].current = Some(run);
        let now = self.now();
        self.sleep_until(thread, due.unwrap_or(now), Then::HandlerInstall)
    }

    /// The timer of a thread fires: an interrupt where it ran, if it is a handler's, and then it is woken.
    pub(in crate::machine) fn thread_timer(&mut self, thread: ThreadId) {
        let cost = self.w.setup.prices.uffd_timer.time;
        let is_handler = matches!(self.w.host.kind_of(thread), ThreadKind::Handler(_));
        if cost.is_zero() || !is_handler {
            return self.wake_thread(thread);
        }
        self.interrupt_processor_of(thread, cost);
        self.schedule(self.now() + cost, MachineEvent::HandlerWoken(thread));
    }

    /// `UFFDIO_COPY` of the thread's pages, or `write` where the VMM answers faults; what it does to each is at its
    /// end, in [`Self::install`].
    fn begin_install(&mut self, thread: ThreadId, handler: HandlerId) -> Flow {
        let own = &self.w.host.handlers[handler.index()];
        let Some(page) = own.current.and_then(|run| run.page(own.copied)) else {
            unreachable!("{thread} has no page to install");
        };
        self.emit(Event::UffdCopy { thread, page });
        self.w.host.set_fetch(thread, page, FetchGoal::Install);
        let prices = &self.w.setup.prices;
        let cost = match self.w.setup.answers_faults(page.vm()) {
            true => prices.vmm_copy.time,
            false => prices.uffd_copy.time,
        };
        Flow::Spend(cost, Then::Fetch)
    }

    /// The entry of a page is made, unless there is one already (EEXIST): that ends the call, and what comes
    /// behind it takes another one. The program wakes whoever sleeps for a page that was there by itself, as a
    /// copy that fails wakes nobody (`UFFDIO_WAKE`).
    pub(super) fn install(&mut self, thread: ThreadId, guest_page: GuestPage) -> Flow {
        let installed = self.w.host.memory.page(guest_page).backing == Backing::Stored;
        if installed {
            if self.w.host.memory.room(guest_page.vm()) == 0 {
                return self.direct_reclaim(thread);
            }
            self.w.host.memory.charge(guest_page);
            self.w.host.memory.lru_arrive(guest_page, Arrival::Fresh);
            let page = self.w.host.memory.page_mut(guest_page);
            page.backing = Backing::Resident;
            // A page of the VMM's own (`mfill_atomic_pte_copy`), which no file has.
            page.dirty = true;
            page.vmm = Entry::Writable;
        }
        self.unlock_map(thread);
        self.w.host.threads[thread.index()].fetch = None;
        self.emit(Event::UffdCopied { thread, page: guest_page, installed });
        self.next_copy(thread, installed)
    }

    /// A thread has been through a page of its run.
    fn next_copy(&mut self, thread: ThreadId, installed: bool) -> Flow {
        let ThreadKind::Handler(handler) = self.w.host.kind_of(thread) else {
            unreachable!("{thread} installs pages and is no handler");
        };
        let own = &mut self.w.host.handlers[handler.index()];
        own.copied += 1;
        let prices = &self.w.setup.prices;
        let answers = own.current.is_some_and(|run| self.w.setup.answers_faults(run.first.vm()));
        match own.current.and_then(|run| run.page(own.copied)) {
            // Nobody sleeps in the kernel.
            None if answers => Flow::Spend(SimDuration::ZERO, Then::HandlerWake),
            None => Flow::Spend(prices.uffd_wake.time, Then::HandlerWake),
            Some(_) if !installed => Flow::Spend(SimDuration::ZERO, Then::HandlerInstall),
            Some(page) => {
                let cost = match answers {
                    true => prices.vmm_copy_next.time,
                    false => prices.uffd_copy_next.time,
                };
                self.emit(Event::UffdCopy { thread, page });
                self.w.host.set_fetch(thread, page, FetchGoal::Install);
                Flow::Spend(cost, Then::Fetch)
            }
        }
    }

    /// Everybody who sleeps for one of the pages is woken, whether or not his message was read.
    fn wake_sleepers(&mut self, handler: HandlerId) -> Flow {
        let (store, _) = self.w.host.handler(handler);
        let own = &mut self.w.host.handlers[handler.index()];
        own.copied = 0;
        let run = own.current.take();
        for page in run.iter().flat_map(|run| (0..run.pages).filter_map(|at| run.page(at))) {
            for sleeper in take_threads(&mut self.w.host.page_waiters, page) {
                self.w.host.threads[sleeper.index()].waits_for = None;
                self.w.host.messages_mut(store).withdraw(sleeper);
                self.wake_thread(sleeper);
            }
            let read = self.w.host.requests_mut(store).take_read(page);
            self.w.host.handlers[handler.index()].answers.extend(read);
        }
        if !self.w.host.handlers[handler.index()].answers.is_empty() {
            return Flow::Spend(SimDuration::ZERO, Then::HandlerAnswer);
        }
        self.next_of(handler)
    }
}
