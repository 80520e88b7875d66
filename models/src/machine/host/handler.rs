//! Threads of the VMM that answer page faults (userfaultfd): readers, which take messages from a descriptor,
//! and installers, which put pages into the VMM's memory.
//!
//! A reader polls, reads as many messages as it asks for, oldest first, and either brings and installs their
//! pages itself, one after the other, or hands them on. An installer takes the first page that nobody else has
//! taken, sleeps until its contents are there, installs it, and goes on.

use sim_core::{EventQueue, SimDuration};

use super::thread::ThreadKind;
use super::waiters::take_threads;
use crate::base::ids::{HandlerId, ThreadId};
use crate::base::record::Event;
use crate::machine::world::{Cx, Errand, Flow, MachineEvent, Pass, Then, Visit};
use crate::parts::memory::prefetch::PageRun;
use crate::parts::memory::userfault::{Role, Wanted};

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    pub(in crate::machine) fn perform_handler(
        &mut self,
        thread: ThreadId,
        handler: HandlerId,
        then: Then,
    ) -> Flow {
        if self.is_of_ended_process(handler, then) {
            return self.end_with_process(thread, handler);
        }
        let prices = &self.w.setup.prices;
        match then {
            // Back from `poll`, which said that there is something to read.
            Then::HandlerPolled => {
                self.show_awake(thread, handler);
                if self.epolls(handler) {
                    return self.come_to_list(thread, handler, Pass::Woken);
                }
                let out = self.visit_next(thread, 0, Visit::Polled);
                out.unwrap_or_else(|| self.begin_read(handler))
            }
            Then::HandlerTold => {
                let told = prices.uffd_told.time;
                self.show_awake(thread, handler);
                Flow::Spend(told, Then::HandlerLook)
            }
            Then::HandlerPoll => self.poll(thread, handler),
            Then::HandlerEpoll(pass) => self.pass_over_list(thread, handler, pass),
            Then::HandlerRead => self.read_messages(thread, handler),
            Then::HandlerReadOn => self.read_on(thread),
            Then::HandlerServe => self.serve(thread, handler),
            Then::HandlerTell => self.tell_installer(handler),
            Then::HandlerSubmit => self.submit_for(thread, handler),
            Then::HandlerLook => self.look(thread, handler),
            Then::HandlerInstall => self.begin_install(thread),
            Then::HandlerWake => self.begin_wake(handler),
            Then::HandlerPrefetch => self.prefetch(thread, handler),
            Then::HandlerPrefetchRead => self.read_ahead_of_guest(thread, handler),
            Then::HandlerRing => self.look_into_ring(thread, handler),
            Then::HandlerAnswer => self.begin_answer(handler),
            Then::HandlerAnswered => self.make_answer(thread, handler),
            Then::HandlerToldKernel => self.answer_is_told(thread, handler),
            Then::HandlerPassedOn => self.pass_on(handler),
            Then::HandlerGone => {
                self.block_thread(thread, then);
                Flow::Stopped
            }
            other => unreachable!("{thread} is a handler, but is to do {other:?}"),
        }
    }

    /// A reader goes to sleep in `poll`, unless there is something to read.
    fn poll(&mut self, thread: ThreadId, handler: HandlerId) -> Flow {
        if self.w.host.handlers[handler.index()].role == Role::Main {
            return self.poll_posts(thread, handler);
        }
        if self.epolls(handler) {
            return self.come_to_list(thread, handler, Pass::Called);
        }
        let visit = self.visit_next(thread, 0, Visit::Poll);
        visit.unwrap_or_else(|| self.look_or_sleep(thread, handler))
    }

    /// A reader looks whether there is something to read, and sleeps if there is not.
    pub(super) fn look_or_sleep(&mut self, thread: ThreadId, handler: HandlerId) -> Flow {
        let (store, number) = self.w.host.handler(handler);
        if self.w.host.messages_mut(store).may_read(number)
            || self.w.host.requests_mut(store).has_some(number)
        {
            let out = self.visit_next(thread, 0, Visit::Polled);
            return out.unwrap_or_else(|| self.begin_read(handler));
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
        if self.w.host.keeps_queues(store) && !self.answers_with(handler) {
            let descriptor = self.w.host.messages_mut(store).to_be_read(number);
            let errand = Errand { visit: Visit::BeginRead, store, descriptor };
            return Flow::Spend(SimDuration::ZERO, Then::QueueVisit(errand));
        }
        let pages = self.w.host.messages_mut(store).read(number);
        let Some(further) = (pages.len() as u64).checked_sub(1) else {
            let descriptor = self.w.host.messages_mut(store).to_be_read(number);
            self.read_removal(thread, store, descriptor);
            return Flow::Spend(self.w.setup.prices.uffd_poll.time, Then::HandlerPoll);
        };
        self.note_progress(thread);
        for &page in &pages {
            self.emit(Event::UffdRead { thread, page });
        }
        self.w.host.handlers[handler.index()].taken = pages.into();
        Flow::Spend(self.w.setup.prices.uffd_message.time.times(further), Then::HandlerServe)
    }

    /// A reader has a message, if there was one left, and goes on until it has as many as it asks for.
    pub(super) fn message_read(&mut self, thread: ThreadId, errand: Errand) -> Flow {
        let Errand { store, descriptor, .. } = errand;
        if self.is_of_ended(thread) {
            return Flow::Spend(SimDuration::ZERO, Then::HandlerPoll);
        }
        let handler = self.w.host.handler_of(thread);
        let messages = self.w.host.messages_mut(store);
        let (page, most) = (messages.read_one(descriptor), messages.config().batch as usize);
        let more = messages.has_unread(descriptor);
        if page.is_none() {
            self.read_removal(thread, store, descriptor);
        }
        let taken = &mut self.w.host.handlers[handler.index()].taken;
        taken.extend(page);
        if page.is_none() || taken.len() >= most {
            return self.read_is_over(thread, handler);
        }
        // It looks for another one whether or not there is one.
        let further = match more {
            true => self.outside_lock(self.w.setup.prices.uffd_message.time, store),
            false => SimDuration::ZERO,
        };
        Flow::Spend(further, Then::QueueVisit(Errand { visit: Visit::BeginRead, ..errand }))
    }

    /// The system call returns with what it has.
    fn read_is_over(&mut self, thread: ThreadId, handler: HandlerId) -> Flow {
        let pages: Vec<_> = self.w.host.handlers[handler.index()].taken.iter().copied().collect();
        if pages.is_empty() {
            return Flow::Spend(self.w.setup.prices.uffd_poll.time, Then::HandlerPoll);
        }
        self.note_progress(thread);
        for page in pages {
            self.emit(Event::UffdRead { thread, page });
        }
        Flow::Spend(SimDuration::ZERO, Then::HandlerServe)
    }

    /// A reader does the next thing for the messages that it has read.
    fn serve(&mut self, thread: ThreadId, handler: HandlerId) -> Flow {
        let (store, _) = self.w.host.handler(handler);
        if !self.w.host.handlers[handler.index()].answers.is_empty() {
            return Flow::Spend(SimDuration::ZERO, Then::HandlerAnswer);
        }
        let config = self.w.host.messages_mut(store).config();
        let (installs, latency, around) = (config.installers == 0, config.latency, config.around);
        if let Some(flow) = self.serve_removed(handler) {
            return flow;
        }
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
            self.w.host.handlers[handler.index()].installing.run = Some(run);
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

    /// The next page of a reader is one that was given back: nothing is to be brought for it.
    fn serve_removed(&mut self, handler: HandlerId) -> Option<Flow> {
        let (store, _) = self.w.host.handler(handler);
        let &page = self.w.host.handlers[handler.index()].taken.front()?;
        if !self.w.host.is_removed(page) {
            return None;
        }
        self.w.host.handlers[handler.index()].taken.pop_front();
        let run = PageRun { first: page, pages: 1 };
        if self.w.host.messages_mut(store).config().installers == 0 {
            self.w.host.handlers[handler.index()].installing.run = Some(run);
            return Some(Flow::Spend(SimDuration::ZERO, Then::HandlerInstall));
        }
        let due = Some(self.now());
        self.w.host.messages_mut(store).want(Wanted { run, due });
        Some(match self.w.host.messages_mut(store).has_idle_installer() {
            true => Flow::Spend(self.w.setup.prices.uffd_tell.time, Then::HandlerTell),
            false => Flow::Spend(SimDuration::ZERO, Then::HandlerServe),
        })
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
        self.wake_installer(handler);
        match self.w.host.handlers[handler.index()].taken.is_empty() {
            true => self.served(handler),
            false => Flow::Spend(SimDuration::ZERO, Then::HandlerServe),
        }
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
        self.w.host.messages_mut(store).awaits(request.id);
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
        self.w.host.handlers[handler.index()].installing.run = Some(run);
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

    /// Who has installed pages looks whether anybody sleeps, and wakes who does under the lock.
    fn begin_wake(&mut self, handler: HandlerId) -> Flow {
        let (store, _) = self.w.host.handler(handler);
        let run = self.w.host.handlers[handler.index()].installing.run;
        if let Some(run) = run {
            let descriptor = self.w.host.messages_mut(store).descriptor(run.first) as u16;
            let queues = self.w.host.queues_mut(store, descriptor);
            if queues.is_some_and(|queues| queues.has_sleepers()) {
                let errand = Errand { visit: Visit::Wake, store, descriptor };
                return Flow::Spend(SimDuration::ZERO, Then::QueueVisit(errand));
            }
        }
        self.wake_sleepers(handler)
    }

    /// Everybody who sleeps for one of the pages is woken, whether or not his message was read.
    pub(super) fn wake_sleepers(&mut self, handler: HandlerId) -> Flow {
        let (store, _) = self.w.host.handler(handler);
        let own = &mut self.w.host.handlers[handler.index()].installing;
        own.copied = 0;
        let run = own.run.take();
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
