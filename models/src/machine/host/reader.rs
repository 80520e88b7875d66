//! A reader of messages on its way into `poll` and out of it, or into `epoll_wait` and out of it (fs/eventpoll.c of
//! 6.12: `ep_poll`, `ep_send_events`).

use sim_core::{EventQueue, SimDuration};

use crate::base::ids::{HandlerId, ThreadId};
use crate::config::Waking;
use crate::machine::world::{Cx, Errand, Flow, MachineEvent, Pass, Then, Visit};
use crate::parts::memory::epoll::Harvest;
use crate::parts::memory::userfault::Role;

impl<Q: EventQueue<MachineEvent>> Cx<'_, Q> {
    /// Where a reader's next visit on its way into `poll`, or out of it, leads.
    pub(super) fn visit_next(&mut self, thread: ThreadId, from: u16, visit: Visit) -> Option<Flow> {
        let (store, number) = self.w.host.handler(self.w.host.handler_of(thread));
        let polls = self.w.host.keeps_queues(store)
            && !self.answers_with(self.w.host.handler_of(thread))
            && self.w.host.messages_mut(store).config().waking == Waking::All;
        if !polls {
            return None;
        }
        let descriptor = self.w.host.messages_mut(store).next_descriptor(number, from)?;
        let errand = Errand { store, descriptor, visit };
        Some(Flow::Spend(SimDuration::ZERO, Then::QueueVisit(errand)))
    }

    /// Whether a thread is one of a process that has ended, which it is about to notice.
    pub(super) fn is_of_ended(&mut self, thread: ThreadId) -> bool {
        let handler = self.w.host.handler_of(thread);
        self.is_of_ended_process(handler, Then::HandlerPoll)
    }

    /// Whether a thread waits in an instance of epoll.
    pub(super) fn epolls(&mut self, handler: HandlerId) -> bool {
        let (store, _) = self.w.host.handler(handler);
        self.w.host.handlers[handler.index()].role == Role::Reader
            && !self.answers_with(handler)
            && self.w.host.messages_mut(store).config().waking != Waking::All
    }

    /// A reader comes to the ready list of its instance: with a call, or because it was woken.
    pub(super) fn come_to_list(
        &mut self,
        thread: ThreadId,
        handler: HandlerId,
        pass: Pass,
    ) -> Flow {
        let (store, number) = self.w.host.handler(handler);
        let pcpu = self.w.host.threads[thread.index()].pcpu;
        let woken = pass == Pass::Woken;
        let lines = self.w.host.messages_mut(store).comes_to_list(number, pcpu, woken);
        let lines = self.w.setup.prices.lock_line.time.times(lines.into());
        Flow::Spend(lines, Then::HandlerEpoll(pass))
    }

    /// A reader passes over the list. What `poll` takes is taken for a call whose first pass delivers something, and
    /// for one that sleeps; a pass that finds nothing after a wake is what such a call does not have.
    pub(super) fn pass_over_list(
        &mut self,
        thread: ThreadId,
        handler: HandlerId,
        pass: Pass,
    ) -> Flow {
        let (store, number) = self.w.host.handler(handler);
        if pass == Pass::Delivers {
            // The descriptor is on the list again, so that another one who waits in the instance is to look, too.
            if let Some(other) = self.w.host.messages_mut(store).waits_beside(number) {
                self.w.host.messages_mut(store).wake_reader(other);
                let other = self.w.host.thread_of_handler(store, Role::Reader, other);
                self.wake_thread(other);
            }
            return self.begin_read(handler);
        }
        match self.w.host.messages_mut(store).harvest(number) {
            Harvest::Something => {
                let herd = self.w.setup.prices.uffd_herd.time;
                match self.w.host.messages_mut(store).waits_beside(number) {
                    Some(_) => Flow::Spend(herd, Then::HandlerEpoll(Pass::Delivers)),
                    None => self.begin_read(handler),
                }
            }
            Harvest::Nothing if pass == Pass::Woken => {
                let pass = self.w.setup.prices.uffd_epoll.time;
                Flow::Spend(pass, Then::HandlerEpoll(Pass::Called))
            }
            Harvest::Nothing | Harvest::Empty => {
                self.w.host.messages_mut(store).sleeps(number);
                self.block_thread(thread, Then::HandlerPolled);
                Flow::Stopped
            }
        }
    }
}
